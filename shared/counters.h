// Counters: what a thread did, in plain cells that it alone writes.
//
//   block.add(Counter::kFramesIn);            a load, an add, a store; no lock, no bus traffic
//   block.set(Counter::kConnections, count);  a gauge's level
//   block.raise(Counter::kFanoutTurnSends, count);  a peak's, if it is higher
//
// Ownership: a CounterBlock is one thread's; the cells are its own heap (tests, simulation) or a
//            page-aligned part of the counters file (shared/counter_file.h), which outlives it
// Threads:   one writer per block, any number of readers in any process. Cells are read and written
//            through relaxed atomic_ref: a reader sees whole values, a moment old; cells have no
//            order among each other, so sums over them may be a few events apart
// Never:     cells are not reset; a new file begins at 0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "shared/assert.h"
#include "shared/codes.h"
#include "shared/inline.h"

namespace ims {

enum class Counter : std::uint16_t {
#define IMS_COUNTER(id, name) id,
#define IMS_GAUGE(id, name) id,
#define IMS_PEAK(id, name) id,
#include "shared/counter_list.h"
#undef IMS_COUNTER
#undef IMS_GAUGE
#undef IMS_PEAK
};

// Over several threads a counter and a gauge are sums, a peak is the highest of them.
enum class CounterKind : std::uint8_t { kCounter = 0, kGauge = 1, kPeak = 2 };

struct CounterEntry {
  std::string_view name;
  CounterKind kind;
};

// By Counter's number.
inline constexpr CounterEntry kCounterEntries[] = {
#define IMS_COUNTER(id, name) {name, CounterKind::kCounter},
#define IMS_GAUGE(id, name) {name, CounterKind::kGauge},
#define IMS_PEAK(id, name) {name, CounterKind::kPeak},
#include "shared/counter_list.h"
#undef IMS_COUNTER
#undef IMS_GAUGE
#undef IMS_PEAK
};
inline constexpr std::size_t kCounterCount = std::size(kCounterEntries);

inline constexpr std::size_t kBlockCells = 512;  // of one block
static_assert(kCounterCount <= kBlockCells);

constexpr Counter counter_of(Code code) noexcept {
  return static_cast<Counter>(static_cast<std::uint16_t>(Counter::kResponseOk) +
                              static_cast<std::uint16_t>(code));
}
static_assert(counter_of(Code::kUnsupported) == Counter::kResponseUnsupported);

class CounterBlock {
 public:
  // Cells on the heap, all 0.
  CounterBlock();
  // Cells elsewhere: kBlockCells of them, zeroed, that outlive the block.
  explicit CounterBlock(std::span<std::uint64_t> cells) noexcept : cells_(cells.data()) {
    IMS_ASSERT(cells.size() == kBlockCells);
  }

  CounterBlock(CounterBlock&&) noexcept = default;
  CounterBlock& operator=(CounterBlock&&) noexcept = default;

  IMS_INLINE void add(Counter counter, std::uint64_t amount = 1) noexcept {
    bump(static_cast<std::size_t>(counter), amount);
  }
  void set(Counter counter, std::uint64_t level) noexcept {
    cell(static_cast<std::size_t>(counter)).store(level, std::memory_order_relaxed);
  }
  void raise(Counter counter, std::uint64_t level) noexcept {
    if (level > get(counter)) set(counter, level);
  }
  std::uint64_t get(Counter counter) const noexcept {
    return cell(static_cast<std::size_t>(counter)).load(std::memory_order_relaxed);
  }

 private:
  std::atomic_ref<std::uint64_t> cell(std::size_t index) const noexcept {
    return std::atomic_ref<std::uint64_t>(cells_[index]);
  }
  // Relaxed: nothing is published with a count. Load and store instead of fetch_add: with one
  // writer no update can be lost, and it costs no locked instruction.
  IMS_INLINE void bump(std::size_t index, std::uint64_t amount) noexcept {
    const auto here = cell(index);
    here.store(here.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::unique_ptr<std::uint64_t[]> owned_;  // null when the cells are elsewhere
  std::uint64_t* cells_ = nullptr;
};

}  // namespace ims
