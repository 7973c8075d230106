// One operation at a time (differential.h).
#include "tests/model/differential.h"

#include <algorithm>
#include <functional>

namespace ims::model {
namespace {

// Whether it may be asked again without changing anything: without a common clock the answer may
// be of a moment before (LIST_MINE, a session that has just ended, a copy that is on its way).
bool may_repeat(const Request& request, const Response& expected) {
  ContactRequest contact;
  GroupRequest group;
  switch (request.type()) {
    case Request::MESSAGE:
      return expected.code() == static_cast<int>(Code::kOffline);
    case Request::ACK:
    case Request::SYNC:
    case Request::PRESENCE:
      return true;
    case Request::CONTACT:
      return contact.ParseFromString(request.payload()) && contact.op() == ContactRequest::LIST;
    case Request::GROUP:
      return group.ParseFromString(request.payload()) &&
             (group.op() == GroupRequest::LIST_MINE || group.op() == GroupRequest::MEMBERS ||
              group.op() == GroupRequest::INFO);
    default:
      return false;
  }
}

// The request's type and operation.
std::string tally_name(const Request& request) {
  ContactRequest contact;
  GroupRequest group;
  Message message;
  std::string name = Request::RequestType_Name(request.type());
  if (request.type() == Request::CONTACT && contact.ParseFromString(request.payload())) {
    name += " " + ContactRequest::Op_Name(contact.op());
  } else if (request.type() == Request::GROUP && group.ParseFromString(request.payload())) {
    name += " " + GroupRequest::Op_Name(group.op());
  } else if (request.type() == Request::MESSAGE && message.ParseFromString(request.payload())) {
    if (message.type() == Message::RECALL) name += " RECALL";
    name += message.group().empty() ? " to a user" : " to a group";
  }
  return name;
}

std::string made_id(const Request& request, const Response& response) {
  GroupRequest ask;
  GroupResult result;
  if (request.type() != Request::GROUP || !ask.ParseFromString(request.payload()) ||
      ask.op() != GroupRequest::CREATE || !ask.group().empty() || response.code() != 0) {
    return {};
  }
  if (!result.ParseFromString(response.payload()) || !is_name(result.group())) {
    throw Difference("CREATE without an id was given none that is a name");
  }
  return result.group();
}

}  // namespace

void Differential::apply(const Operation& operation) {
  place_.begin();
  for (auto& [id, client] : clients_) client.wire.clear();
  compare_answer_ = nullptr;
  may_repeat_ = false;
  if (place_.has_clock()) {
    place_.pass(operation.after_ms);
    started_ms_ = place_.now_ms();
    model_.set_now(started_ms_);
  }
  switch (operation.kind) {
    case Operation::Kind::kConnect:
      connect(operation);
      break;
    case Operation::Kind::kRequest:
      request(operation);
      break;
    case Operation::Kind::kLeave:
      place_.write(operation.client, clients_.at(operation.client).wire.disconnect_frame());
      clients_.at(operation.client).closes = true;
      model_.log_out(operation.client);
      break;
    case Operation::Kind::kHalfClose:
      place_.half_close(operation.client);
      clients_.at(operation.client).closes = true;
      model_.log_out(operation.client);
      break;
    case Operation::Kind::kReset:
      place_.reset(operation.client);
      clients_.erase(operation.client);
      model_.log_out(operation.client);
      break;
    case Operation::Kind::kRestart:
    case Operation::Kind::kCrash:
      place_.restart(operation.kind == Operation::Kind::kCrash);
      clients_.clear();
      model_.restart();
      break;
    case Operation::Kind::kWait:
      break;
  }
  settle(operation);
}

void Differential::pass_over(const Operation& operation) {
  Operation nothing;
  nothing.kind = Operation::Kind::kWait;
  nothing.after_ms = operation.after_ms;
  apply(nothing);
}

// Of a user who has a session already.
bool Differential::is_new_device(const Who& who) {
  const auto* user = find(model_.tenants_[who.tenant].users, who.user);
  return user != nullptr && !user->devices.contains(who.device) &&
         std::any_of(model_.sessions_.begin(), model_.sessions_.end(), [&](const auto& entry) {
           return entry.second.who.tenant == who.tenant && entry.second.who.user == who.user;
         });
}

void Differential::connect(const Operation& operation) {
  const Who& who = operation.who;
  Client& client =
      clients_.emplace(operation.client, Client{WireClient(operation.envelope), who}).first->second;
  Connect connect;
  connect.set_org("org" + std::to_string(who.tenant));
  connect.set_appkey("app");
  connect.set_user(who.user);
  connect.set_device(who.device);
  connect.set_ack(static_cast<Connect::AckMode>(operation.ack_mode));
  connect.set_send_only(who.send_only);
  connect.set_token(place_.token(operation.wrong_secret ? 1 - who.tenant : who.tenant, who.user));
  // A new device: cursors of the others are known within a moment, and they hear of it within 1 s.
  const bool waits = !place_.has_clock() && is_new_device(who);
  if (waits) place_.pass(350);
  place_.begin();
  place_.connect(operation.client, operation.gateway);
  place_.write(operation.client, client.wire.connect_frame(connect));

  ConAck expected;
  const bool device_wrong = !who.device.empty() && !is_name(who.device);
  if (device_wrong || operation.ack_mode > 1 || operation.wrong_secret) {
    expected.set_status(ConAck::STATUS_FAIL);
    expected.set_code(static_cast<int>(device_wrong             ? Code::kBadRequest
                                       : operation.ack_mode > 1 ? Code::kUnsupported
                                                                : Code::kUnauthenticated));
  } else {
    expected = model_.log_in(operation.client, who);
  }
  if (expected.code() != 0) client.closes = true;
  if (waits) place_.pass(1050);
  compare_answer_ = [this, &client, expected] {
    if (!client.wire.login) return std::string("no login answer\n");
    std::string found = compare_login(expected, *client.wire.login);
    if (place_.has_clock() && expected.code() == 0 &&
        client.wire.login->server_time_ms() != started_ms_) {
      found += "server_time_ms is not the time\n";
    }
    return found;
  };
}

void Differential::request(const Operation& operation) {
  const Request& request = operation.request;
  Client& client = clients_.at(operation.client);
  const bool answered = operation.with_id || request.type() != Request::ACK;
  ask(operation);
  if (!answered) {
    model_.handle(operation.client, request);
    return;
  }
  while (client.wire.responses.empty() && place_.wait()) read_all();
  read_all();
  if (client.wire.responses.size() != 1) {
    throw Difference("expected one Response, got " + std::to_string(client.wire.responses.size()));
  }
  const Response first = client.wire.responses[0].second;
  // Without a clock in common the Response says when it was.
  if (!place_.has_clock() && first.code() == 0 && first.time_ms() != 0 && !first.duplicate()) {
    model_.set_now(first.time_ms());
  }
  const Response expected = model_.handle(operation.client, request, made_id(request, first));
  ++tally_[tally_name(request) + " " + std::to_string(first.code())];
  may_repeat_ = !place_.has_clock() && operation.with_id && may_repeat(request, expected);
  const int or_else = static_cast<int>(model_.or_else());
  if (or_else != 0 && first.code() == or_else) return;
  compare_answer_ = [this, &client, &operation, expected] {
    if (client.wire.responses.size() != 1) return std::string("not one Response\n");
    const auto& [id, response] = client.wire.responses[0];
    if (id != (operation.with_id ? client.last_id : 0))
      return std::string("an answer with another id\n");
    return compare_response(operation.request, expected, response, place_.has_clock());
  };
  if (!place_.has_clock() && model_.copied()) wait_for_copy(operation);
}

void Differential::ask(const Operation& operation) {
  Client& client = clients_.at(operation.client);
  if (operation.with_id) ++client.last_id;
  place_.write(operation.client, client.wire.request_frame(operation.request,
                                                           operation.with_id ? client.last_id : 0));
}

// An own-device copy is written a moment later; what is written next must find it there.
void Differential::wait_for_copy(const Operation& operation) {
  Operation sync = operation;
  sync.with_id = true;
  sync.request.clear_opts();
  sync.request.set_type(Request::SYNC);
  SyncRequest body;
  body.set_before_seq(1);
  sync.request.set_payload(body.SerializeAsString());
  Client& client = clients_.at(operation.client);
  WireClient& wire = client.wire;
  const std::uint64_t id = client.last_id;
  const auto answer = wire.responses;
  SyncResult result;
  for (int round = 0; round < 1000; ++round) {
    wire.responses.clear();
    ask(sync);
    while (wire.responses.empty() && place_.wait()) read_all();
    if (wire.responses.empty() || wire.responses[0].second.code() != 0) break;
    result.ParseFromString(wire.responses[0].second.payload());
    if (result.head_seq() >=
        model_.tenants_[operation.who.tenant].users[operation.who.user].inbox.size())
      break;
  }
  wire.responses = answer;
  client.last_id = id;
}

void Differential::read_all() {
  for (auto& [id, client] : clients_) {
    const std::string bytes = place_.read(id);
    if (bytes.empty()) continue;
    if (keeps_bytes_) bytes_[id] += bytes;
    client.wire.feed(bytes);
  }
}

void Differential::settle(const Operation& operation) {
  for (auto& [id, pushes] : model_.take_pushes()) due_[id] = pushes;
  std::string found;
  for (bool more = !place_.has_clock() || place_.wait();; more = place_.wait()) {
    read_all();
    found = compare();
    if (found.empty() || !more) break;
    if (!may_repeat_ || clients_.at(operation.client).wire.responses.empty()) continue;
    clients_.at(operation.client).wire.responses.clear();
    ask(operation);
  }
  if (!found.empty()) throw Difference(found);
  for (const auto& [id, pushes] : due_) {
    for (const auto& [line, rows] : pushes.rows) tally_["pushed rows"] += rows.size();
    tally_["pushed relayed"] += pushes.relayed.size();
    tally_["pushed presence"] += pushes.presence.size();
    if (pushes.disconnect >= 0) clients_.at(id).closes = true;
  }
  due_.clear();
  std::erase_if(clients_, [](const auto& entry) { return entry.second.closes; });
}

std::string Differential::compare() {
  std::string found;
  if (compare_answer_) found += compare_answer_();
  static const Pushes none;
  for (const auto& [id, client] : clients_) {
    const Pushes* pushes = due_.contains(id) ? &due_.at(id) : nullptr;
    if (pushes == nullptr) pushes = &none;
    const std::string differs = compare_pushes(*pushes, client.wire, place_.has_clock());
    if (!differs.empty()) found += "client " + std::to_string(id) + ": " + differs;
    const bool closes = client.closes || pushes->disconnect >= 0;
    if (place_.ended(id) != closes) {
      found += "client " + std::to_string(id) + (closes ? " is not closed\n" : " was closed\n");
    }
  }
  return found;
}

}  // namespace ims::model
