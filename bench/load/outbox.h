// The messages of one sender that are not settled: neither answered nor delivered to all who are
// due. Numbers are dense; the oldest leave as soon as they are settled.
//
// Limits   Grows while its oldest message is open: messages that are lost keep what is behind them.
// Threads  One.
#pragma once

#include <cstdint>
#include <vector>

namespace ims::bench {

struct Sent {
  std::uint64_t intended_ns = 0;
  std::uint64_t sent_ns = 0;
  std::uint64_t seq = 0;       // as the answer or a delivery said; 0: neither did yet
  std::uint32_t stream = 0;
  std::uint32_t place = 0;
  std::uint32_t awaited = 0;   // deliveries to come
  bool answered = false;

  bool settled() const noexcept { return answered && awaited == 0; }
};

class Outbox {
 public:
  std::uint32_t next_number() const noexcept { return next_; }
  std::uint32_t open() const noexcept { return next_ - first_; }

  Sent& push() {
    if (next_ - first_ == ring_.size()) grow();
    Sent& sent = ring_[next_++ & (ring_.size() - 1)];
    sent = {};
    return sent;
  }

  // Null: never sent, or settled and gone. Valid until the next push().
  Sent* find(std::uint32_t number) noexcept {
    if (number - first_ >= next_ - first_) return nullptr;
    return &ring_[number & (ring_.size() - 1)];
  }

  std::uint32_t first_number() const noexcept { return first_; }

  void drop_settled() noexcept {
    while (first_ != next_ && ring_[first_ & (ring_.size() - 1)].settled()) ++first_;
  }

 private:
  void grow() {
    std::vector<Sent> wider(ring_.empty() ? 4 : ring_.size() * 2);
    for (std::uint32_t number = first_; number != next_; ++number) {
      wider[number & (wider.size() - 1)] = ring_[number & (ring_.size() - 1)];
    }
    ring_.swap(wider);
  }

  std::vector<Sent> ring_;  // a power of two of them
  std::uint32_t first_ = 0;
  std::uint32_t next_ = 0;
};

}  // namespace ims::bench
