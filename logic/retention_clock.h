// The time that retention goes by: wall time, but stored, monotone, and never far ahead of what was
// stored. A clock that jumps to 2100 would otherwise make every row old and take it away for good.
//
//   advance(wall)   wall <= now            ignored
//                   wall <= stored + 1 day now := wall
//                   further                ignored and said, unless accept_jump
//
// Stored means: written by append_to() in a batch that the caller made durable, then on_stored().
//
// Threads  now_ms() from any; the rest on one thread at a time (start-up, then the committer's).
#pragma once

#include <atomic>
#include <cstdint>

#include "logic/store.h"

namespace ims::logic {

class RetentionClock {
 public:
  static constexpr std::int64_t kJumpMsMax = 86'400'000;
  static constexpr std::int64_t kStoreEveryMs = 10'000;

  explicit RetentionClock(bool accept_jump) noexcept : accept_jump_(accept_jump) {}
  RetentionClock(const RetentionClock&) = delete;
  RetentionClock& operator=(const RetentionClock&) = delete;

  // Start-up: takes what the store holds, or `wall_ms` where it holds nothing, then advances and
  // stores. kOk, or what the store said.
  StoreStatus open(Store& store, std::int64_t wall_ms);

  // False where `wall_ms` was refused as a jump.
  bool advance(std::int64_t wall_ms) noexcept;

  // True when the time has moved kStoreEveryMs since it was stored.
  bool due() const noexcept;
  void append_to(StoreBatch& batch) const;
  void on_stored() noexcept;

  // Unix time in ms; 0 before open(): nothing is old.
  std::int64_t now_ms() const noexcept {
    // relaxed: a lone number; a moment old is as good.
    return now_ms_.load(std::memory_order_relaxed);
  }

 private:
  const bool accept_jump_;
  std::int64_t stored_ms_ = 0;
  std::atomic<std::int64_t> now_ms_{0};
};

}  // namespace ims::logic
