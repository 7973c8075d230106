// Bytes -> frames. A frame is found and decoded where the kernel put it; what cannot be taken yet,
// and the start of a frame whose end has not arrived, is kept aside in the carry.
//
// A frame is either taken as a whole or held: then nothing happened, it stays at the head of the
// carry, and is decoded again once the reason is gone.
#include "gateway/owe.h"

#include <algorithm>
#include <cstring>

#include "shared/assert.h"
#include "shared/frame.h"

namespace ims::gateway {
namespace {

constexpr std::int64_t kFavourMs = 1000;

// How many more bytes the frame at the head of `carry` needs before there is something new to see.
std::size_t missing_bytes(ByteView carry, std::uint32_t frame_bytes_max) noexcept {
  const FrameResult frame = next_frame(carry, frame_bytes_max);
  return frame.frame_bytes > carry.size() ? frame.frame_bytes - carry.size() : 1;
}

}  // namespace

// ---- input -------------------------------------------------------------------------------------

void Gateway::feed(Connection& connection, ByteView bytes) {
  // First complete the frame that was cut, and only that one: what follows is taken in place.
  while (!bytes.empty() && connection.carry != nullptr && connection.hold == Hold::kNone &&
         connection.takes_frames()) {
    const std::uint32_t limit =
        connection.state == State::kOpen ? kFirstFrameBytesMax : config_.max_frame_bytes;
    const std::size_t missing = missing_bytes(connection.carry->bytes(), limit);
    const std::size_t piece = std::min(missing, bytes.size());
    keep(connection, bytes.first(piece));
    bytes = bytes.subspan(piece);
    if (piece == missing) serve_carry(connection);
  }
  if (bytes.empty() || !connection.takes_frames()) return;
  if (connection.carry == nullptr && connection.hold == Hold::kNone) {
    taking_ = &connection;
    const std::size_t taken = take_frames(connection, bytes);
    taking_ = nullptr;
    // Whole frames, all taken, and more may come: as nearly always.
    if (taken == bytes.size() && connection.takes_frames() && !connection.eof) [[likely]] return;
    if (connection.takes_frames()) keep(connection, bytes.subspan(taken));
  } else {
    keep(connection, bytes);
  }
  after_taking(connection);
}

void Gateway::serve_carry(Connection& connection) {
  connection.hold = Hold::kNone;
  if (connection.carry != nullptr) {
    taking_ = &connection;
    const std::size_t taken = take_frames(connection, connection.carry->bytes());
    taking_ = nullptr;
    if (connection.takes_frames()) {
      connection.carry->begin += static_cast<std::uint32_t>(taken);
      if (connection.carry->size() == 0) drop_carry(connection);
    }
  }
  after_taking(connection);
}

// What taking frames, or not taking them, leads to.
void Gateway::after_taking(Connection& connection) {
  if (!connection.takes_frames()) {
    drop_carry(connection);
    continue_close(connection);
  } else if (connection.eof && connection.hold == Hold::kNone) {
    begin_close(connection, CloseReason::kPeerClosed, nullptr);
  }
  update_receive(connection);
}

// What is taken from the carry was received earlier, perhaps, and held back.
void Gateway::begin_trace(const Connection& connection) noexcept {
  tracer_.frame_begins(connection.carry == nullptr ? tracer_.turn_ticks()
                                                   : connection.carry->kept_ticks);
}

// True: done with it. False: held.
IMS_INLINE bool Gateway::take_frame(Connection& connection, ByteView frame) {
  if (connection.state == State::kOpen) {
    if (tracer_.on()) begin_trace(connection);
    return take_first_frame(connection, frame);
  }
  if (frame.empty()) {
    if (!answer_fits(connection, sizeof kHeartbeatFrame)) return false;
    counters_.add(Counter::kHeartbeats);
    *owe(connection, sizeof kHeartbeatFrame) = kHeartbeatFrame[0];
    owed(connection, sizeof kHeartbeatFrame, false, false);
    return true;
  }
  return take_next_frame(connection, frame);
}

// Takes frames from the front of `input` until it ends, a frame is cut or held, or the connection
// takes no more. Returns the bytes taken.
std::size_t Gateway::take_frames(Connection& connection, ByteView input) {
  std::size_t taken = 0;
  while (taken < input.size() && may_take(connection)) {
    const std::uint32_t limit =
        connection.state == State::kOpen ? kFirstFrameBytesMax : config_.max_frame_bytes;
    const FrameResult frame = next_frame(input.subspan(taken), limit);
    switch (frame.status) {
      case FrameStatus::kNeedMore:
        return taken;
      case FrameStatus::kTooLarge:
        protocol_error(connection, connection.state == State::kOpen
                                       ? "the first frame is longer than 4096 bytes"
                                       : "the frame is longer than max_frame_bytes");
        return input.size();
      case FrameStatus::kMalformed:
        protocol_error(connection, "the frame's length is no varint of at most 5 bytes");
        return input.size();
      case FrameStatus::kFrame:
        if (tracer_.due()) [[unlikely]] begin_trace(connection);
        if (!take_frame(connection, frame.payload)) return taken;
        counters_.add(Counter::kFramesIn);
        ++connection.frames_taken;
        taken += frame.consumed_bytes;
        if (!connection.takes_frames()) return input.size();
    }
  }
  return taken;
}

// ---- holding back ------------------------------------------------------------------------------

// May the next frame be looked at? Whether it can be taken may still depend on what it is.
bool Gateway::may_take(Connection& connection) {
  if (connection.state == State::kLogin) {
    hold(connection, Hold::kLogin, nullptr);
    return false;
  }
  if (connection.stop_and_wait || connection.inflight >= config_.max_inflight || shutting_down_) {
    hold(connection, Hold::kAnswers, nullptr);
    return false;
  }
  if (connection.frames_turn != turn_) {
    connection.frames_turn = turn_;
    connection.frames_taken = 0;
  }
  if (connection.frames_taken >= kFramesPerConnectionTurnMax) {
    hold(connection, Hold::kBudget, &ready_);
    return false;
  }
  return true;
}

void Gateway::hold(Connection& connection, Hold why, IdQueue* queue) {
  connection.hold = why;
  if (why == Hold::kMemory) {
    set_deadline(connection, config_.stall_timeout_ms);  // not for ever
  }
  if (queue == nullptr || connection.queued_hold) return;
  connection.queued_hold = true;
  queue->push(connection.id);
}

// Serves the connections that waited for what may be there again. Each queue is fair: who is held
// again goes to its end, having taken at least one frame.
void Gateway::retry_held() {
  const auto serve = [this](IdQueue& queue) {
    Connection* connection = table_.find(queue.pop());
    if (connection == nullptr || !connection->queued_hold) return;
    connection->queued_hold = false;
    serve_carry(*connection);
  };
  for (Worker& worker : workers_) {
    retrying_ = &worker;
    while (!worker.held.empty() &&
           worker.requests->free_bytes() >= worker.requests->record_bytes_max()) {
      serve(worker.held);
    }
  }
  retrying_ = nullptr;
  // Some of it must be free, or connections would be woken for every block that comes back.
  for (std::size_t n = answer_held_.size(); n > 0 && queue_memory_left(queue_memory_max_ / 8);
       --n) {
    serve(answer_held_);
  }
  for (std::size_t n = carry_held_.size(); n > 0 && carry_memory_left(carry_memory_max_ / 8); --n) {
    serve(carry_held_);
  }
  favour_one();
  for (std::size_t n = ready_.size(); n > 0; --n) serve(ready_);
}

// Cut frames alone may hold all the memory for carries, each waiting for an end that nobody
// receives. So one connection after the other is received from regardless, until its carry is empty
// or 1 s passed.
void Gateway::favour_one() {
  Connection* favoured = table_.find(favoured_);
  if (favoured != nullptr && favoured->takes_frames() && favoured->carry != nullptr &&
      now_.mono_ms < favoured_until_ms_) {
    return;
  }
  favoured_ = kNoConnection;
  if (favoured != nullptr) update_receive(*favoured);
  while (!carry_held_.empty() && favoured_ == kNoConnection) {
    Connection* next = table_.find(carry_held_.pop());
    if (next == nullptr || !next->queued_hold) continue;
    next->queued_hold = false;
    favoured_ = next->id;
    favoured_until_ms_ = now_.mono_ms + kFavourMs;
    serve_carry(*next);
  }
}

// ---- the carry ---------------------------------------------------------------------------------

void Gateway::keep(Connection& connection, ByteView bytes) {
  if (bytes.empty()) return;
  counters_.add(Counter::kPayloadBytesCopied, bytes.size());
  Block*& carry = connection.carry;
  if (carry == nullptr) {
    carry = carry_pool_.take(bytes.size());
  } else if (carry->free_bytes() < bytes.size()) {
    if (carry->capacity >= carry->size() + bytes.size()) {
      std::memmove(carry->data(), carry->data() + carry->begin, carry->size());
      carry->end -= carry->begin;
      carry->begin = 0;
    } else {
      Block* larger = carry_pool_.take(carry->size() + bytes.size());
      larger->end = static_cast<std::uint32_t>(carry->size());
      std::memcpy(larger->data(), carry->data() + carry->begin, carry->size());
      carry_pool_.give(carry);
      carry = larger;
    }
  }
  if (connection.state != State::kOpen && connection.queue.empty()) {
    connection.progress_ms = now_ms();
  }
  std::memcpy(carry->data() + carry->end, bytes.data(), bytes.size());
  carry->end += static_cast<std::uint32_t>(bytes.size());
  carry->kept_ticks = tracer_.turn_ticks();
}

void Gateway::drop_carry(Connection& connection) noexcept {
  if (connection.carry == nullptr) return;
  carry_pool_.give(connection.carry);
  connection.carry = nullptr;
}

// Receives exactly while there is somewhere to put the bytes: a carry that waits for more than the
// rest of its frame stops the receive above kCarryStopBytes, and above nothing when memory is
// short.
void Gateway::change_receive(Connection& connection) {
  if (connection.eof || connection.state >= State::kReleasing) return;
  bool wanted = true;
  if (connection.takes_frames() && connection.hold == Hold::kNone && connection.carry != nullptr &&
      !carry_memory_left(0) && connection.id != favoured_) {
    hold(connection, Hold::kMemory, &carry_held_);  // a cut frame: its end has to wait
  }
  if (connection.takes_frames() && connection.hold != Hold::kNone && connection.carry != nullptr) {
    const std::size_t stop = carry_memory_left(0) ? kCarryStopBytes : 0;
    // Started again well below the point where it was stopped.
    wanted = connection.carry->size() <= (connection.recv_armed ? stop : stop / 2);
  }
  if (wanted && !connection.recv_armed) {
    connection.recv_armed = true;
    table_.liveness(connection).last_rx_ms = now_ms();
    request_io(IoOp::kStartRecv, connection);
  } else if (!wanted && connection.recv_armed && !connection.recv_stopping) {
    connection.recv_stopping = true;
    counters_.add(Counter::kPausedReads);
    request_io(IoOp::kStopRecv, connection);
  }
}

}  // namespace ims::gateway
