// Memberships, by the events of a group's timeline: who saw which rows (model.h).
#include <algorithm>

#include "tests/sim/model.h"

namespace ims::sim {

void Model::replay_group(const TimelineName& name, const std::map<std::uint64_t, Row>& rows) {
  Group& group = groups_[name];
  for (const auto& [seq, row] : rows) {
    const std::string where = name.text() + " row " + std::to_string(seq) + ": ";
    expect(!group.dismissed, where + "after the group was dismissed");
    if (row.event) {
      replay_event(group, where, seq, row);
      continue;
    }
    expect(group.roles.contains(row.from), where + "a message by no member");
    expect(!group.muted.contains(row.from), where + "a message by a muted member");
  }
}

void Model::replay_event(Group& group, const std::string& where, std::uint64_t seq,
                         const Row& row) {
  using Op = GroupRequest;
  const auto role_of = [&](const std::string& user) {
    const auto it = group.roles.find(user);
    return it == group.roles.end() ? -1 : it->second;
  };
  const auto join = [&](const std::string& user, int role) {
    expect(role_of(user) < 0, where + user + " joins twice");
    group.roles[user] = role;
    group.spans[user].push_back({seq, 0});
  };
  const auto end = [&](const std::string& user) {
    expect(role_of(user) >= 0, where + user + " is no member");
    group.roles.erase(user);
    group.muted.erase(user);
    group.spans[user].back().end = seq;
  };
  const int actor = role_of(row.from);
  expect(row.kind == Op::CREATE || row.kind == Op::JOIN || actor >= 0, where + "by no member");
  const auto acts_on = [&](const std::string& user) {
    const int role = role_of(user);
    expect(user != row.from && role >= 0 &&
               (actor == Op::OWNER || (actor == Op::ADMIN && role == Op::MEMBER)),
           where + row.from + " may not act on " + user);
  };
  switch (row.kind) {
    case Op::CREATE:
      expect(seq == 1, where + "CREATE is not the first row");
      join(row.from, Op::OWNER);
      for (const std::string& user : row.users) join(user, Op::MEMBER);
      break;
    case Op::JOIN:
      expect(row.users == std::vector{row.from}, where + "JOIN of another");
      join(row.from, Op::MEMBER);
      break;
    case Op::INVITE:
      expect(actor > Op::MEMBER && !row.users.empty(), where + "INVITE by a member");
      for (const std::string& user : row.users) join(user, Op::MEMBER);
      break;
    case Op::LEAVE:
      expect(actor != Op::OWNER, where + "the owner left");
      end(row.from);
      break;
    case Op::KICK:
      for (const std::string& user : row.users) {
        acts_on(user);
        end(user);
      }
      break;
    case Op::DISMISS: {
      expect(actor == Op::OWNER, where + "DISMISS by no owner");
      const std::map<std::string, int> all = group.roles;
      for (const auto& [user, role] : all) end(user);
      group.dismissed = true;
      break;
    }
    case Op::SET_ROLE:
      expect(actor == Op::OWNER, where + "SET_ROLE by no owner");
      for (const std::string& user : row.users) {
        acts_on(user);
        expect(role_of(user) != row.role, where + "changes nothing");
        group.roles[user] = row.role;
        if (row.role != Op::MEMBER) group.muted.erase(user);
        if (row.role == Op::OWNER) group.roles[row.from] = Op::ADMIN;
      }
      break;
    case Op::MUTE:
    case Op::UNMUTE:
      for (const std::string& user : row.users) {
        acts_on(user);
        const bool changed = row.kind == Op::MUTE ? group.muted.insert(user).second
                                                  : group.muted.erase(user) > 0;
        expect(changed, where + "changes nothing");
      }
      break;
    case Op::RENAME:
      expect(actor > Op::MEMBER, where + "RENAME by a member");
      break;
    default:
      fail(where + "an event that is none");
  }
}

// The first row of the membership in which the user sees that row; 0: sees it in none.
std::uint64_t Model::join_of(const TimelineName& timeline, const std::string& user,
                             std::uint64_t seq) const {
  if (!timeline.group) return timeline.name == user ? 1 : 0;
  const auto group = groups_.find(timeline);
  if (group == groups_.end()) return 0;
  const auto spans = group->second.spans.find(user);
  if (spans == group->second.spans.end()) return 0;
  for (const Span& span : spans->second) {
    if (seq >= span.join && (span.end == 0 || seq <= span.end)) return span.join;
  }
  return 0;
}

// The last row that the user is entitled to, and the first of its present or last membership, once
// the newest row was `head_max`.
std::uint64_t Model::limit_of(const TimelineName& timeline, const std::string& user,
                              std::uint64_t& join, std::uint64_t head_max) const {
  join = 1;
  const auto rows = truth_->find(timeline);
  const std::uint64_t newest =
      rows == truth_->end() || rows->second.empty() ? 0 : rows->second.rbegin()->first;
  const std::uint64_t head = std::min(newest, head_max);
  if (!timeline.group) return head;
  const auto spans = groups_.at(timeline).spans.find(user);
  if (spans == groups_.at(timeline).spans.end()) return 0;
  std::uint64_t limit = 0;
  for (const Span& span : spans->second) {
    if (span.join > head) break;
    join = span.join;
    limit = span.end == 0 ? head : std::min(span.end, head);
  }
  return limit;
}

}  // namespace ims::sim
