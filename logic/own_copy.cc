// Own-device copies: what a user stored for another user is also a row of the own inbox, where the
// user has other devices (PROTOCOL.md section 5).
//
//   recipient's owner: the message is durable ── kOwnCopy ─▶ sender's owner: a row, pushed to all
//   sessions but the one that sent it
//
// Whether one is due rides on each message as kFlagCopies, which the sender's owner tells its
// gateway at login and when it changes:
//
//   a login makes a second device known ── kCopies ─▶ gateways of the user's sessions
//   its answer, at most a second later ◀── kCopiesSet or kEnded of each
//
// A crash in between loses the copy, never the message.
#include <algorithm>
#include <vector>

#include "logic/find_entity.h"
#include "logic/worker.h"
#include "shared/encode.h"
#include "shared/payload.h"

namespace ims::logic {

// ---- the recipient's owner ----------------------------------------------------------------------

void Worker::send_copy(const User& recipient, const Effect& effect, std::string_view body) {
  const auto row = decode_push(body);
  MessageView message;
  if (!row || decode_message(as_bytes(*row), message) != DecodeStatus::kOk) {
    return counters_.add(Counter::kCopiesLost);
  }
  OwnCopyRecord record;
  record.sender_hash = user_hash(recipient.tenant, message.from);
  record.origin_session = effect.origin_session;
  record.tenant = recipient.tenant;
  record.body_bytes = static_cast<std::uint32_t>(body.size());
  const WorkerIndex to = worker_of(record.sender_hash, worker_count_);
  if (!unsent_copies_.empty() || !send_handoff(to, record, HandoffKind::kOwnCopy, {body})) {
    unsent_copies_.push_back({to, record, std::string(body)});
  }
}

void Worker::send_copies() {
  while (!unsent_copies_.empty()) {
    const UnsentCopy& copy = unsent_copies_.front();
    if (!send_handoff(copy.to, copy.record, HandoffKind::kOwnCopy, {copy.body})) return;
    unsent_copies_.pop_front();
  }
}

// ---- the sender's owner -------------------------------------------------------------------------

void Worker::on_own_copy(const OwnCopyRecord& record) {
  const ByteView bytes = bytes_of(record);
  RecordTail tail(record);
  const auto row = decode_push(tail.take_text(record.body_bytes));
  MessageView message;
  if (!row || decode_message(as_bytes(*row), message) != DecodeStatus::kOk) {
    return counters_.add(Counter::kCopiesLost);
  }
  User& user = user_entry(record.tenant, record.sender_hash, message.from);
  if (!ensure_loaded(user, bytes)) return;
  if (user.state != Entity::State::kReady || !ports_.store->has_space()) {
    return counters_.add(Counter::kCopiesLost);
  }
  MessageFields fields;
  fields.type = message.type;
  fields.payload = message.payload;
  fields.from = message.from;
  fields.to = message.to;
  fields.client_id = message.client_id;
  fields.device = message.device;
  fields.peer_seq = message.seq;
  fields.seq = append_row(user, user.inbox, fields.time_ms);
  const RowSlot slot = put_row(user, user.inbox, fields.seq, fields.time_ms, record.origin_session,
                               user.id(), RowKind::kMessage, push_message_bytes(fields));
  write_push_message(slot.body, fields);
}

// The user's devices became fewer, or (`newcomer`, whose login is not answered yet) more: gateways
// of sessions that are there already are told. The newcomer is answered once nobody's message goes
// without a copy any more: what another session of the user sends after it saw the answer has one.
// (Record and message reach that session's gateway by different ways; of what is there at once the
// messages come first.)
void Worker::tell_copies(const User& user, Session* newcomer, std::uint8_t devices_before) {
  const auto is_unconfirmed = [&](const Session& session) {  // another device came, just now
    return std::ranges::any_of(user.sessions, [&](const Session* other) {
      return other->login != nullptr &&
             std::ranges::find(other->login->unconfirmed, session.id) !=
                 other->login->unconfirmed.end();
    });
  };
  for (const Session* session : user.sessions) {
    if (!session->answered || session->closing) continue;
    const bool due = session->copies_due(user.known_devices);
    const bool is_news = newcomer != nullptr && due &&
                         (!session->copies_due(devices_before) || is_unconfirmed(*session));
    if (is_news) newcomer->login->unconfirmed.push_back(session->id);
    CopiesRecord record;
    record.header.kind = RecordKind::kCopies;
    record.header.flags = static_cast<std::uint8_t>((due ? kFlagCopies : 0) |
                                                    (is_news ? kFlagConfirm : 0));
    record.header.bytes = sizeof record;
    record.connection = session->connection;
    emit(session->connection.gateway(),
         {reinterpret_cast<const char*>(&record), sizeof record});
  }
}

// Said by the gateway, or that session has ended.
void Worker::on_copies_set(const User& user, SessionId told) {
  for (Session* session : user.sessions) {
    if (session->login == nullptr || std::erase(session->login->unconfirmed, told) == 0) continue;
    send_login_answer(*session);
  }
}

}  // namespace ims::logic
