// Where a message's time goes: the stages of its way through the server, and per gateway, kind and
// stage a histogram of nanoseconds and their exact sum.
//
//   read           its bytes were received; others of the same turn, or what held it back, go first
//   parse          found, decoded, checked, copied into a request ring
//   request_ring   waits there for the worker
//   handle         the worker's own time, with reads of the store and questions to other workers
//   commit         waits for the batch that holds it to be durable; 0 where nothing is stored
//   delivery_ring  its answer or push waits there for the gateway
//   queue          encoded, and waits in the connection's queue for a send before it to end
//   send           the send that has its last byte was asked for; ends when the gateway hears that
//                  the kernel took that byte
//
// Each begins where the one before it ends, so their sum is the whole (Stage::kTotal). What ends a
// trace, by kind:
//
//   login, group, other   the answer (ConAck, Response) was sent
//   stored                1:1: likewise, whether the recipient is online or not
//   relayed               1:1: the recipient's push was sent; where nobody hears it, or the message
//                         had to wait for rows of the recipient, the answer
//
// Messages that are refused in the gateway, heartbeats and an ACK without an id have no trace.
// Threads: one writer per block, as in counters.h; any number of readers, in any process
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

#include "shared/assert.h"
#include "shared/histogram.h"

namespace ims {

enum class Stage : std::uint8_t {
  kRead = 0,
  kParse = 1,
  kRequestRing = 2,
  kHandle = 3,
  kCommit = 4,
  kDeliveryRing = 5,
  kQueue = 6,
  kSend = 7,
  kTotal = 8,
};
inline constexpr std::string_view kStageNames[] = {
    "read", "parse", "request_ring", "handle", "commit", "delivery_ring", "queue", "send", "total"};
inline constexpr std::size_t kStageCount = std::size(kStageNames);
inline constexpr std::size_t kStagesOnTheWay = kStageCount - 1;  // without the total

enum class TraceKind : std::uint8_t {
  kLogin = 0,
  kRelayed = 1,
  kStored = 2,
  kGroup = 3,
  kOther = 4,
};
inline constexpr std::string_view kTraceKindNames[] = {"login", "relayed", "stored", "group",
                                                       "other"};
inline constexpr std::size_t kTraceKindCount = std::size(kTraceKindNames);

// One message of so many is followed, where trace_sample is `trace_sample` (0: none): every login
// (gateway/tracer.h).
constexpr std::uint64_t followed_of(std::string_view kind, std::uint64_t trace_sample) {
  const bool is_login = kind == kTraceKindNames[static_cast<std::size_t>(TraceKind::kLogin)];
  return is_login && trace_sample != 0 ? 1 : trace_sample;
}

// Cells of 8 bytes: the sums by kind and stage, then the histograms in the same order.
inline constexpr std::size_t kStageSums = kTraceKindCount * kStageCount;
inline constexpr std::size_t kStageBlockCells = kStageSums * (1 + kHistogramBuckets);

class StageBlock {
 public:
  StageBlock() = default;
  // kStageBlockCells of them, zeroed, that outlive the block.
  explicit StageBlock(std::span<std::uint64_t> cells) noexcept : cells_(cells.data()) {
    IMS_ASSERT(cells.size() == kStageBlockCells);
  }

  void record(TraceKind kind, Stage stage, std::uint64_t ns) noexcept {
    const std::size_t at = index(kind, stage);
    bump(at, ns);
    bump(kStageSums + at * kHistogramBuckets + histogram_bucket(ns), 1);
  }
  std::uint64_t sum_ns(TraceKind kind, Stage stage) const noexcept {
    return std::atomic_ref<std::uint64_t>(cells_[index(kind, stage)])
        .load(std::memory_order_relaxed);
  }
  // Exact for the writing thread only.
  std::span<const std::uint64_t> histogram(TraceKind kind, Stage stage) const noexcept {
    return {cells_ + kStageSums + index(kind, stage) * kHistogramBuckets, kHistogramBuckets};
  }

 private:
  static std::size_t index(TraceKind kind, Stage stage) noexcept {
    return static_cast<std::size_t>(kind) * kStageCount + static_cast<std::size_t>(stage);
  }
  // Relaxed, and no fetch_add: as CounterBlock::bump().
  void bump(std::size_t at, std::uint64_t amount) noexcept {
    const std::atomic_ref<std::uint64_t> cell(cells_[at]);
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::uint64_t* cells_ = nullptr;
};

}  // namespace ims
