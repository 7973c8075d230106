// MESSAGE, ACK and SYNC (PROTOCOL.md section 5).
#include <algorithm>

#include "tests/model/model.h"

namespace ims::model {

Response Model::message(int id, const Request& request) {
  Message message;
  if (!message.ParseFromString(request.payload())) return refuse(Code::kBadRequest);
  if (!Message::MessageType_IsValid(message.type())) return refuse(Code::kUnsupported);
  const bool to_group = !message.group().empty();
  const std::string to = to_group ? message.group() : message.to();
  const bool offline = std::any_of(request.opts().begin(), request.opts().end(),
                                   [](const Option& option) { return option.offline(); });
  RecallPayload recalled;
  if (bad_options(request) || message.to().empty() != to_group || !is_name(to) ||
      message.client_id().size() > 32 ||
      (message.type() == Message::RECALL &&
       (!offline || !recalled.ParseFromString(message.payload())))) {
    return refuse(Code::kBadRequest);
  }
  if (message.payload().size() > limits_.max_message_bytes) return refuse(Code::kTooLarge);

  const Who who = sessions_.at(id).who;
  Tenant& tenant = tenants_[who.tenant];
  const auto key = std::tuple(who.user, to_group, to, message.client_id());
  const bool deduped = offline && !message.client_id().empty();
  if (const auto it = tenant.sent.find(key); deduped && it != tenant.sent.end()) {
    const Sent& first = it->second;
    if (now_ms_ - first.answer.time_ms() < limits_.dedupe_window_ms) {
      if (first.message.type() != message.type() || first.message.payload() != message.payload()) {
        return refuse(Code::kAlreadyExists);
      }
      Response again = first.answer;
      again.set_duplicate(true);
      return again;
    }
  }
  if (to_group) {
    const Group* group = find(tenant.groups, to);
    if (group == nullptr || group->dismissed) return refuse(Code::kNotFound);
    const Membership* member = find(group->members, who.user);
    if (member == nullptr || member->muted) return refuse(Code::kForbidden);
  } else {
    User* user = find(tenant.users, to);
    if (user == nullptr) return refuse(Code::kNotFound);
    const Contact* contact = find(user->contacts, who.user);
    if (contact != nullptr && contact->blocked()) return refuse(Code::kForbidden);
  }
  message.set_from(who.user);
  message.set_device(who.device);
  message.set_time_ms(now_ms_);
  message.clear_seq();
  message.clear_peer_seq();
  if (!offline) return relay(id, message);

  Timeline& rows = to_group ? tenant.groups[to].rows : tenant.users[to].inbox;
  if (message.type() == Message::RECALL) {
    const Code code = recall(rows, who.user, recalled.seq());
    if (code != Code::kOk) return refuse(code);
  }
  if (rows.size() >= limits_.max_timeline_rows) return refuse(Code::kQueueFull);
  if (message.type() == Message::RECALL) {
    rows[recalled.seq() - 1].message.set_type(Message::RECALL);
    rows[recalled.seq() - 1].message.clear_payload();
  }
  Response response;
  response.set_seq(append(tenant, to, to_group ? to : "", {Request::MESSAGE, message, {}, {}, id}));
  response.set_time_ms(now_ms_);
  if (deduped) tenant.sent[key] = {message, response};

  if (to_group || to == who.user) return response;
  const auto& devices = tenant.users[who.user].devices;
  if (devices.size() > (!who.send_only && devices.contains(who.device) ? 1u : 0u)) {
    message.set_peer_seq(response.seq());
    append(tenant, who.user, "", {Request::MESSAGE, message, {}, {}, id});
    copied_ = true;
  }
  return response;
}

// Whether `sender` may recall row `seq` now. Choice: a copy in the sender's own inbox is no row
// that it stored there.
Code Model::recall(Timeline& rows, const std::string& sender, std::uint64_t seq) {
  if (seq == 0 || seq > rows.size()) return Code::kNotFound;
  const Row& row = rows[seq - 1];
  if (row.type != Request::MESSAGE || row.message.from() != sender ||
      row.message.type() == Message::RECALL || row.message.peer_seq() != 0) {
    return Code::kNotFound;
  }
  const bool too_old = now_ms_ - row.message.time_ms() > limits_.recall_window_ms;
  return too_old ? Code::kForbidden : Code::kOk;
}

Response Model::relay(int id, const Message& message) {
  const Who& who = sessions_.at(id).who;
  const Group* group = find(tenants_[who.tenant].groups, message.group());
  bool heard = !message.group().empty();
  for (const auto& [other, session] : sessions_) {
    if (other == id || session.who.send_only || session.who.tenant != who.tenant) continue;
    if (message.group().empty() ? session.who.user != message.to()
                                : !group->members.contains(session.who.user)) {
      continue;
    }
    pushes_[other].relayed.push_back(message);
    heard = true;
  }
  if (!heard) return refuse(Code::kOffline);
  Response response;
  response.set_time_ms(now_ms_);
  return response;
}

Response Model::ack(int id, const Request& request) {
  const Who who = sessions_.at(id).who;
  if (who.send_only) return refuse(Code::kUnsupported);
  AckRequest ack;
  const bool decodes = ack.ParseFromString(request.payload());
  const std::string& line = ack.group();
  if (bad_options(request) || !decodes || (!line.empty() && !is_name(line))) {
    return refuse(Code::kBadRequest);
  }
  Tenant& tenant = tenants_[who.tenant];
  User& user = tenant.users[who.user];
  std::uint64_t newest = user.inbox.size();
  if (!line.empty()) {
    const Group* group = find(tenant.groups, line);
    if (group == nullptr) return refuse(Code::kNotFound);
    const Stay* stay = find(user.stays, line);
    newest = group->rows.size();
    // Choice: a membership that ended may be forgotten once all of it is acknowledged.
    if (stay != nullptr && user.devices[who.device].cursors[line] >= stay->to) {
      or_else_ = group->dismissed ? Code::kNotFound : Code::kForbidden;
    }
    if (stay == nullptr || ack.seq() > stay->to) {
      return refuse(group->dismissed ? Code::kNotFound : Code::kForbidden);
    }
  }
  if (ack.seq() > newest) return refuse(Code::kBadRequest);
  std::uint64_t& cursor = user.devices[who.device].cursors[line];
  cursor = std::max(cursor, ack.seq());
  pump(id, line);
  return {};
}

Response Model::sync(int id, const Request& request) {
  SyncRequest sync;
  const bool decodes = sync.ParseFromString(request.payload());
  const std::string& line = sync.group();
  if (bad_options(request) || !decodes || (!line.empty() && !is_name(line)) ||
      (sync.after_seq() != 0 && sync.before_seq() != 0)) {
    return refuse(Code::kBadRequest);
  }
  const Who& who = sessions_.at(id).who;
  SyncResult result;
  result.set_first_seq(1);
  if (!line.empty()) {
    const Group* group = find(tenants_[who.tenant].groups, line);
    if (group == nullptr || group->dismissed) return refuse(Code::kNotFound);
    const Membership* member = find(group->members, who.user);
    if (member == nullptr) return refuse(Code::kForbidden);
    result.set_first_seq(member->from);
  }
  const Timeline& rows = rows_of(who, line);
  const std::uint64_t limit = page_limit(sync.limit());
  std::uint64_t from = std::max(sync.after_seq() + 1, result.first_seq());
  std::uint64_t to = rows.size() + 1;  // one past
  if (sync.before_seq() != 0) {
    to = std::min(to, sync.before_seq());
    result.set_more(to > from + limit);
    from = std::max(from, to > limit ? to - limit : 0);
  } else {
    result.set_more(to > from + limit);
    to = std::min(to, from + limit);
  }
  for (std::uint64_t seq = from; seq < to; ++seq) {
    const Row& row = rows[seq - 1];
    if (row.type == Request::MESSAGE) *result.add_messages() = row.message;
    if (row.type == Request::GROUP) *result.add_group_events() = row.group;
    if (row.type == Request::CONTACT) *result.add_contact_events() = row.contact;
  }
  result.set_head_seq(rows.size());
  return answer(result);
}

}  // namespace ims::model
