// The gateway's part of traces (shared/trace.h): which messages are followed, and where their way
// ends: when the kernel took the last byte of the frame that they became.
//
//   take_frames    due() ─▶ frame_begins()                 before the frame is looked at
//   push_request   next() ─▶ a slot, 0 for most            its record is being written
//   on_records     enter(kQueue), follow(connection, id)   its frame is owed
//                  name_user(id, user, tenant)             of a login, which had neither
//   flush_one      sending(connection)                     a send was asked for
//   on_send        taken(connection, bytes) ─▶ finish      the last byte left
//   on_closed      forget(connection)                      none of it will leave
//
// Choice   Every login. Of requests the next one is at a random place among 2 * trace_sample - 1,
//          so that no pattern of a client's falls in step with it; 1: every one.
// Waiting  A connection's frames that are followed hang on it as a list, in the order of its queue.
//          At most kTracesQueuedMax of a gateway; more are dropped, and counted.
// Threads  The gateway's. Slots may be of another gateway's region (the recipient's finishes it).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "gateway/connection.h"
#include "shared/clock.h"
#include "shared/counters.h"
#include "shared/prng.h"
#include "shared/records.h"
#include "shared/trace.h"

namespace ims::gateway {

inline constexpr std::size_t kTracesQueuedMax = 16'384;

class Tracer {
 public:
  // `traces` null or `sample` 0: nothing is followed.
  Tracer(const Traces* traces, GatewayIndex gateway, std::uint32_t sample, CounterBlock& counters);

  // ---- the beginning ----

  void turn_begins(Now now) noexcept {
    now_ = now;
    if (traces_ != nullptr) turn_ticks_ = traces_->clock().now();
  }
  // When the turn's completions were seen.
  std::uint64_t turn_ticks() const noexcept { return turn_ticks_; }

  bool on() const noexcept { return traces_ != nullptr; }
  bool due() const noexcept { return left_ == 0; }
  // `read_ticks`: when its bytes were received.
  void frame_begins(std::uint64_t read_ticks) noexcept {
    read_ticks_ = read_ticks;
    parse_ticks_ = traces_->clock().now();
  }
  // For the record that is being written: its trace; 0 for most.
  TraceId next(const RequestRecord& record) noexcept {
    if (left_ != 0) [[likely]] {
      --left_;
      return 0;
    }
    return start(record);
  }
  TraceId next(const LoginRecord& record) noexcept { return on() ? start(record) : 0; }

  // ---- the end ----

  void enter(TraceId id, Stage stage) const noexcept { traces_->enter(id, stage); }
  // Whose login it is, once that is known. 0: nothing happens.
  void name_user(TraceId id, UserId user, TenantId tenant) noexcept;
  void follow(Connection& connection, TraceId id);
  void sending(Connection& connection) noexcept;
  void taken(Connection& connection, std::size_t bytes) noexcept;
  void forget(Connection& connection) noexcept;
  // Its message leads to nothing that is sent. 0: nothing happens.
  void drop(TraceId id) noexcept;

  // Now and then.
  void tick(Now now) noexcept {
    if (traces_ != nullptr) slow_.forget_old(now.wall_ms);
  }

 private:
  // A followed frame in a send queue.
  struct Queued {
    TraceId id = 0;
    std::uint32_t left_bytes = 0;  // of the queue, up to its end
    std::uint16_t next = 0;        // index in queued_; 0: none. Free ones are linked likewise
    bool sending = false;
  };

  TraceId start(const RequestRecord& record) noexcept;
  TraceId start(const LoginRecord& record) noexcept;
  TraceSlot* take_slot() noexcept;
  TraceId begin(TraceSlot* slot, TraceKind kind, std::uint64_t connection,
                std::uint64_t request_id) noexcept;
  void finish(TraceId id) noexcept;
  void give_slot(TraceId id, TraceSlot& slot) noexcept;
  void give(std::uint16_t index) noexcept;

  const Traces* const traces_;
  const std::uint32_t sample_;
  const GatewayIndex gateway_;
  CounterBlock& counters_;
  Prng prng_;
  StageBlock stages_;
  SlowTable slow_;
  Now now_;
  std::uint64_t left_;              // messages before the next one that is followed
  std::uint64_t turn_ticks_ = 0;
  std::uint64_t read_ticks_ = 0;    // of the frame that is being taken, if due()
  std::uint64_t parse_ticks_ = 0;
  std::uint64_t generation_ = 0;
  std::size_t next_slot_ = 0;
  // Slots of this gateway that it freed itself: the last one is taken first, still in the cache.
  std::array<TraceSlot*, 64> freed_{};
  std::size_t freed_count_ = 0;
  std::vector<Queued> queued_;      // [0] is nobody's
  std::uint16_t free_queued_ = 0;
};

}  // namespace ims::gateway
