// What workers say: answers, pushes and ends become bytes that a connection is owed. Delivery rings
// are always drained, a bounded amount per turn, whatever the state of any connection.
#include "gateway/owe.h"

#include <algorithm>
#include <cstring>

#include "shared/assert.h"
#include "shared/probes.h"

namespace ims::gateway {
namespace {

constexpr std::size_t kRecordBytesPerTurn = 64 * kKiB;  // of one ring

CloseReason close_reason_of(DisconnectCode code) noexcept {
  switch (code) {
    case DisconnectCode::kNormal: return CloseReason::kNormal;
    case DisconnectCode::kReplaced: return CloseReason::kReplaced;
    case DisconnectCode::kUnauthenticated: return CloseReason::kLoginFailed;
    case DisconnectCode::kProtocolError: return CloseReason::kProtocolError;
    case DisconnectCode::kIdleTimeout: return CloseReason::kIdleTimeout;
    case DisconnectCode::kSlowConsumer: return CloseReason::kSlowConsumer;
    case DisconnectCode::kShutdown: return CloseReason::kShutdown;
    case DisconnectCode::kRateLimited: return CloseReason::kRateLimited;
    case DisconnectCode::kOverloaded: return CloseReason::kOverloaded;
    case DisconnectCode::kTokenExpired: return CloseReason::kTokenExpired;
    case DisconnectCode::kKicked: return CloseReason::kKicked;
    case DisconnectCode::kUnavailable: return CloseReason::kUnavailable;
  }
  return CloseReason::kNormal;
}

}  // namespace

// True: done with it. False: it is a fan-out that goes on next turn.
IMS_INLINE bool Gateway::on_record(Worker& worker, ByteView record) {
  if (kind_of(record) == RecordKind::kRelay) [[likely]] {
    on_relay(worker, record_as<RelayRecord>(record));
    return true;
  }
  switch (kind_of(record)) {
    case RecordKind::kLoginAnswer:
      on_login_answer(record_as<LoginAnswerRecord>(record));
      return true;
    case RecordKind::kResponse:
      on_response(record_as<ResponseRecord>(record));
      return true;
    case RecordKind::kPush:
      return on_push(worker, record_as<PushRecord>(record));
    case RecordKind::kCopies: {
      const auto& copies = record_as<CopiesRecord>(record);
      if (Connection* connection = table_.find(copies.connection)) {
        connection->copies = (copies.header.flags & kFlagCopies) != 0;
        if ((copies.header.flags & kFlagConfirm) != 0) confirm_copies(*connection);
      }
      return true;
    }
    case RecordKind::kDisconnect:
      on_disconnect(record_as<DisconnectRecord>(record));
      return true;
    default:
      IMS_ASSERT(false);  // no such record goes this way
  }
  return true;
}

void Gateway::on_records(Now now) {
  begin(now);
  records_left_ = false;
  for (Worker& worker : workers_) retry_notices(worker);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[(first_worker_ + i) % workers_.size()];
    const std::uint64_t worker_bit = std::uint64_t{1} << ((first_worker_ + i) % workers_.size());
    std::size_t left_bytes = kRecordBytesPerTurn;
    copied_bytes_ = 0;
    fanout_targets_ = 0;
    for (;;) {
      const ByteView record = worker.deliveries->front();
      if (record.empty()) break;
      if (left_bytes == 0 || copied_bytes_ >= kPushBytesPerTurn || !on_record(worker, record)) {
        records_left_ = true;
        break;
      }
      worker.deliveries->pop(record);
      left_bytes -= std::min(left_bytes, record.size());
    }
    // It may have found the ring full, or keep requests until relays were read, and sleep.
    const bool much = worker.deliveries->kept_bytes() >= kRecordBytesPerTurn / 2;
    const bool some = worker.deliveries->kept_bytes() > 0;
    if (much || (some && !worker.held.empty())) published_ |= worker_bit;
    worker.deliveries->release();
  }
  first_worker_ = (first_worker_ + 1) % static_cast<std::uint32_t>(workers_.size());
  retry_held();
}

// ---- answers -----------------------------------------------------------------------------------

