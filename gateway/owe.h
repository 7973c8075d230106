// The inner steps of every frame that a client is sent: room in its queue, what it is owed, that it
// is to be sent to. Members of Gateway, here so that whoever answers or pushes has them in place.
#pragma once

#include "gateway/gateway.h"
#include "shared/assert.h"
#include "shared/inline.h"
#include "shared/probes.h"

namespace ims::gateway {

// Is there room for one more answer of `bytes`, whatever else the connection may still be owed?
IMS_INLINE bool Gateway::answer_fits(Connection& connection, std::size_t bytes) {
  if (connection.queue.bytes() + connection.reserved_bytes + bytes > config_.send_queue_bytes)
      [[unlikely]] {
    hold(connection, Hold::kAnswers, nullptr);
    return false;
  }
  if (!queue_memory_left(bytes)) [[unlikely]] {
    hold(connection, Hold::kMemory, &answer_held_);
    return false;
  }
  return true;
}

// Room for one frame of exactly `bytes`; owed() completes it.
IMS_INLINE std::byte* Gateway::owe(Connection& connection, std::size_t bytes) {
  if (std::byte* const room = connection.queue.room(bytes)) [[likely]] return room;
  if (std::byte* const room = connection.queue.first_room(pool_, bytes)) [[likely]] return room;
  return owe_more(connection, bytes);
}

IMS_INLINE void Gateway::owed(Connection& connection, std::size_t bytes, bool row, bool fanout) {
  if (connection.queue.empty()) {
    connection.progress_ms = now_ms();
    connection.owes_own = false;
  }
  if (!fanout) connection.owes_own = true;
  connection.queue.append(bytes, row);
  queue_bytes_ += bytes;
  mark_dirty(connection, fanout);
}

// Whoever is owed an answer or a push of its own is served this turn; those that only a fan-out
// touched share what is left of its sends (flush).
IMS_INLINE void Gateway::mark_dirty(Connection& connection, bool fanout) {
  if (connection.dirty && (fanout || !connection.dirty_fanout)) return;
  connection.dirty = true;
  connection.dirty_fanout = fanout;
  if (fanout) {
    dirty_fanout_.push(connection.id);
  } else {
    dirty_.push(connection.id);
  }
}

// A request is answered: its place and its reserve come back. Null: nobody is told.
IMS_INLINE Connection* Gateway::settle(ConnectionId id, std::uint64_t request_id,
                                       std::size_t reserved_bytes) {
  Connection* connection = table_.find(id);
  if (connection == nullptr || connection->state >= State::kShutdown) [[unlikely]] {
    counters_.add(Counter::kRecordsStale);
    return nullptr;
  }
  IMS_ASSERT(connection->inflight > 0 && connection->reserved_bytes >= reserved_bytes);
  --connection->inflight;
  connection->reserved_bytes -= static_cast<std::uint32_t>(reserved_bytes);
  if (request_id == 0) connection->stop_and_wait = false;
  // Who is cut off for taking nothing was not waited for: its Disconnect may be queued already.
  const bool cut_off = connection->state == State::kClosing &&
                       connection->close_reason == CloseReason::kSlowConsumer;
  return cut_off ? nullptr : connection;
}

// Half of the queue is for answers and stored rows alone.
IMS_INLINE bool Gateway::relayed_has_room(const Connection& connection,
                                          std::size_t bytes) noexcept {
  const std::size_t after = connection.queue.bytes() + bytes;
  const bool fits = after <= config_.send_queue_bytes / 2 &&
                    after + connection.reserved_bytes <= config_.send_queue_bytes &&
                    queue_memory_left(bytes);
  if (!fits) IMS_PROBE(slow, connection.id.bits, 0, after);
  return fits;
}

}  // namespace ims::gateway
