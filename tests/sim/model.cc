// The model while the world runs: what was said, and what must not differ (model.h).
#include "tests/sim/model.h"

#include <cstring>

namespace ims::sim {

void fail(const std::string& what) { throw Failure(what); }
void expect(bool holds, const std::string& what) {
  if (!holds) fail(what);
}

// As field 15 of type fixed64, so that it may stand in a RecallPayload, which has no such field.
std::string token_bytes(std::uint64_t token) {
  return char{15 << 3 | 1} + std::string(reinterpret_cast<const char*>(&token), sizeof token);
}

std::uint64_t token_of(const std::string& payload) {
  std::uint64_t token = 0;
  if (payload.size() > sizeof token) std::memcpy(&token, payload.data() + 1, sizeof token);
  return token;
}

std::string TimelineName::text() const {
  return std::to_string(tenant) + (group ? "#" : "@") + name;
}

Row Row::of(const ims::Message& message) {
  Row row;
  row.kind = message.type();
  row.from = message.from();
  row.device = message.device();
  row.client_id = message.client_id();
  row.payload = message.payload();
  row.time_ms = message.time_ms();
  row.to = message.to();
  row.peer_seq = message.peer_seq();
  return row;
}

Row Row::of(const GroupEvent& event) {
  Row row;
  row.event = true;
  row.kind = event.op();
  row.from = event.by();
  row.users.assign(event.users().begin(), event.users().end());
  row.name = event.name();
  row.role = event.role();
  row.time_ms = event.time_ms();
  return row;
}

Row Row::of(const ContactEvent& event) {
  Row row;
  row.event = true;
  row.kind = event.op();
  row.from = event.user();
  row.name = event.note();
  row.time_ms = event.time_ms();
  return row;
}

// ---- what clients do ----------------------------------------------------------------------------

int Model::open_session(const Session& session) {
  sessions_.push_back(session);
  const int number = static_cast<int>(sessions_.size()) - 1;
  const auto& known = known_devices_[{session.tenant, session.user}];
  const bool only_itself = !session.send_only && known.contains(session.device);
  sessions_.back().copies_due = known.size() > (only_itself ? 1 : 0);
  if (!session.send_only) {
    log(number, {Entry::Kind::kOpen, number, {session.tenant, false, session.user}, 0});
  }
  return number;
}

std::uint64_t Model::compose(int session, const TimelineName& to, bool offline, int type,
                             const std::string& client_id, std::size_t padding) {
  const std::uint64_t token = kFirstToken + messages_.size();
  Message& message = messages_[token];
  message.sender = session;
  message.to = to;
  message.offline = offline;
  message.type = type;
  message.client_id = client_id;
  message.payload = token_bytes(token);
  for (std::size_t i = 0; i < padding; ++i) {
    message.payload.push_back(static_cast<char>('a' + (token + i) % 26));
  }
  return token;
}

std::uint64_t Model::compose_recall(int session, const TimelineName& to, std::uint64_t seq,
                                    const std::string& client_id) {
  const std::uint64_t token = compose(session, to, true, ims::Message::RECALL, client_id, 0);
  ims::RecallPayload recall;
  recall.set_seq(seq);
  messages_[token].payload += recall.SerializeAsString();
  messages_[token].recalls_seq = seq;
  const auto known = tokens_.find({to, seq});
  if (known != tokens_.end()) messages_[token].recalls_token = known->second;
  recalls_sent_[{to, seq}].insert(token);
  return token;
}

void Model::sent(int session, std::uint64_t token) {
  tell(session, messages_.at(token).to, "sends message", token, messages_.at(token).offline);
  messages_.at(token).attempts.push_back(session);
  unsettled_.insert(token);
  Message& message = messages_.at(token);
  if (message.to.group) return;
  const auto [ticket, first] = message.tickets.try_emplace(session);
  ticket->second.reset();
  if (!first) return;
  ticket->second =
      contacts_.message_sent(message.to.tenant, this->session(session).user, message.to.name);
}

void Model::sent_group(int session, const TimelineName& group, int op) {
  tell(session, group, "asks for group op", static_cast<std::uint64_t>(op));
  sessions_[static_cast<std::size_t>(session)].group_ops.insert({group, op});
}

void Model::sent_ack(int session, const TimelineName& timeline, std::uint64_t seq) {
  log(session, {Entry::Kind::kAckSent, session, timeline, seq});
}

// ---- what they get ------------------------------------------------------------------------------

void Model::logged_in(int session, const ConAck& answer) {
  const Session& who = this->session(session);
  expect(!answer.epoch().empty(), "ConAck without epoch");
  if (epoch_.empty()) epoch_ = answer.epoch();
  expect(answer.epoch() == epoch_, "the epoch changed");
  contacts_.exists(who.tenant, who.user);
  if (who.send_only) return;
  expect(answer.first_seq() == 1, "first_seq is not 1 although nothing was reclaimed");
  expect(answer.acked_seq() <= answer.inbox_seq(), "acked_seq above inbox_seq");
  known_devices_[{who.tenant, who.user}].insert(who.device);
  log(session, {Entry::Kind::kLogin, session, {who.tenant, false, who.user}, answer.acked_seq()});
}

void Model::answered(int session, std::uint64_t token, const Response& response) {
  Message& message = messages_.at(token);
  tell(session, message.to, "is answered message", token, response.code());
  if (response.seq() != 0) tell(session, message.to, "... with seq", response.seq());
  const std::string where = "answer to message " + std::to_string(token) + ": ";
  const auto ticket = message.tickets.find(session);
  if (ticket != message.tickets.end() && ticket->second) {
    contacts_.message_answered(*ticket->second, response);
    message.tickets.erase(ticket);
  }
  if (response.code() != 0) {
    ++message.refused;
    if (response.code() == 12) ++message.unavailable;
    const RowPlace recalled{message.to, message.recalls_seq};
    if (response.code() == 5 && message.recalls_token != 0) {
      const Message& origin = messages_.at(message.recalls_token);
      const bool may_be = this->session(origin.sender).user != this->session(session).user ||
                          origin.type == ims::Message::RECALL || message.to.group ||
                          recalls_sent_.at(recalled).size() > 1 || message.attempts.size() > 1;
      expect(may_be, where + "a RECALL of an own message finds nothing");
    }
    expect(response.seq() == 0 && !response.duplicate(), where + "a refusal with seq or duplicate");
    return;
  }
  if (!message.offline) {
    expect(response.seq() == 0 && !response.duplicate(), where + "a relayed message with seq");
    return;
  }
  expect(response.seq() != 0, where + "OK without seq");
  if (message.stored) {
    expect(response.seq() == message.seq && response.time_ms() == message.time_ms,
           where + "a repeat was answered with another seq or time_ms");
    expect(response.duplicate() || !message.fresh_ok, where + "stored twice: OK twice");
  }
  if (!response.duplicate()) {
    message.fresh_ok = true;
    message.fresh_session = session;
    message.sessions_then = sessions_.size();
    sessions_[static_cast<std::size_t>(session)].own[message.to].insert(response.seq());
  } else {
    expect(!message.client_id.empty(), where + "duplicate without client_id");
    expect(message.attempts.size() > 1, where + "duplicate of a message that was sent once");
  }
  tokens_[{message.to, response.seq()}] = token;
  if (message.recalls_seq != 0) {
    recalled_.try_emplace({message.to, message.recalls_seq}, recalled_.size());
  }
  message.stored = true;
  message.seq = response.seq();
  message.time_ms = response.time_ms();
}

void Model::answered_group(int session, const TimelineName& group, int op,
                           const Response& response) {
  tell(session, group, "is answered group op", static_cast<std::uint64_t>(op), response.code());
  if (response.seq() != 0) tell(session, group, "... with seq", response.seq());
  if (response.code() != 0 || response.seq() == 0) return;
  events_ok_.emplace_back(group, response.seq(), this->session(session).user, op,
                          response.time_ms());
  sessions_[static_cast<std::size_t>(session)].own[group].insert(response.seq());
}

void Model::answered_ack(int session, const TimelineName& timeline, std::uint64_t seq) {
  log(session, {Entry::Kind::kAckOk, session, timeline, seq});
}

void Model::see(const TimelineName& timeline, std::uint64_t seq, const Row& row) {
  if (row.recalled()) seen_recalled_.insert({timeline, seq});
  const auto [it, first] = seen_.try_emplace({timeline, seq}, row);
  if (first) return;
  Row& before = it->second;
  const bool same = before == row || (row.recalled() && before.without_text() == row) ||
                    (before.recalled() && row.without_text() == before);
  expect(same, timeline.text() + " row " + std::to_string(seq) +
                   " differs from what was seen of it before");
  if (!row.recalled()) before = row;
}

// An own-device copy is a row of its sender's inbox.
TimelineName Model::timeline_of(int session, const ims::Message& message) const {
  const Session& who = this->session(session);
  if (!message.group().empty()) return {who.tenant, true, message.group()};
  return {who.tenant, false, message.peer_seq() == 0 ? message.to() : message.from()};
}

void Model::pushed(int session, const ims::Message& message) {
  const Session& who = this->session(session);
  expect(message.to().empty() != message.group().empty(), "a push names not one of to and group");
  const bool to_group = !message.group().empty();
  const TimelineName timeline = timeline_of(session, message);
  if (Row::of(message).recalled() && message.seq() != 0) {
    expect(to_group || timeline.name == who.user, "a push of another user's recalled message");
    see(timeline, message.seq(), Row::of(message));
    return log(session, {Entry::Kind::kPush, session, timeline, message.seq()});
  }
  const std::uint64_t token = token_of(message.payload());
  const std::string where = "push of message " + std::to_string(token) + " to " +
                            std::to_string(who.tenant) + "@" + who.user + ": ";
  const auto it = messages_.find(token);
  expect(it != messages_.end(), where + "nobody sent it");
  const Message& origin = it->second;
  expect(origin.to.group == to_group &&
             origin.to.name == (to_group ? message.group() : message.to()),
         where + "it was sent to " + origin.to.text());
  expect(to_group || timeline.name == who.user, where + "it is another user's");
  if (message.seq() != 0) {
    expect(origin.offline, where + "a relayed message has a seq");
    see(timeline, message.seq(), Row::of(message));
    log(session, {Entry::Kind::kPush, session, timeline, message.seq()});
    return;
  }
  // Relayed: once to each session, in the order of sending, never to the one that sent it.
  const Session& sender = this->session(origin.sender);
  expect(!origin.offline, where + "a stored message has seq 0");
  expect(message.from() == sender.user && message.device() == sender.device &&
             message.payload() == origin.payload && message.type() == origin.type &&
             message.client_id() == origin.client_id && message.peer_seq() == 0,
         where + "altered, or `from` is not who sent it");
  expect(origin.sender != session, where + "relayed to the session that sent it");
  expect(relayed_.insert({session, token}).second, where + "relayed twice");
  std::uint64_t& last = relay_order_[{session, origin.sender, timeline}];
  expect(token > last, where + "relayed out of order");
  last = token;
}

void Model::pushed(int session, const GroupEvent& event) {
  const TimelineName timeline{this->session(session).tenant, true, event.group()};
  expect(event.seq() != 0, "an event without seq in " + timeline.text());
  see(timeline, event.seq(), Row::of(event));
  log(session, {Entry::Kind::kPush, session, timeline, event.seq()});
}

void Model::pushed(int session, const ContactEvent& event) {
  const Session& who = this->session(session);
  const TimelineName timeline{who.tenant, false, who.user};
  expect(event.seq() != 0, "a ContactEvent without seq in " + timeline.text());
  see(timeline, event.seq(), Row::of(event));
  log(session, {Entry::Kind::kPush, session, timeline, event.seq()});
}

void Model::synced(int session, const TimelineName& timeline, const SyncRequest& request,
                   const SyncResult& result, std::size_t recalls_then) {
  const std::string where = "SYNC of " + timeline.text() + ": ";
  std::map<std::uint64_t, Row> rows;
  const auto add = [&](std::uint64_t seq, const Row& row) {
    expect(rows.emplace(seq, row).second, where + "a row twice");
    see(timeline, seq, row);
    const auto recalled = recalled_.find({timeline, seq});
    expect(recalled == recalled_.end() || recalled->second >= recalls_then || row.recalled(),
           where + "row " + std::to_string(seq) + " has its text though it was recalled");
    if (timeline.group) synced_rows_.insert({timeline, this->session(session).user, seq});
  };
  std::uint64_t last = 0;
  for (const ims::Message& message : result.messages()) {
    expect(message.seq() > last, where + "messages do not ascend");
    last = message.seq();
    expect(timeline_of(session, message) == timeline, where + "a message of another timeline");
    add(last, Row::of(message));
  }
  last = 0;
  for (const GroupEvent& event : result.group_events()) {
    expect(event.seq() > last && event.group() == timeline.name, where + "events do not ascend");
    last = event.seq();
    add(last, Row::of(event));
  }
  last = 0;
  for (const ContactEvent& event : result.contact_events()) {
    expect(event.seq() > last && !timeline.group, where + "contact events do not ascend");
    last = event.seq();
    add(last, Row::of(event));
  }
  const std::uint64_t limit = request.limit() == 0 ? 100 : request.limit();
  expect(rows.size() <= limit, where + "more rows than the limit");
  if (rows.empty()) return;
  const std::uint64_t low = rows.begin()->first;
  const std::uint64_t high = rows.rbegin()->first;
  expect(high - low + 1 == rows.size(), where + "rows are left out");
  expect(low >= result.first_seq() && high <= result.head_seq(), where + "rows beyond its bounds");
  if (request.before_seq() != 0) {
    expect(high == std::min(request.before_seq() - 1, result.head_seq()), where + "not the newest");
    expect(result.more() == (low > result.first_seq()), where + "`more` is wrong (backward)");
  } else {
    expect(low == std::max(request.after_seq() + 1, result.first_seq()), where + "not the oldest");
    expect(result.more() == (high < result.head_seq()), where + "`more` is wrong (forward)");
  }
}

void Model::listed_members(const TimelineName& group, const GroupResult& result) {
  for (const Member& member : result.members()) {
    expect(members_[group].emplace(member.user(), std::pair(member.role(), member.muted())).second,
           "MEMBERS of " + group.text() + " lists " + member.user() + " twice");
  }
}

void Model::listed_groups(int tenant, const std::string& user, const GroupResult& result) {
  auto& groups = groups_of_[{tenant, user}];
  for (const std::string& group : result.groups()) {
    expect(groups.insert(group).second, "LIST_MINE lists " + group + " twice");
  }
}

// ---- the server ---------------------------------------------------------------------------------

void Model::crashed(bool after_failed_write) {
  failed_write_may_return_ |= after_failed_write;
  hiccup();
  lost_something();
  contacts_.restarted();
}

void Model::lost_something() {
  for (const std::uint64_t token : unsettled_) messages_.at(token).copy_may_be_lost = true;
  known_devices_.clear();
  contacts_.lost_something();
}

void Model::tell(int session, const TimelineName& timeline, const char* what, std::uint64_t number,
                 std::int64_t more) const {
  if (!trace_) return;
  const Session& who = this->session(session);
  trace_("session " + std::to_string(session) + " " + std::to_string(who.tenant) + "@" + who.user +
         "/" + who.device + (who.explicit_mode ? " explicit " : " auto ") + timeline.text() + " " +
         what + " " + std::to_string(number) + " " + std::to_string(more));
}

void Model::log(int session, Entry entry) {
  static constexpr const char* kNames[] = {"connects", "login, cursor", "push",    "acks",
                                           "ack ok",   "hiccup",        "complete", "all given"};
  tell(session, entry.timeline, kNames[static_cast<int>(entry.kind)], entry.seq);
  const Session& who = this->session(session);
  logs_[{who.tenant, who.user}].push_back(std::move(entry));
}

void Model::log_all(const Entry& entry) {
  for (auto& [user, entries] : logs_) entries.push_back(entry);
}

}  // namespace ims::sim
