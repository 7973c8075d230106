// What two rows tell of: a membership (the group's and the user's), a contact (both users').
#include "deploy/ctl_verify_walk.h"
#include "deploy/operator_desk.h"
#include "logic/sys_keys.h"
#include "shared/config_value.h"

namespace ims {

// ---- memberships ----

void Walk::read_members() {
  scan_kind('m', [&](std::string_view key, std::string_view value) {
    const auto id = logic::read_big_endian<std::uint64_t>(key.substr(3));
    const auto row = logic::decode_member(value);
    Owner* group = find(id);
    if (group == nullptr) return problem("members of an unknown group: " + std::to_string(id));
    if (!row) return problem(label(*group) + ": a member's row is damaged");
    group->members.emplace(logic::name_of_member_key(key), row->join_seq);
    if (row->join_seq > group->state.head) {
      problem(label(*group) + ": " + quote(logic::name_of_member_key(key)) + " joined at " +
              std::to_string(row->join_seq) + ", beyond head " + std::to_string(group->state.head));
    }
  });
  scan_kind('x', [&](std::string_view key, std::string_view) {
    dismissals_[std::string(key.substr(7))] = true;
  });
  scan_kind('o', [&](std::string_view, std::string_view value) {
    const auto row = logic::decode_outbox(value);
    if (!row) return problem("an outbox row is damaged");
    if (row->kind == logic::OutboxRow::Kind::kContact) {
      mirrors_due_[pair_key(row->tenant.value, row->user_name, row->other_name)] = row->contact;
      return;
    }
    told_[pair_key(row->tenant.value, row->user_name, row->group_name)] = row->mine;
  });
}

void Walk::read_mine() {
  const auto take = [&](std::string_view user, const std::string& group, const MineRow& row) {
    if (row.end_seq != 0) return;
    mine_[{row.group.value, std::string(user)}] = row.join_seq;
    if (find(row.group.value) == nullptr && !dismissals_.contains(group)) {
      problem("user " + quote(user) + " is in group " + quote(group) + ", which is unknown");
    }
  };
  scan_kind('n', [&](std::string_view key, std::string_view value) {
    const auto id = logic::read_big_endian<std::uint64_t>(key.substr(3));
    const std::string group(logic::name_of_member_key(key));
    const Owner* user = find(id);
    if (user == nullptr) return problem("groups of an unknown user: " + std::to_string(id));
    const auto row = logic::decode_mine(value);
    if (!row) return problem(label(*user) + ": its row of group " + quote(group) + " is damaged");
    if (!told_.contains(pair_key(user->tenant, user->name, group))) take(user->name, group, *row);
  });
  for (const auto& [key, row] : told_) {
    const std::size_t first = key.find('/');
    const std::size_t last = key.rfind('/');  // names hold no '/'
    take(std::string_view(key).substr(first + 1, last - first - 1), key.substr(last + 1), row);
  }
}

void Walk::check_members() {
  for (const auto& [id, group] : owners_) {
    if (group.kind != NameKind::kGroup || group.dismissed) continue;
    if (group.members.size() != group.member_count) {
      problem(label(group) + ": counts " + std::to_string(group.member_count) + " members, has " +
              std::to_string(group.members.size()));
    }
    for (const auto& [name, join_seq] : group.members) {
      const auto mine = mine_.find({id, name});
      if (mine == mine_.end()) {
        problem(label(group) + ": member " + quote(name) + " does not know of it");
      } else if (mine->second != join_seq) {
        problem(label(group) + ": member " + quote(name) + " joined at " +
                std::to_string(join_seq) + ", its own row says " + std::to_string(mine->second));
      }
    }
  }
  for (const auto& [key, join_seq] : mine_) {
    const Owner* group = find(key.first);
    // A dismissed group may still be telling its members.
    if (group == nullptr || group->dismissed || group->members.contains(key.second)) continue;
    problem(label(*group) + ": " + quote(key.second) + " believes to be a member");
  }
}

// ---- contacts ----

// Each of two users sees the other as the other's mirror; a mirror that is still to be written
// stands in the outbox.
void Walk::check_contacts() {
  std::map<std::string, logic::ContactRow> rows;
  boost::unordered_flat_map<std::uint64_t, std::pair<std::uint32_t, std::uint32_t>> counts;
  scan_kind('c', [&](std::string_view key, std::string_view value) {
    const auto id = logic::read_big_endian<std::uint64_t>(key.substr(3));
    const std::string other(logic::name_of_member_key(key));
    const Owner* user = find(id);
    if (user == nullptr) return problem("contacts of an unknown user: " + std::to_string(id));
    const auto row = logic::decode_contact(value);
    if (!row) return problem(label(*user) + ": its contact " + quote(other) + " is damaged");
    if (row->empty()) problem(label(*user) + ": its contact " + quote(other) + " is empty");
    counts[id].first += row->listed() ? 1 : 0;
    counts[id].second += row->blocked ? 1 : 0;
    rows[pair_key(user->tenant, user->name, other)] = *row;
  });
  for (const auto& [id, owner] : owners_) {
    // The counts of one whose mirror is still to be written are due with it.
    const std::string own = pair_key(owner.tenant, owner.name, "");
    const auto due = mirrors_due_.lower_bound(own);
    const bool is_due = due != mirrors_due_.end() && due->first.starts_with(own);
    if (owner.kind != NameKind::kUser || is_due) continue;
    const auto [contacts, blocked] = counts[id];
    if (contacts != owner.contacts || blocked != owner.blocked) {
      problem(label(owner) + ": counts " + std::to_string(owner.contacts) + " contacts, " +
              std::to_string(owner.blocked) + " blocked; has " + std::to_string(contacts) +
              " and " + std::to_string(blocked));
    }
  }
  for (const auto& [key, row] : mirrors_due_) rows[key] = row;
  for (const auto& [key, row] : rows) {
    const std::size_t first = key.find('/');
    const std::size_t last = key.rfind('/');  // names hold no '/'
    const std::string mirror = key.substr(0, first + 1) + key.substr(last + 1) + '/' +
                               key.substr(first + 1, last - first - 1);
    const auto other = rows.find(mirror);
    const logic::ContactRow seen = other == rows.end() ? logic::ContactRow{} : other->second;
    if (logic::encode_contact(seen) == logic::encode_contact(row.mirrored())) continue;
    problem("contacts " + quote(key.substr(first + 1)) + " and their mirror differ");
  }
}

}  // namespace ims
