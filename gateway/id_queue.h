// Connections that wait for something, first come first served: ids in a ring that grows.
//
// An entry is a weak name: who pops it looks the connection up and may find that its tenancy is
// over or that it waits no longer (the connection's own flag says so). So nothing is ever removed
// from the middle, and a connection needs no links.
// Limits   One entry per connection and flag, hence at most the table's size, plus stale ones that
//          the next pop clears. Memory is kept once grown.
#pragma once

#include <cstddef>
#include <vector>

#include "shared/ids.h"
#include "shared/inline.h"

namespace ims::gateway {

class IdQueue {
 public:
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }

  IMS_INLINE void push(ConnectionId id) {
    if (count_ == ring_.size()) [[unlikely]] grow();
    ring_[(first_ + count_) & (ring_.size() - 1)] = id;
    ++count_;
  }

  // Back to the front: it was popped and has to wait on.
  void push_front(ConnectionId id) {
    if (count_ == ring_.size()) grow();
    first_ = (first_ + ring_.size() - 1) & (ring_.size() - 1);
    ring_[first_] = id;
    ++count_;
  }

  ConnectionId pop() noexcept {
    const ConnectionId id = ring_[first_];
    first_ = (first_ + 1) & (ring_.size() - 1);
    --count_;
    return id;
  }

 private:
  [[gnu::noinline]] void grow() {
    std::vector<ConnectionId> larger(ring_.empty() ? 64 : ring_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) larger[i] = ring_[(first_ + i) & (ring_.size() - 1)];
    ring_.swap(larger);
    first_ = 0;
  }

  std::vector<ConnectionId> ring_;  // a power of two, or empty
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace ims::gateway
