// Traces: a sampled message is followed on its way through the server, stage by stage
// (shared/stage_block.h). Its records carry a TraceId, 0 where nobody follows: an unsampled message
// costs a test at each border.
//
//   sender's gateway   takes a slot of its own region, enters kRead, kParse, kRequestRing
//   worker             kHandle, kCommit, kDeliveryRing
//   last gateway       kQueue, kSend; then adds the durations to its StageBlock, frees the slot
//
// Ownership  A slot belongs to one thread at a time: to who has the record that names it. The rings
//            that carry the record order what is written into the slot.
// Death      A message that is dropped on its way frees its slot where that is known; else the slot
//            is taken again kTraceAgeMsMax later, with a new generation. Whoever still has the old
//            id is told apart by it, and changes nothing.
// Limits     kTraceSlots per gateway; with none free a message is not followed (and counted)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "shared/assert.h"
#include "shared/ids.h"
#include "shared/probes.h"
#include "shared/slow_table.h"
#include "shared/stage_block.h"
#include "shared/tick_clock.h"
#include "shared/trace_id.h"

namespace ims {

inline constexpr std::uint32_t kTraceAgeMsMax = 60'000;

// Two lines, which no other slot shares.
struct alignas(128) TraceSlot {
  TraceId id = 0;                            // whose it is; 0: free
  std::uint64_t begins[kStagesOnTheWay] = {};  // ticks; 0: not entered
  std::uint64_t connection = 0;              // of the sender
  std::uint64_t user = 0;
  std::uint64_t request_id = 0;
  std::uint32_t tenant = 0;
  std::uint32_t started_ms = 0;              // low half of Now::mono_ms
  TraceKind kind{};
};
static_assert(sizeof(TraceSlot) == 128);

// One gateway's part of the counters file (shared/counter_file.h has the layout).
struct TraceRegion {
  std::uint64_t cells[kStageBlockCells];
  alignas(128) SlowTrace slow[kSlowTracesMax];
  TraceSlot slots[kTraceSlots];
};

// All regions, as every thread sees them. A value.
class Traces {
 public:
  Traces() = default;
  // `regions`, zeroed, outlive every copy.
  Traces(std::span<TraceRegion> regions, TickClock clock) noexcept
      : regions_(regions), clock_(clock) {}

  // The message is at the beginning of that stage now.
  void enter(TraceId id, Stage stage) const noexcept { enter(id, stage, clock_.now()); }
  void enter(TraceId id, Stage stage, std::uint64_t ticks) const noexcept {
    TraceSlot& slot = slot_of(id);
    IMS_PROBE(stage, id, static_cast<unsigned>(stage), ticks);
    // relaxed: the ring that brought the id orders the slot. Only a stale id is not ordered.
    if (cell(slot.id).load(std::memory_order_relaxed) != id) return;
    cell(slot.begins[static_cast<std::size_t>(stage)]).store(ticks, std::memory_order_relaxed);
  }

  // The slot of a trace that is still followed, or null.
  TraceSlot* find(TraceId id) const noexcept {
    TraceSlot& slot = slot_of(id);
    return cell(slot.id).load(std::memory_order_relaxed) == id ? &slot : nullptr;
  }
  // Release: what was read from the slot, and written to it, is over before it is taken anew;
  // pairs with is_free().
  static void free(TraceSlot& slot) noexcept { cell(slot.id).store(0, std::memory_order_release); }
  static bool is_free(TraceSlot& slot) noexcept {
    return cell(slot.id).load(std::memory_order_acquire) == 0;
  }
  // For a message that was received and looked at then.
  static void take(TraceSlot& slot, TraceId id, std::uint64_t read_ticks,
                   std::uint64_t parse_ticks) noexcept {
    cell(slot.begins[0]).store(read_ticks, std::memory_order_relaxed);
    cell(slot.begins[1]).store(parse_ticks, std::memory_order_relaxed);
    for (std::size_t i = 2; i < kStagesOnTheWay; ++i) {
      cell(slot.begins[i]).store(0, std::memory_order_relaxed);
    }
    cell(slot.id).store(id, std::memory_order_relaxed);
    IMS_PROBE(stage, id, 0, read_ticks);
    IMS_PROBE(stage, id, 1, parse_ticks);
  }
  static std::uint64_t begin_of(TraceSlot& slot, std::size_t stage) noexcept {
    return cell(slot.begins[stage]).load(std::memory_order_relaxed);
  }

  std::span<TraceRegion> regions() const noexcept { return regions_; }
  const TickClock& clock() const noexcept { return clock_; }

 private:
  static std::atomic_ref<std::uint64_t> cell(std::uint64_t& at) noexcept {
    return std::atomic_ref<std::uint64_t>(at);
  }
  TraceSlot& slot_of(TraceId id) const noexcept {
    IMS_ASSERT(gateway_of_trace(id) < regions_.size());
    return regions_[gateway_of_trace(id)].slots[slot_of_trace(id) % kTraceSlots];
  }

  std::span<TraceRegion> regions_;
  TickClock clock_;
};

// Regions outside of any file: for tests, the simulation, and a server whose file cannot be made.
// All zero, and memory only where it was written.
class TraceMemory {
 public:
  explicit TraceMemory(std::size_t gateways);
  ~TraceMemory();
  TraceMemory(const TraceMemory&) = delete;
  TraceMemory& operator=(const TraceMemory&) = delete;

  std::span<TraceRegion> regions() const noexcept { return regions_; }

 private:
  std::span<TraceRegion> regions_;
};

}  // namespace ims