void Gateway::on_login_answer(const LoginAnswerRecord& record) {
  if (record.trace != 0) [[unlikely]] tracer_.enter(record.trace, Stage::kQueue);
  Connection* found = table_.find(record.connection);
  if (found == nullptr || !found->awaits_login || found->state >= State::kShutdown) {
    counters_.add(Counter::kRecordsStale);
    tracer_.drop(record.trace);
    return;
  }
  Connection& connection = *found;
  RecordTail tail(record);
  const std::string_view user = tail.take_text(record.user_bytes);
  const std::string_view device = tail.take_text(record.device_bytes);
  const std::string_view reason = tail.take_text(record.reason_bytes);
  const ByteView epoch = tail.take(record.epoch_bytes);

  IMS_PROBE(login, record.connection.bits, static_cast<unsigned>(record.code));
  const std::uint64_t login_id = connection.session.value;
  connection.awaits_login = false;
  connection.session = {};
  ConAckFields answer;
  answer.code = record.code;
  answer.reason = reason;
  answer.server_time_ms = record.server_time_ms;
  answer.retry_after_ms = record.retry_after_ms;
  if (record.code != Code::kOk) {
    counters_.add(Counter::kLoginsFailed);
    answer_login(connection, login_id, answer);
    if (record.trace != 0) tracer_.follow(connection, record.trace);
    begin_close(connection, CloseReason::kLoginFailed, nullptr);
    continue_close(connection);
    return;
  }
  IMS_ASSERT(record.session.value != 0);
  counters_.add(Counter::kLoginsOk);
  connection.session = record.session;
  connection.user = record.user;
  connection.tenant = record.tenant;
  tracer_.name_user(record.trace, record.user, record.tenant);
  connection.send_only = (record.header.flags & kFlagSendOnly) != 0;
  connection.copies = (record.header.flags & kFlagCopies) != 0;
  connection.set_sender(user, device, pool_);
  const std::uint32_t keepalive_s = std::min(record.keepalive_s, kKeepaliveSecondsMax);
  table_.liveness(connection) = {now_ms(), keepalive_s * 1500};
  answer.session = record.session.value;
  answer.max_frame_bytes = config_.max_frame_bytes;
  answer.inbox_seq = record.inbox_seq;
  answer.acked_seq = record.acked_seq;
  answer.epoch = epoch;
  answer.durability = record.durability;
  answer.first_seq = record.first_seq;
  answer_login(connection, login_id, answer);
  if (record.trace != 0) tracer_.follow(connection, record.trace);
  if (connection.state == State::kLogin) {
    connection.state = State::kOnline;
    serve_carry(connection);
  } else {
    continue_close(connection);
  }
}

void Gateway::on_response(const ResponseRecord& record) {
  const bool big = (record.header.flags & kFlagBigAnswer) != 0;
  if (record.trace != 0) [[unlikely]] tracer_.enter(record.trace, Stage::kQueue);
  Connection* connection = settle(record.connection, record.request_id,
                                  big ? big_answer_bytes_ : kSmallAnswerBytes);
  if (connection == nullptr) return tracer_.drop(record.trace);
  RecordTail tail(record);
  const std::string_view reason = tail.take_text(record.reason_bytes);
  const ByteView payload = tail.take(record.payload_bytes);
  respond(*connection, record.request_id,
          {.code = record.code,
           .reason = reason,
           .seq = record.seq,
           .time_ms = record.time_ms,
           .payload = payload,
           .duplicate = (record.header.flags & kFlagDuplicate) != 0,
           .retry_after_ms = record.retry_after_ms});
  if (record.trace != 0) [[unlikely]] tracer_.follow(*connection, record.trace);
  after_answer(*connection);
}

void Gateway::after_answer(Connection& connection) {
  if (!connection.takes_frames()) {
    continue_close(connection);
  } else if (connection.hold == Hold::kAnswers) {
    serve_carry(connection);
  }
  check_drained(connection);
}

void Gateway::on_disconnect(const DisconnectRecord& record) {
  Connection* connection = table_.find(record.connection);
  if (connection == nullptr || !connection->takes_frames()) {
    counters_.add(Counter::kRecordsStale);
    return;
  }
  RecordTail tail(record);
  const DisconnectFields fields{record.code, tail.take_text(record.reason_bytes),
                                record.retry_after_ms};
  begin_close(*connection, close_reason_of(record.code), &fields);
}

}  // namespace ims::gateway
