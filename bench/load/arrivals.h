// When an open loop sends: evenly, or as independent clients would (Poisson). Times are kept as
// fractions of a nanosecond, so that a rate does not drift.
//
// Threads  One.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "bench/load/clock.h"
#include "shared/prng.h"

namespace ims::bench {

class Arrivals {
 public:
  // `rate` per second.
  Arrivals(double rate, bool poisson, std::uint64_t seed)
      : interval_ns_(static_cast<double>(kNsPerSecond) / rate), poisson_(poisson), random_(seed) {}

  // From `begin_ns` on; evenly, the first one is due `phase` of an interval later.
  void begin(std::uint64_t begin_ns, double phase) {
    begin_ns_ = begin_ns;
    at_ns_ = poisson_ ? gap_ns() : interval_ns_ * phase;
  }

  std::uint64_t due_ns() const noexcept {
    return begin_ns_ + static_cast<std::uint64_t>(at_ns_);
  }
  void advance() { at_ns_ += poisson_ ? gap_ns() : interval_ns_; }

  // Calls back with (due, count) for all that is still due before `end_ns`: one by one, or, if that
  // would be more than kOneByOneMax, in so many stretches with the due time in their middle.
  template <class Record>
  void rest(std::uint64_t end_ns, Record&& record) {
    if (due_ns() >= end_ns) return;
    const double left = static_cast<double>(end_ns - due_ns()) / interval_ns_;
    if (left <= kOneByOneMax) {
      for (; due_ns() < end_ns; advance()) record(due_ns(), std::uint64_t{1});
      return;
    }
    const auto count = static_cast<std::uint64_t>(left) + 1;
    constexpr auto kStretches = static_cast<std::uint64_t>(kOneByOneMax);
    std::uint64_t from = 0;
    for (std::uint64_t i = 1; i <= kStretches; ++i) {
      const auto to = static_cast<std::uint64_t>(static_cast<double>(count) *
                                                 (static_cast<double>(i) / kOneByOneMax));
      const double middle = interval_ns_ * static_cast<double>(from + to) / 2;
      record(std::min(due_ns() + static_cast<std::uint64_t>(middle), end_ns - 1), to - from);
      from = to;
    }
  }

  static constexpr double kOneByOneMax = 10'000;

 private:
  double gap_ns() {
    const double uniform = static_cast<double>(random_.next() >> 11) * 0x1p-53;  // [0, 1)
    return -std::log1p(-uniform) * interval_ns_;
  }

  double interval_ns_;
  bool poisson_;
  Prng random_;
  std::uint64_t begin_ns_ = 0;
  double at_ns_ = 0;
};

}  // namespace ims::bench
