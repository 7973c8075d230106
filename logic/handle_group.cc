// GROUP: one handler per operation, at the group's owner. Who may do what is decided here, exactly,
// on pending memberships; what changes is one batch: member rows, outbox rows, one event row.
//
//   not dismissed, known          else NOT_FOUND (CREATE: ALREADY_EXISTS)
//   actor is a member             else FORBIDDEN (JOIN, CREATE excepted)
//   role: OWNER on all, ADMIN on MEMBERs, nobody on himself
//   several users: each is tried; none succeeded: the first one's code

#include <algorithm>

#include "logic/find_entity.h"
#include "logic/group_call.h"
#include "logic/worker.h"
#include "shared/limits.h"
#include "shared/request_parts.h"

namespace ims::logic {
namespace {

bool changes_members(GroupOp op) {
  return op == GroupOp::kCreate || op == GroupOp::kJoin || op == GroupOp::kLeave ||
         op == GroupOp::kInvite || op == GroupOp::kKick || op == GroupOp::kDismiss;
}

}  // namespace

GroupCall::GroupCall(const RequestRecord& record) {
  const RequestParts parts(record);
  from = parts.from();
  target = parts.target();
  const DecodeStatus status = decode_group_request(parts.payload(), request);
  IMS_ASSERT(status == DecodeStatus::kOk);  // the gateway checked it
  op = static_cast<GroupOp>(request.op);
  role = static_cast<Role>(request.role);
  users.reserve(request.users.size());
  boost::unordered_flat_set<std::string_view> seen;
  for (const std::string_view user : request.users) {
    if (seen.insert(user).second) users.push_back(user);
  }
}

void Worker::handle_group(const RequestRecord& record) {
  const GroupCall call(record);
  const Requester to = requester_of(record);
  if (call.op == GroupOp::kListMine) return list_mine(record, call);

  Group& group = group_entry(record.tenant, record.target_hash, call.target);
  if (!ensure_loaded(group, bytes_of(record))) return;
  if (!group_operation(record, group, call, to) || record.before_seq == 0) return;
  const auto done = exchanges_.find(record.before_seq);
  if (done == exchanges_.end()) return;
  release_places(record.tenant, done->second);
  exchanges_.erase(done);
}

// True: answered, or waiting for a commit. False: parked, it will come again.
bool Worker::group_operation(const RequestRecord& record, Group& group, const GroupCall& call,
                             const Requester& to) {
  if (call.op == GroupOp::kCreate) return group_create(record, group, call);
  if (group.state == Entity::State::kAbsent || group.dismissed) {
    refuse(to, Code::kNotFound);
    return true;
  }
  std::vector<std::string_view> names = call.users;
  names.push_back(call.from);
  if (!ensure_members(group, names, bytes_of(record))) return false;
  const Member& actor = member_of(group, call.from);

  if (changes_members(call.op) && outbox_size() >= kOutboxMax) {
    refuse(to, Code::kOverloaded);
    return true;
  }
  if (call.op == GroupOp::kJoin) return group_join(record, group, call);
  if (!actor.exists) {
    answer(to, Code::kForbidden, "You are no member of the group.");
    return true;
  }
  const bool reads = call.op == GroupOp::kInfo || call.op == GroupOp::kMembers;
  if (!reads && !ports_.store->has_space()) {
    refuse(to, Code::kUnavailable);
    return true;
  }
  const bool manages = actor.row.role != Role::kMember;
  const bool owns = actor.row.role == Role::kOwner;
  const auto forbid = [&] {
    answer(to, Code::kForbidden, "Your role in the group does not allow that.");
    return true;
  };
  switch (call.op) {
    case GroupOp::kInfo: return group_info(record, group), true;
    case GroupOp::kMembers: return group_members_page(record, group, call), true;
    case GroupOp::kLeave:
      if (owns) return answer(to, Code::kForbidden, "The owner cannot leave the group."), true;
      return group_leave(record, group, call), true;
    case GroupOp::kInvite: return manages ? group_invite(record, group, call) : forbid();
    case GroupOp::kKick: return manages ? (group_kick(record, group, call), true) : forbid();
    case GroupOp::kMute:
    case GroupOp::kUnmute: return manages ? (group_mute(record, group, call), true) : forbid();
    case GroupOp::kRename: return manages ? (group_rename(record, group, call), true) : forbid();
    case GroupOp::kSetRole: return owns ? (group_set_role(record, group, call), true) : forbid();
    case GroupOp::kDismiss: return owns ? (group_dismiss(record, group, call), true) : forbid();
    case GroupOp::kCreate:
    case GroupOp::kJoin:
    case GroupOp::kListMine: break;
  }
  IMS_ASSERT(false);
}

// ---- becoming a member --------------------------------------------------------------------------

bool Worker::group_create(const RequestRecord& record, Group& group, const GroupCall& call) {
  const Requester to = requester_of(record);
  if (group.state == Entity::State::kReady) {
    answer(to, Code::kAlreadyExists, "There is or was a group of that name.");
    return true;
  }
  if (!ports_.store->has_space()) return refuse(to, Code::kUnavailable), true;
  if (outbox_size() >= kOutboxMax) return refuse(to, Code::kOverloaded), true;
  const Exchange* exchange = exchange_of(record);
  if (exchange == nullptr) {
    std::vector<std::string_view> names = call.users;
    if (std::find(names.begin(), names.end(), call.from) == names.end()) names.push_back(call.from);
    ask_users(group, names, record);
    return true;
  }
  const auto fact = [&](std::string_view user) {
    return exchange->facts.find(std::string(user))->second;
  };
  if (fact(call.from) == UserFact::kAtGroupLimit) {
    return answer(to, Code::kQueueFull, "You are in too many groups."), true;
  }
  if (fact(call.from) != UserFact::kFree) return refuse(to, Code::kNotFound), true;
  std::vector<std::string_view> added;
  for (const std::string_view user : call.users) {
    if (user != call.from && fact(user) == UserFact::kFree) added.push_back(user);
  }
  if (added.size() + 1 > config_.max_group_members) {
    return answer(to, Code::kQueueFull, "The group would have too many members."), true;
  }
  if (!event_fits(call, added)) return refuse(to, Code::kTooLarge), true;

  group.id = GroupId{next_id()};
  group.timeline.adopt({group.partition(), group.id.value}, {});
  group.state = Entity::State::kReady;
  group.dismissed = false;
  group.label = call.request.name;
  group.open = call.request.open;
  group.member_count = 0;
  group.members.clear();
  add_members(record, group, call, added, Role::kOwner);
  return true;
}

bool Worker::group_join(const RequestRecord& record, Group& group, const GroupCall& call) {
  const Requester to = requester_of(record);
  if (member_of(group, call.from).exists) {
    return answer(to, Code::kAlreadyExists, "You are a member already."), true;
  }
  if (!group.open) return answer(to, Code::kForbidden, "The group is not open."), true;
  if (group.member_count >= config_.max_group_members) {
    return answer(to, Code::kQueueFull, "The group has too many members."), true;
  }
  if (!ports_.store->has_space()) return refuse(to, Code::kUnavailable), true;
  const Exchange* exchange = exchange_of(record);
  if (exchange == nullptr) return ask_users(group, {&call.from, 1}, record), true;
  const UserFact fact = exchange->facts.begin()->second;
  if (fact == UserFact::kAtGroupLimit) {
    return answer(to, Code::kQueueFull, "You are in too many groups."), true;
  }
  if (fact != UserFact::kFree) return refuse(to, Code::kNotFound), true;
  add_members(record, group, call, {&call.from, 1}, Role::kMember);
  return true;
}

bool Worker::group_invite(const RequestRecord& record, Group& group, const GroupCall& call) {
  const Requester to = requester_of(record);
  std::vector<std::string_view> strangers;
  for (const std::string_view user : call.users) {
    if (!member_of(group, user).exists) strangers.push_back(user);
  }
  if (strangers.empty()) {
    return answer(to, Code::kAlreadyExists, "All of them are members already."), true;
  }
  if (group.member_count >= config_.max_group_members) {
    return answer(to, Code::kQueueFull, "The group has too many members."), true;
  }
  const Exchange* exchange = exchange_of(record);
  if (exchange == nullptr) return ask_users(group, strangers, record), true;
  std::vector<std::string_view> added;
  for (const std::string_view user : strangers) {
    const auto it = exchange->facts.find(std::string(user));
    if (it == exchange->facts.end() || it->second != UserFact::kFree) continue;
    if (group.member_count + added.size() >= config_.max_group_members) break;
    added.push_back(user);
  }
  if (added.empty()) return answer(to, Code::kNotFound, "None of them could be added."), true;
  if (!event_fits(call, added)) return refuse(to, Code::kTooLarge), true;
  add_members(record, group, call, added, Role::kMember);
  return true;
}

// The event, a member row and an outbox row for each. CREATE: the actor becomes `actor_role`.
void Worker::add_members(const RequestRecord& record, Group& group, const GroupCall& call,
                         std::span<const std::string_view> added, Role actor_role) {
  std::int64_t time_ms = 0;
  const std::uint64_t seq = append_row(group, group.timeline, time_ms);
  const MineRow mine{group.id, seq, 0, 0};
  if (call.op == GroupOp::kCreate) {
    set_member(group, call.from, {true, {actor_role, false, seq}});
    add_outbox(group, call.from, mine);
    ++group.member_count;
  }
  if (Exchange* exchange = exchange_of(record)) {
    exchange->facts[std::string(call.from)] = UserFact::kTaken;
    for (const std::string_view user : added) exchange->facts[std::string(user)] = UserFact::kTaken;
  }
  result_.clear();
  for (const std::string_view user : added) {
    set_member(group, user, {true, {Role::kMember, false, seq}});
    add_outbox(group, user, mine);
    ++group.member_count;
    add_result_member({user, Role::kMember, false});
  }
  group_event(record, group, call, added, seq, time_ms);
}

// ---- ceasing to be one --------------------------------------------------------------------------

void Worker::remove_members(const RequestRecord& record, Group& group, const GroupCall& call,
                            std::span<const std::string_view> removed) {
  std::int64_t time_ms = 0;
  const std::uint64_t seq = append_row(group, group.timeline, time_ms);
  for (const std::string_view user : removed) {
    const std::uint64_t join_seq = member_of(group, user).row.join_seq;
    set_member(group, user, {});
    add_outbox(group, user, {group.id, join_seq, seq, time_ms});
    --group.member_count;
  }
  result_.clear();
  group_event(record, group, call, removed, seq, time_ms);
}

void Worker::group_leave(const RequestRecord& record, Group& group, const GroupCall& call) {
  remove_members(record, group, call, {&call.from, 1});
}

void Worker::group_kick(const RequestRecord& record, Group& group, const GroupCall& call) {
  std::vector<std::string_view> kicked;
  Code first = Code::kOk;
  for (const std::string_view user : call.users) {
    const Code code = may_act_on(group, call, user);
    if (code == Code::kOk) kicked.push_back(user);
    if (first == Code::kOk) first = code;
  }
  if (kicked.empty()) return refuse(requester_of(record), first);
  remove_members(record, group, call, kicked);
}

// Every membership ends with the event. A member list may be long: the rest of it is done in pages
// (group_dismissal.cc), and a crash in between goes on with it at the next start.
void Worker::group_dismiss(const RequestRecord& record, Group& group, const GroupCall& call) {
  std::int64_t time_ms = 0;
  const std::uint64_t seq = append_row(group, group.timeline, time_ms);
  group.dismissed = true;
  begin_dismissal(group, seq, time_ms);
  result_.clear();
  group_event(record, group, call, {}, seq, time_ms);
}

// ---- roles, mutes, name -------------------------------------------------------------------------

Code Worker::may_act_on(Group& group, const GroupCall& call, std::string_view user) const {
  if (user == call.from) return Code::kForbidden;
  const Member& member = member_of(group, user);
  if (!member.exists) return Code::kNotFound;
  const Role actor = member_of(group, call.from).row.role;
  if (actor == Role::kOwner) return Code::kOk;
  return actor == Role::kAdmin && member.row.role == Role::kMember ? Code::kOk : Code::kForbidden;
}

void Worker::group_set_role(const RequestRecord& record, Group& group, const GroupCall& call) {
  std::vector<std::string_view> changed;
  Code first = Code::kOk;
  bool tried = false;
  for (const std::string_view user : call.users) {
    Code code = may_act_on(group, call, user);
    if (code == Code::kOk && call.role == Role::kOwner && !changed.empty()) {
      code = Code::kForbidden;  // handed over already
    }
    if (code == Code::kOk) {
      tried = true;
      if (member_of(group, user).row.role != call.role) changed.push_back(user);
    }
    if (first == Code::kOk) first = code;
  }
  if (!tried) return refuse(requester_of(record), first);
  change_members(record, group, call, changed, [&](MemberRow& row) {
    row.role = call.role;
    if (call.role != Role::kMember) row.muted = false;
  });
}

void Worker::group_mute(const RequestRecord& record, Group& group, const GroupCall& call) {
  const bool mute = call.op == GroupOp::kMute;
  std::vector<std::string_view> changed;
  Code first = Code::kOk;
  bool tried = false;
  for (const std::string_view user : call.users) {
    const Code code = may_act_on(group, call, user);
    if (code == Code::kOk) {
      tried = true;
      if (member_of(group, user).row.muted != mute) changed.push_back(user);
    }
    if (first == Code::kOk) first = code;
  }
  if (!tried) return refuse(requester_of(record), first);
  change_members(record, group, call, changed, [&](MemberRow& row) { row.muted = mute; });
}

template <typename Change>
void Worker::change_members(const RequestRecord& record, Group& group, const GroupCall& call,
                            std::span<const std::string_view> changed, Change change) {
  if (changed.empty()) return group_unchanged(record, group);
  if (!event_fits(call, changed)) return refuse(requester_of(record), Code::kTooLarge);
  std::int64_t time_ms = 0;
  const std::uint64_t seq = append_row(group, group.timeline, time_ms);
  result_.clear();
  for (const std::string_view user : changed) {
    Member member = member_of(group, user);
    change(member.row);
    set_member(group, user, member);
    add_result_member({user, member.row.role, member.row.muted});
  }
  if (call.op == GroupOp::kSetRole && call.role == Role::kOwner) {
    Member actor = member_of(group, call.from);
    actor.row.role = Role::kAdmin;
    set_member(group, call.from, actor);
  }
  group_event(record, group, call, changed, seq, time_ms);
}

void Worker::group_rename(const RequestRecord& record, Group& group, const GroupCall& call) {
  if (group.label == call.request.name) return group_unchanged(record, group);
  std::int64_t time_ms = 0;
  const std::uint64_t seq = append_row(group, group.timeline, time_ms);
  group.label = call.request.name;
  result_.clear();
  group_event(record, group, call, {}, seq, time_ms);
}

}  // namespace ims::logic
