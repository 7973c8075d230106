// The end of a connection: decide, wait for what is owed, close, release (DESIGN.md section 4,
// Close).
//
//   begin_close      decides; idempotent, so any path may call it
//   continue_close   waits for answers that are due and for the last send, then closes:
//                      EOF seen   kCloseNow at once: the kernel holds no unread byte, so no reset
//                      else       kShutdown, its completion, discard input until EOF or 1 s,
//                                 kCloseNow
//   abort            there is nobody to wait for: kCloseNow
#include "gateway/owe.h"

#include <cstring>

#include "shared/assert.h"
#include "shared/probes.h"

namespace ims::gateway {

void Gateway::protocol_error(Connection& connection, std::string_view why) {
  counters_.add(Counter::kFrameErrors);
  const DisconnectFields fields{DisconnectCode::kProtocolError, why, 0};
  begin_close(connection, CloseReason::kProtocolError, &fields);
}

// `farewell`: the Disconnect to send after everything else, or null for none.
void Gateway::begin_close(Connection& connection, CloseReason reason,
                          const DisconnectFields* farewell) {
  if (!connection.takes_frames()) return;
  connection.state = State::kClosing;
  connection.close_reason = reason;
  connection.hold = Hold::kNone;
  connection.queued_hold = false;
  if (farewell != nullptr) {
    const std::size_t bytes = disconnect_frame_bytes(connection.outer(), *farewell);
    connection.farewell = pool_.take(bytes);
    connection.has_farewell = true;
    write_disconnect_frame(connection.farewell->data(), connection.outer(), *farewell);
    connection.farewell->end = static_cast<std::uint32_t>(bytes);
  }
  if (&connection == taking_) return;  // after_taking() goes on
  drop_carry(connection);
  continue_close(connection);
  update_receive(connection);
}

void Gateway::continue_close(Connection& connection) {
  if (connection.state != State::kClosing) return;
  const bool answers_due = connection.inflight > 0 || connection.awaits_login;
  if (answers_due && connection.close_reason != CloseReason::kSlowConsumer) return;
  if (connection.has_farewell) {
    const std::size_t bytes = connection.farewell->size();
    std::memcpy(owe(connection, bytes), connection.farewell->data(), bytes);
    owed(connection, bytes, false, false);
    drop_farewell(connection);
  }
  if (!connection.queue.empty()) return mark_dirty(connection, false);
  IMS_ASSERT(!connection.send_in_flight);
  tell_ended(connection);
  if (connection.eof) return request_close(connection);
  connection.state = State::kShutdown;
  request_io(IoOp::kShutdown, connection);
  update_receive(connection);
}

void Gateway::drop_farewell(Connection& connection) noexcept {
  if (connection.has_farewell) pool_.give(connection.farewell);
  connection.has_farewell = false;
}

void Gateway::abort(Connection& connection, CloseReason reason) {
  if (connection.state >= State::kReleasing) return;
  if (connection.takes_frames()) {
    connection.close_reason = reason;
    connection.hold = Hold::kNone;
    connection.queued_hold = false;
  }
  // A close must not overtake a shutdown: its completion goes on.
  connection.eof = true;
  if (connection.state != State::kShutdown) request_close(connection);
}

void Gateway::request_close(Connection& connection) {
  connection.state = State::kReleasing;
  drop_carry(connection);
  request_io(IoOp::kCloseNow, connection);
}

void Gateway::on_shutdown(Connection& connection, const Completion& completion) {
  IMS_ASSERT(connection.state == State::kShutdown);
  if (connection.eof || completion.result < 0) return request_close(connection);
  connection.state = State::kDraining;
  connection.progress_ms = now_ms();
  set_deadline(connection, kDrainOnCloseMs);
}

// The kernel holds nothing of it any more: neither its socket nor a byte of its blocks.
void Gateway::on_closed(Connection& connection) {
  IMS_ASSERT(connection.state == State::kReleasing);
  connection.socket = -1;
  connection.send_in_flight = false;
  connection.state = State::kGone;
  queue_bytes_ -= connection.queue.bytes();
  connection.queue.clear(pool_);
  tracer_.forget(connection);
  drop_farewell(connection);
  connection.clear_sender(pool_);
  IMS_PROBE(close, connection.id.bits, static_cast<unsigned>(connection.close_reason));
  counters_.add(static_cast<Counter>(static_cast<std::uint16_t>(Counter::kClosedNormal) +
                                     static_cast<std::uint16_t>(connection.close_reason)));
  tell_ended(connection);
  release_if_told(connection);
}

// A slot lives on until its worker heard of the end: the ring may be full.
void Gateway::release_if_told(Connection& connection) {
  if (connection.state != State::kGone || !connection.ended_told || connection.notice_queued)
    return;
  table_.release(connection);
  update_accepting();
}

}  // namespace ims::gateway
