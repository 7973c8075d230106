// The few deadlines of a gateway: 512 buckets of 100 ms. (Keepalive is not among them: see
// Liveness.)
//
// An entry is a weak name and a promise to look at that connection not later than its time. What is
// due is decided when it comes up; a deadline that moved further away in the meantime is entered
// again then, so traffic does not touch the wheel.
// Limits   No deadline beyond kHorizonMs.
// Accuracy Up to kTickMs late, never early.
// Source   G. Varghese, T. Lauck: Hashed and Hierarchical Timing Wheels, 1987.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "shared/ids.h"

namespace ims::gateway {

class DeadlineWheel {
 public:
  static constexpr std::uint32_t kTickMs = 100;
  static constexpr std::uint32_t kBuckets = 512;
  static constexpr std::int64_t kHorizonMs = 50'000;
  static constexpr std::size_t kBucketKept = 256;  // of whose room a bucket keeps
  static_assert(kHorizonMs + 2 * kTickMs <= std::int64_t{kBuckets} * kTickMs);

  explicit DeadlineWheel(std::int64_t now_ms) noexcept : tick_(now_ms / kTickMs) {}

  void add(ConnectionId id, std::int64_t deadline_ms) {
    // Rounded up, and never into the tick that was already looked at.
    std::int64_t tick = (deadline_ms + kTickMs - 1) / kTickMs;
    if (tick <= tick_) tick = tick_ + 1;
    ++count_;
    // The thread slept for long, and advance() comes later in the turn.
    if (tick >= tick_ + kBuckets) {
      ahead_.push_back({id, deadline_ms});
      return;
    }
    buckets_[static_cast<std::size_t>(tick) % kBuckets].push_back(id);
  }

  bool empty() const noexcept { return count_ == 0; }

  // Calls `due(id)` for everything whose time has come. `due` may add.
  template <typename Due>
  void advance(std::int64_t now_ms, Due due) {
    const std::int64_t now_tick = now_ms / kTickMs;
    // After a long sleep each bucket is looked at once.
    if (now_tick - tick_ > kBuckets) tick_ = now_tick - kBuckets;
    while (tick_ < now_tick) {
      ++tick_;
      up_.swap(buckets_[static_cast<std::size_t>(tick_) % kBuckets]);
      const std::size_t held = up_.size();
      count_ -= held;
      for (const ConnectionId id : up_) due(id);
      up_.clear();
      if (up_.capacity() > kBucketKept && up_.capacity() > 4 * held) up_ = {};  // a burst's room
    }
    if (ahead_.empty()) return;
    const std::vector<Entry> ahead = std::move(ahead_);
    ahead_.clear();
    count_ -= ahead.size();
    for (const Entry& entry : ahead) add(entry.id, entry.deadline_ms);
  }

 private:
  struct Entry {
    ConnectionId id;
    std::int64_t deadline_ms;
  };

  std::array<std::vector<ConnectionId>, kBuckets> buckets_;
  std::vector<Entry> ahead_;  // beyond the wheel as it stands: entered once it has caught up
  std::vector<ConnectionId> up_;  // the bucket that is being looked at
  std::size_t count_ = 0;
  std::int64_t tick_;
};

}  // namespace ims::gateway
