// The slowest traced messages of the last ten minutes, per gateway, each with its split: a bounded
// table that others read while the gateway writes it.
//
// An entry is a seqlock: its version is odd while it is written. Who reads an odd version, or two
// different ones around the fields, looks again.
// Threads  one writer; any number of readers, in any process
// Limits   kSlowTracesMax entries. A slower message takes the place of the fastest
// Cost     a comparison for a message that is faster than all of them; else a walk down a heap
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "shared/ids.h"
#include "shared/stage_block.h"

namespace ims {

inline constexpr std::size_t kSlowTracesMax = 64;
inline constexpr std::int64_t kSlowTraceKeptMs = 600'000;

// As it lies in the file; every field a number of 8 bytes.
struct SlowTrace {
  std::uint64_t version = 0;
  std::uint64_t total_ns = 0;                // 0: the entry is empty
  std::uint64_t stage_ns[kStagesOnTheWay] = {};
  std::uint64_t ended_wall_ms = 0;
  std::uint64_t kind = 0;                    // TraceKind
  std::uint64_t connection = 0;              // ConnectionId of who sent the request
  std::uint64_t user = 0;                    // UserId of who sent it; 0: a login that was refused
  std::uint64_t tenant = 0;                  // TenantId; likewise
  std::uint64_t request_id = 0;
};
inline constexpr std::size_t kSlowTraceCells = sizeof(SlowTrace) / sizeof(std::uint64_t);
static_assert(sizeof(SlowTrace) == 128);

class SlowTable {
 public:
  SlowTable() = default;
  // kSlowTracesMax of them, zeroed, that outlive this.
  explicit SlowTable(std::span<SlowTrace> entries) noexcept;

  void offer(const SlowTrace& trace) noexcept {
    if (trace.total_ns > ranks_[0].total_ns) [[unlikely]] put(trace);
  }
  // Now and then: entries that became too old are emptied.
  void forget_old(std::int64_t wall_ms) noexcept;

  // A reader's copy of an entry; none: it is empty, or was written all the while.
  static std::optional<SlowTrace> read(const SlowTrace& entry) noexcept;

 private:
  struct Rank {
    std::uint64_t total_ns = 0;
    std::uint32_t entry = 0;
  };

  void put(const SlowTrace& trace) noexcept;
  static void write(SlowTrace& entry, const SlowTrace& trace) noexcept;
  void sink(std::size_t at) noexcept;

  std::span<SlowTrace> entries_;
  std::array<Rank, kSlowTracesMax> ranks_{};  // a heap, the fastest first
};

}  // namespace ims
