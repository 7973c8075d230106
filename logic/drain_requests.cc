// What a worker takes from its gateways' rings, as long as there is room for what it leads to.
#include <algorithm>

#include "logic/worker.h"
#include "shared/inline.h"

namespace ims::logic {

namespace {

bool is_relayed_to_user(ByteView message) noexcept {
  constexpr unsigned kOthers = kFlagOffline | kFlagToGroup;
  return (record_as<RequestRecord>(message).header.flags & kOthers) == 0;
}

constexpr bool is_notice(RecordKind kind) noexcept {
  return kind == RecordKind::kTaken || kind == RecordKind::kRefused ||
         kind == RecordKind::kDrained || kind == RecordKind::kCopiesSet ||
         kind == RecordKind::kEnded;
}

}  // namespace

// How many records of the largest size find room in every delivery ring.
IMS_INLINE std::size_t Worker::delivery_room() {
  std::size_t room = kRecordsPerTurnMax;
  for (ByteRing* ring : ports_.deliveries) {
    // What the last look at its reader's place said is enough, mostly.
    if (!ring->has_room_for_largest()) return 0;
    room = std::min(room, ring->known_free_bytes() / ring->record_bytes_max());
  }
  return room;
}

// Leave the batch, and the tables of what waits, a place for what a request may need?
IMS_INLINE bool Worker::tables_have_room() const {
  if (!waiting_answers_.empty()) return false;
  const bool batch_is_full = open_ == nullptr ? free_batches_.empty()
                                              : open_->messages >= kBatchMessagesMax ||
                                                    open_->batch.size_bytes() >= kBatchBytesMax / 2;
  if (batch_is_full) return false;
  if (!unsent_copies_.empty() && unsent_copies_.size() >= kUnsentCopiesMax) return false;
  const std::size_t reads = loads_in_flight_;
  return reads == 0 || reads + waiting_loads_.size() < kReadsInFlightPerWorkerMax;
}

// For how many requests there is room; 0: none may be taken. An answer must find room whatever the
// request is: one largest record in every delivery ring, a place in the batch, and the tables of
// waiting things below their bounds.
std::size_t Worker::room_for_requests() {
  if (!tables_have_room()) return 0;
  const std::size_t room = delivery_room();
  if (room == 0) counters_.add(Counter::kRingFullDeliveries);
  return room;
}

// Nothing may overtake answers that wait for room, and pages leave a place for a largest record:
// without one no request is taken.
bool Worker::may_pump() { return waiting_answers_.empty() && delivery_room() > 0; }

// What gateways said of sessions (notices.cc there) and has nothing before it in its ring is heard
// before anything else: a client that saw its connection end may ask, through another gateway or
// another worker, who is online, and that question may be waiting here as well.
bool Worker::drain_notices() {
  bool worked = false;
  for (ByteRing* ring : ports_.requests) {
    for (std::uint32_t taken = 0; taken < kRecordsPerTurnMax; ++taken) {
      const ByteView record = ring->front();
      if (record.empty() || !is_notice(kind_of(record))) break;
      if (room_for_requests() == 0) return worked;
      handle_session_record(record);
      ring->pop(record);
      worked = true;
    }
  }
  return worked;
}

bool Worker::drain_requests() {
  bool worked = false;
  blocked_ = !waiting_answers_.empty();
  // Largest records that find room in every ring without another look: a relayed message writes
  // less than one.
  std::size_t room = 0;
  for (ByteRing* ring : ports_.requests) {
    for (std::uint32_t taken = 0; taken < kRecordsPerTurnMax; ++taken) {
      const ByteView record = ring->front();
      if (record.empty()) break;
      // Ends and Takens free memory and need no room; they are only behind requests by order.
      if (room == 0 ? (room = room_for_requests()) == 0 : !tables_have_room()) {
        blocked_ = true;
        break;
      }
      if (is_traced(record)) [[unlikely]] enter(trace_of(record), Stage::kHandle);
      if (kind_of(record) == RecordKind::kMessage && is_relayed_to_user(record)) {
        handle_relayed(record_as<RequestRecord>(record));
        --room;
      } else {
        dispatch(record);
        room = 0;
      }
      ring->pop(record);  // and released once no gateway reads it either (relay_pins.h)
      worked = true;
    }
  }
  return worked;
}

}  // namespace ims::logic
