// GROUP (PROTOCOL.md section 6).
#include <algorithm>

#include "tests/model/model.h"

namespace ims::model {

// The least role that may ask for it.
static GroupRequest::Role role_for(GroupRequest::Op op) {
  switch (op) {
    case GroupRequest::SET_ROLE:
    case GroupRequest::DISMISS:
      return GroupRequest::OWNER;
    case GroupRequest::INVITE:
    case GroupRequest::KICK:
    case GroupRequest::RENAME:
    case GroupRequest::MUTE:
    case GroupRequest::UNMUTE:
      return GroupRequest::ADMIN;
    default:
      return GroupRequest::MEMBER;
  }
}

Response Model::group(int id, const Request& request, const std::string& made_id) {
  GroupRequest ask;
  if (!ask.ParseFromString(request.payload())) return refuse(Code::kBadRequest);
  using Op = GroupRequest;
  const Op::Op op = ask.op();
  if (!Op::Op_IsValid(op) || !Op::Role_IsValid(ask.role())) return refuse(Code::kUnsupported);
  const bool about_users = op != Op::RENAME && op != Op::DISMISS && role_for(op) != Op::MEMBER;
  const bool may_be_unnamed = op == Op::LIST_MINE || (op == Op::CREATE && ask.group().empty());
  const bool names = std::all_of(ask.users().begin(), ask.users().end(), is_name);
  if (bad_options(request) || !names || !is_cursor(ask.cursor()) || ask.users_size() > 500 ||
      (about_users && ask.users().empty()) || !is_label(ask.name()) ||
      (!may_be_unnamed && !is_name(ask.group()))) {
    return refuse(Code::kBadRequest);
  }
  const Who& who = sessions_.at(id).who;
  Tenant& tenant = tenants_[who.tenant];
  if (op == Op::LIST_MINE) return list_groups(who, ask);
  std::vector<std::string> users;  // each is tried once
  for (const std::string& user : ask.users()) {
    if (std::find(users.begin(), users.end(), user) == users.end()) users.push_back(user);
  }
  if (op == Op::CREATE) return create(id, ask, ask.group().empty() ? made_id : ask.group(), users);
  Group* group = find(tenant.groups, ask.group());
  if (group == nullptr || group->dismissed) return refuse(Code::kNotFound);
  const Membership* me = find(group->members, who.user);
  if (op == Op::JOIN) {
    if (me != nullptr) return refuse(Code::kAlreadyExists);
    if (!group->open) return refuse(Code::kForbidden);
    const bool full = group->members.size() >= limits_.max_group_members ||
                      group_count(tenant, who.user) >= limits_.max_groups_per_user;
    return full ? refuse(Code::kQueueFull) : changed(id, ask, *group, {who.user});
  }
  if (me == nullptr || me->role < role_for(op)) return refuse(Code::kForbidden);
  if (op == Op::LEAVE) {
    return me->role == Op::OWNER ? refuse(Code::kForbidden) : changed(id, ask, *group, {who.user});
  }
  if (op == Op::INVITE) return invite(id, ask, *group, users);
  if (about_users) return act(id, ask, *group, users);
  users.clear();
  if (op == Op::MEMBERS) {
    auto it = group->members.upper_bound(ask.cursor());
    for (; it != group->members.end() && users.size() < page_limit(ask.limit()); ++it) {
      users.push_back(it->first);
    }
    ask.set_cursor(it == group->members.end() ? "" : users.back());
  }
  return changed(id, ask, *group, users);  // INFO, MEMBERS, RENAME, DISMISS
}

std::size_t Model::group_count(const Tenant& tenant, const std::string& user) {
  return static_cast<std::size_t>(
      std::count_if(tenant.groups.begin(), tenant.groups.end(),
                    [&](const auto& group) { return group.second.members.contains(user); }));
}

bool Model::may_be_added(Tenant& tenant, const std::string& actor, const std::string& name) {
  User* user = find(tenant.users, name);
  if (user == nullptr) return false;
  const Contact* contact = find(user->contacts, actor);
  const bool blocked = contact != nullptr && contact->blocked();
  return !blocked && group_count(tenant, name) < limits_.max_groups_per_user;
}

Response Model::create(int id, const GroupRequest& ask, const std::string& name,
                       const std::vector<std::string>& users) {
  const Who& who = sessions_.at(id).who;
  Tenant& tenant = tenants_[who.tenant];
  if (tenant.groups.contains(name)) return refuse(Code::kAlreadyExists);
  if (group_count(tenant, who.user) >= limits_.max_groups_per_user) return refuse(Code::kQueueFull);
  std::vector<std::string> added;
  for (const std::string& user : users) {
    if (user != who.user && may_be_added(tenant, who.user, user)) added.push_back(user);
  }
  if (added.size() + 1 > limits_.max_group_members) return refuse(Code::kQueueFull);
  Group& group = tenant.groups[name];
  group.id = name;
  group.open = ask.open();
  return changed(id, ask, group, added);
}

// Choice: where max_group_members lets some of the users in, the first ones are.
Response Model::invite(int id, const GroupRequest& ask, Group& group,
                       const std::vector<std::string>& users) {
  const Who& who = sessions_.at(id).who;
  std::vector<std::string> added;
  bool all_members = true;
  for (const std::string& user : users) {
    if (group.members.contains(user)) continue;
    all_members = false;
    if (!may_be_added(tenants_[who.tenant], who.user, user)) continue;
    if (group.members.size() + added.size() < limits_.max_group_members) added.push_back(user);
  }
  if (all_members) return refuse(Code::kAlreadyExists);
  if (group.members.size() >= limits_.max_group_members) return refuse(Code::kQueueFull);
  return added.empty() ? refuse(Code::kNotFound) : changed(id, ask, group, added);
}

// KICK, MUTE, UNMUTE, SET_ROLE: each user is tried; none succeeded: the first one's code.
// Choice: of several that SET_ROLE OWNER names, the first possible one becomes the owner.
Response Model::act(int id, const GroupRequest& ask, Group& group,
                    const std::vector<std::string>& users) {
  const Who& who = sessions_.at(id).who;
  const bool owns = group.members[who.user].role == GroupRequest::OWNER;
  const bool hands_over = ask.op() == GroupRequest::SET_ROLE && ask.role() == GroupRequest::OWNER;
  std::vector<std::string> acted_on;
  Code first = Code::kOk;
  bool succeeded = false;
  for (const std::string& user : users) {
    const Membership* member = find(group.members, user);
    const bool may =
        user != who.user && member != nullptr && (owns || member->role == GroupRequest::MEMBER);
    const Code code = may                                     ? Code::kOk
                      : user != who.user && member == nullptr ? Code::kNotFound
                                                              : Code::kForbidden;
    if (first == Code::kOk) first = code;
    if (!may || (hands_over && succeeded)) continue;
    succeeded = true;
    const bool same = ask.op() == GroupRequest::SET_ROLE ? member->role == ask.role()
                      : ask.op() == GroupRequest::KICK
                          ? false
                          : member->muted == (ask.op() == GroupRequest::MUTE);
    if (!same) acted_on.push_back(user);
  }
  return succeeded ? changed(id, ask, group, acted_on) : refuse(first);
}

// Makes the change, its event and the answer. Choice: `members` of the answer are those that the
// request added or altered, and the rest of GroupResult tells of the group as it is then.
Response Model::changed(int id, const GroupRequest& ask, Group& group,
                        const std::vector<std::string>& users) {
  const Who& who = sessions_.at(id).who;
  Tenant& tenant = tenants_[who.tenant];
  GroupEvent event;
  event.set_op(ask.op());
  event.set_group(group.id);
  event.set_by(who.user);
  for (const std::string& user : users) event.add_users(user);
  const std::uint64_t seq = group.rows.size() + 1;
  bool changes = !users.empty();
  const auto enter = [&](const std::string& user, GroupRequest::Role role) {
    group.members[user] = {role, false, seq};
    tenant.users[user].stays[group.id] = {seq, kNoEnd};
  };
  switch (ask.op()) {
    case GroupRequest::CREATE:
      enter(who.user, GroupRequest::OWNER);
      [[fallthrough]];
    case GroupRequest::RENAME:
      changes = ask.op() == GroupRequest::CREATE || group.name != ask.name();
      group.name = ask.name();
      event.set_name(ask.name());
      [[fallthrough]];
    case GroupRequest::JOIN:
    case GroupRequest::INVITE:
      for (const std::string& user : users) enter(user, GroupRequest::MEMBER);
      break;
    case GroupRequest::DISMISS:
      for (const auto& [user, member] : group.members) tenant.users[user].stays[group.id].to = seq;
      group.dismissed = changes = true;
      break;
    case GroupRequest::LEAVE:
    case GroupRequest::KICK:
      for (const std::string& user : users) {
        tenant.users[user].stays[group.id].to = seq;
        group.members.erase(user);
      }
      break;
    case GroupRequest::SET_ROLE:
      event.set_role(ask.role());
      for (const std::string& user : users) {
        group.members[user].role = ask.role();
        if (ask.role() != GroupRequest::MEMBER) group.members[user].muted = false;
      }
      if (changes && ask.role() == GroupRequest::OWNER) {
        group.members[who.user].role = GroupRequest::ADMIN;
      }
      break;
    case GroupRequest::MUTE:
    case GroupRequest::UNMUTE:
      for (const std::string& user : users) {
        group.members[user].muted = ask.op() == GroupRequest::MUTE;
      }
      break;
    default:
      changes = false;  // INFO, MEMBERS
  }
  if (changes) append(tenant, "", group.id, {Request::GROUP, {}, event, {}, id});
  GroupResult result;
  result.set_group(group.id);
  result.set_name(group.name);
  for (const std::string& user : users) {
    const Membership* member = find(group.members, user);
    if (member == nullptr) continue;
    Member& shown = *result.add_members();
    shown.set_user(user);
    shown.set_role(member->role);
    shown.set_muted(member->muted);
  }
  result.set_member_count(static_cast<std::uint32_t>(group.members.size()));
  result.set_head_seq(group.rows.size());
  result.set_open(group.open);
  if (ask.op() == GroupRequest::MEMBERS) result.set_cursor(ask.cursor());
  if (group.dismissed) group.members.clear();
  Response response = answer(result);
  if (!changes) return response;
  response.set_seq(seq);
  response.set_time_ms(now_ms_);
  return response;
}

Response Model::list_groups(const Who& who, const GroupRequest& ask) {
  GroupResult result;
  for (const auto& [id, group] : tenants_[who.tenant].groups) {
    if (id <= ask.cursor() || !group.members.contains(who.user)) continue;
    if (static_cast<std::uint32_t>(result.groups_size()) == page_limit(ask.limit())) {
      result.set_cursor(*result.groups().rbegin());
      break;
    }
    result.add_groups(id);
  }
  return answer(result);
}

}  // namespace ims::model
