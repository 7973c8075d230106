// Seeded pseudo-random numbers: the only source of chance in the cores, so that a simulated run
// replays from its seed. Not for secrets.
// Source: splitmix64 (S. Vigna, public domain), period 2^64.
#pragma once

#include <cstdint>

namespace ims {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }

  // Uniform enough in [0, bound); the bias of the modulus is below 2^-32 for bounds below 2^32.
  std::uint64_t below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
  bool chance(unsigned percent) noexcept { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

}  // namespace ims
