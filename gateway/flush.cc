// What a connection is owed: appended frame by frame during a turn, sent once at its end.
#include "gateway/owe.h"

#include <algorithm>

#include "shared/assert.h"
#include "shared/probes.h"

namespace ims::gateway {
namespace {

// A send that took longer is a turn in which the thread did not run.
constexpr std::uint64_t kFanoutSendNsMax = kFanoutTurnUs * 1000 / kFanoutSendsPerTurnMin;

}  // namespace

// ---- owing -------------------------------------------------------------------------------------

void Gateway::respond(Connection& connection, std::uint64_t id, const ResponseFields& fields) {
  counters_.add(counter_of(fields.code));
  if (fields.payload.empty() && fields.reason.size() <= kSmallReasonBytesMax) {
    std::byte* const room = owe(connection, small_response_room(fields.reason.size()));
    std::byte* const behind = write_small_response_frame(room, connection.outer(), id, fields);
    owed(connection, static_cast<std::size_t>(behind - room), false, false);
    return;
  }
  const std::size_t bytes = response_frame_bytes(connection.outer(), id, fields);
  std::byte* const at = owe(connection, bytes);
  std::byte* const end = write_response_frame(at, connection.outer(), id, fields);
  IMS_ASSERT(end == at + bytes);
  owed(connection, bytes, false, false);
}

void Gateway::refuse(Connection& connection, std::uint64_t id, const Refusal& refusal) {
  ResponseFields fields;
  fields.code = refusal.code;
  fields.reason = refusal.reason;
  respond(connection, id, fields);
}

void Gateway::answer_login(Connection& connection, std::uint64_t id, const ConAckFields& fields) {
  const std::size_t bytes = conack_frame_bytes(connection.outer(), id, fields);
  std::byte* const at = owe(connection, bytes);
  std::byte* const end = write_conack_frame(at, connection.outer(), id, fields);
  IMS_ASSERT(end == at + bytes);
  owed(connection, bytes, false, false);
}

// Room where the tail of the queue has none.
std::byte* Gateway::owe_more(Connection& connection, std::size_t bytes) {
  const std::uint64_t moved_bytes = connection.queue.grow(pool_, bytes, connection.send_in_flight);
  if (moved_bytes != 0) counters_.add(Counter::kPayloadBytesCopied, moved_bytes);
  return connection.queue.room(bytes);
}

// ---- sending -----------------------------------------------------------------------------------

void Gateway::flush() {
  const std::uint64_t sends_before = counters_.get(Counter::kSends);
  if (fanout_turn_sends_ != 0) time_fanout_turn();
  while (!dirty_.empty()) {
    Connection* connection = table_.find(dirty_.pop());
    if (connection != nullptr && connection->dirty && !connection->dirty_fanout) {
      flush_one(*connection);
    }
  }
  flush_fanout();
  // With some left the next turn follows at once: its start is the end of this one.
  turn_began_ticks_ = now_.ticks;
  fanout_turn_sends_ =
      dirty_fanout_.empty() ? 0 : counters_.get(Counter::kSends) - sends_before;
}

// At most kFanoutSendsPerTurnMax, and of these as many as take kFanoutTurnUs going by what a send
// took lately: no clock is read for it.
void Gateway::flush_fanout() {
  if (dirty_fanout_.empty()) return;
  std::uint32_t sends = 0;
  for (const std::uint32_t most = fanout_sends_max(); !dirty_fanout_.empty() && sends < most;) {
    Connection* connection = table_.find(dirty_fanout_.pop());
    if (connection != nullptr && connection->dirty && connection->dirty_fanout) {
      sends += flush_one(*connection) ? 1 : 0;
    }
  }
  counters_.add(Counter::kFanoutSends, sends);
  counters_.raise(Counter::kFanoutTurnSends, sends);
}

// What a send took in the turn before, with all else that it did.
void Gateway::time_fanout_turn() noexcept {
  const std::uint64_t each_ns =
      std::min((now_.ticks - turn_began_ticks_) / fanout_turn_sends_, kFanoutSendNsMax);
  fanout_send_ns_ = (fanout_send_ns_ * 7 + each_ns) / 8;
}

std::uint32_t Gateway::fanout_sends_max() const noexcept {
  const std::uint64_t in_time = kFanoutTurnUs * 1000 / std::max<std::uint64_t>(1, fanout_send_ns_);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(in_time, kFanoutSendsPerTurnMin,
                                                              kFanoutSendsPerTurnMax));
}

// One send in flight per connection, always: two would arrive in any order.
bool Gateway::flush_one(Connection& connection) {
  connection.dirty = false;
  connection.dirty_fanout = false;
  if (connection.send_in_flight || connection.queue.empty()) return false;
  if (connection.state >= State::kShutdown) return false;
  connection.send_in_flight = true;
  counters_.add(Counter::kSends);
  if (connection.first_trace != 0) [[unlikely]] tracer_.sending(connection);
  set_deadline(connection, config_.stall_timeout_ms);
  const ByteView bytes = connection.queue.front();
  const std::uint16_t frames = connection.queue.start_send();
  counters_.add(Counter::kFramesOut, frames);
  IMS_PROBE(send, connection.id.bits, bytes.size(), frames);
  request_io(IoOp::kSend, connection, bytes);
  return true;
}

}  // namespace ims::gateway
