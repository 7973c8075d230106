// Time: the few deadlines in a wheel, keepalive by scanning, and the shutdown, a slice per turn.
#include "gateway/gateway.h"

#include <algorithm>

#include "shared/probes.h"

namespace ims::gateway {
namespace {

constexpr std::int64_t kPoolWindowTicks = 30;  // 3 s: a peak's blocks are kept for 3 to 6 s
constexpr std::uint32_t kScanTicks = 10;       // a full pass over all connections takes 1 s
constexpr std::uint32_t kShutdownSlotsPerTurn = 1024;
constexpr std::uint32_t kSlowConsumerGraceMs = 1000;  // to take the Disconnect
constexpr std::uint32_t kRetryAfterMsMin = 1000;
constexpr std::uint32_t kRetryAfterMsMax = 5000;

}  // namespace

void Gateway::on_tick(Now now) {
  begin(now);
  wheel_.advance(now.mono_ms, [this](ConnectionId id) {
    if (Connection* connection = table_.find(id)) on_deadline(*connection);
  });
  const std::int64_t tick = now.mono_ms / DeadlineWheel::kTickMs;
  for (std::int64_t n = std::min<std::int64_t>(tick - scan_tick_, kScanTicks); n > 0; --n) {
    scan_liveness();
  }
  if (tick != scan_tick_) look_around();
  if (tick / kPoolWindowTicks != scan_tick_ / kPoolWindowTicks) {
    pool_.begin_window();
    carry_pool_.begin_window();
  }
  scan_tick_ = tick;
  if (shutting_down_) continue_shutdown();
  flush();
}

// Now and then: what costs more than a turn's own work would be worth.
void Gateway::look_around() noexcept {
  tracer_.tick(now_);
  pool_.trim();
  carry_pool_.trim();
  std::size_t ring_bytes = 0;
  for (Worker& worker : workers_) ring_bytes += worker.requests->used_bytes();
  counters_.set(Counter::kRingBytesRequests, ring_bytes);
}

// ---- deadlines ---------------------------------------------------------------------------------

// Something of this connection has to be looked at in `in_ms`, or earlier if it is due already.
void Gateway::set_deadline(Connection& connection, std::int64_t in_ms) {
  in_ms = std::min(in_ms, DeadlineWheel::kHorizonMs);  // looked at again from there
  const std::uint32_t at_ms = now_ms() + static_cast<std::uint32_t>(in_ms);
  if (connection.deadline_set && static_cast<std::int32_t>(at_ms - connection.deadline_ms) >= 0) {
    return;
  }
  connection.deadline_set = true;
  connection.deadline_ms = at_ms;
  wheel_.add(connection.id, now_.mono_ms + in_ms);
}

void Gateway::on_deadline(Connection& connection) {
  // An entry that an earlier deadline has overtaken: the one that counts is still in the wheel.
  if (!connection.deadline_set) return;
  if (static_cast<std::int32_t>(now_ms() - connection.deadline_ms) < 0) return;
  connection.deadline_set = false;
  report_taken(connection);
  const std::uint32_t since_ms = now_ms() - connection.progress_ms;
  // Calls `expired` if `limit_ms` passed since the last progress, else looks again then.
  const auto after = [&](std::int64_t limit_ms, auto expired) {
    if (since_ms >= limit_ms) {
      expired();
    } else {
      set_deadline(connection, limit_ms - since_ms);
    }
  };

  if (connection.state == State::kDraining) {
    return after(kDrainOnCloseMs, [&] { request_close(connection); });
  }
  if (connection.state >= State::kShutdown) return;  // the kernel's turn
  if (!connection.queue.empty()) {
    return after(connection.stalled ? kSlowConsumerGraceMs : config_.stall_timeout_ms, [&] {
      const std::uint32_t owed_bytes = connection.queue.bytes();
      if (!connection.takes_frames()) {
        IMS_PROBE(slow, connection.id.bits, 3, owed_bytes);
        return abort(connection, CloseReason::kSlowConsumer);
      }
      counters_.add(Counter::kStalls);
      IMS_PROBE(slow, connection.id.bits, 2, owed_bytes);
      const DisconnectFields fields{DisconnectCode::kSlowConsumer,
                                    "the connection took none of the bytes it is owed", 0};
      connection.stalled = true;
      connection.progress_ms = now_ms();
      set_deadline(connection, kSlowConsumerGraceMs);
      begin_close(connection, CloseReason::kSlowConsumer, &fields);
    });
  }
  if (connection.state == State::kOpen && connection.hold != Hold::kRing) {
    return after(config_.login_timeout_ms,
                 [&] { begin_close(connection, CloseReason::kLoginTimeout, nullptr); });
  }
  check_drained(connection);
  if (connection.hold == Hold::kMemory) {
    return after(config_.stall_timeout_ms, [&] {
      const DisconnectFields fields{DisconnectCode::kOverloaded,
                                    "no memory was free for the connection's next frame", 0};
      begin_close(connection, CloseReason::kOverloaded, &fields);
    });
  }
  if (connection.state == State::kOpen) set_deadline(connection, config_.login_timeout_ms);
}

// ---- keepalive ---------------------------------------------------------------------------------

// One slice of the connections. A connection that we do not read from cannot be heard.
void Gateway::scan_liveness() {
  const std::uint32_t slots = table_.slots_known();
  const std::uint32_t slice = (slots + kScanTicks - 1) / kScanTicks;
  for (std::uint32_t n = 0; n < slice; ++n) {
    if (scan_slot_ >= slots) scan_slot_ = 0;
    const std::uint32_t slot = scan_slot_++;
    const Liveness& liveness = table_.liveness(slot);
    if (liveness.idle_limit_ms == 0) continue;
    if (now_ms() - liveness.last_rx_ms < liveness.idle_limit_ms) continue;
    Connection& connection = table_.at(slot);
    if (connection.state != State::kOnline || !connection.recv_armed) continue;
    const DisconnectFields fields{DisconnectCode::kIdleTimeout,
                                  "no byte arrived for 1.5 times keepalive_s", 0};
    begin_close(connection, CloseReason::kIdleTimeout, &fields);
  }
}

// ---- shutdown ----------------------------------------------------------------------------------

void Gateway::begin_shutdown(Now now) {
  begin(now);
  shutting_down_ = true;
  accepting_ = false;
}

// All clients at once would come back at once, hence the jitter.
void Gateway::continue_shutdown() {
  for (std::uint32_t n = 0; n < kShutdownSlotsPerTurn; ++n) {
    if (shutdown_slot_ >= table_.slots_known()) return;
    Connection& connection = table_.at(shutdown_slot_++);
    if (!connection.takes_frames()) continue;
    const auto retry_after_ms = static_cast<std::uint32_t>(
        kRetryAfterMsMin + prng_.below(kRetryAfterMsMax - kRetryAfterMsMin + 1));
    const DisconnectFields fields{DisconnectCode::kShutdown, "the server is shutting down",
                                  retry_after_ms};
    begin_close(connection, CloseReason::kShutdown, &fields);
  }
}

// The table keeps a reserve for connections that the kernel had accepted before the listener
// closed; the listener opens again once twice the reserve is free.
void Gateway::update_accepting() noexcept {
  const std::uint32_t reserve = std::min(kConnectionReserve, table_.slots_max() / 4);
  const std::uint32_t free_slots = table_.slots_max() - table_.used();
  if (shutting_down_) return;
  if (accepting_ && free_slots <= reserve) {
    accepting_ = false;
    counters_.add(Counter::kAcceptPauses);
  } else if (!accepting_ && free_slots > 2 * reserve) {
    accepting_ = true;
  }
}

}  // namespace ims::gateway
