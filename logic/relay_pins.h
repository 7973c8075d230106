// Request records that gateways still read: the bytes of a relayed message are not copied into the
// delivery ring, its kRelay record says where in the request ring they are.
//
//   turn n        relays records, publishes deliveries      mark := how far both rings are now
//   turn n + k    every delivery ring was read up to its mark: the requests up to theirs are given
//                 back, and what was relayed since gets the next mark
//
// One mark at a time, whatever the number of turns: a mark is two positions per gateway.
//
// Progress   Gateways always drain deliveries, so a mark is passed soon; one that left is not
//            waited for. A gateway that waits for room in a request ring wakes the worker when it
//            has read deliveries; a worker that keeps much sleeps for a millisecond at most.
// Threads    The worker's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "shared/byte_ring.h"

namespace ims::logic {

class RelayPins {
 public:
  // By gateway: the rings from and to it. They outlive this.
  RelayPins(std::span<ByteRing* const> requests, std::span<ByteRing* const> deliveries)
      : requests_(requests.begin(), requests.end()),
        deliveries_(deliveries.begin(), deliveries.end()),
        marks_(requests.size()) {}

  // A kRelay record of this turn refers to a request.
  void add() noexcept { added_ = true; }

  // Once the turn's deliveries are published: gives back the requests that nobody reads any more.
  void end_turn() noexcept {
    if (marked_ && passed()) {
      for (std::size_t g = 0; g < marks_.size(); ++g) requests_[g]->release_to(marks_[g].requests);
      marked_ = false;
    }
    if (marked_) return;
    if (!added_) {
      for (ByteRing* ring : requests_) ring->release();
      return;
    }
    for (std::size_t g = 0; g < marks_.size(); ++g) {
      marks_[g] = {requests_[g]->popped(), deliveries_[g]->written()};
    }
    marked_ = true;
    added_ = false;
  }

  // A quarter of a ring is kept: whoever fills it may come to wait for it.
  bool keeps_much() const noexcept {
    return marked_ && std::any_of(requests_.begin(), requests_.end(), [](const ByteRing* ring) {
             return ring->kept_bytes() > ring->capacity_bytes() / 4;
           });
  }
  // end_turn() would give something back.
  bool passed() noexcept {
    for (std::size_t g = 0; g < marks_.size(); ++g) {
      if (!deliveries_[g]->consumed(marks_[g].deliveries)) return false;
    }
    return true;
  }

 private:
  struct Mark {
    std::uint64_t requests = 0;    // popped() then
    std::uint64_t deliveries = 0;  // written() then
  };

  const std::vector<ByteRing*> requests_;
  const std::vector<ByteRing*> deliveries_;
  std::vector<Mark> marks_;  // by gateway
  bool marked_ = false;
  bool added_ = false;  // since the mark
};

}  // namespace ims::logic
