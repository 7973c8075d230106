// When an open loop sends: evenly, or as independent clients would (Poisson). Times are kept as
// fractions of a nanosecond, so that a rate does not drift.
//
// Threads  One.
#pragma once

#include <cstdint>
#include <random>

#include "bench/load/clock.h"

namespace ims::bench {

class Arrivals {
 public:
  // `rate` per second from `begin_ns` on, the first one `phase` of an interval later.
  Arrivals(double rate, bool poisson, std::uint64_t seed)
      : interval_ns_(static_cast<double>(kNsPerSecond) / rate), poisson_(poisson), random_(seed) {}

  void begin(std::uint64_t begin_ns, double phase) {
    begin_ns_ = begin_ns;
    at_ns_ = interval_ns_ * phase;
  }

  std::uint64_t due_ns() const noexcept {
    return begin_ns_ + static_cast<std::uint64_t>(at_ns_);
  }
  void advance() {
    at_ns_ += poisson_ ? gap_(random_) * interval_ns_ : interval_ns_;
  }

 private:
  const double interval_ns_;
  const bool poisson_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_{1.0};
  std::uint64_t begin_ns_ = 0;
  double at_ns_ = 0;
};

}  // namespace ims::bench
