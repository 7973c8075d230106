// A clock for stamps: some 20 cycles a reading, no system call.
//
//   tsc        the processor's counter, where it is invariant (CPUID) and the kernel itself goes by
//              it, so that all CPUs agree; on AArch64 its virtual counter
//   monotonic  clock_gettime(CLOCK_MONOTONIC), where it is not
//   by hand    nanoseconds that somebody else moves: simulation and tests
//
// Readings are ticks; only to_ns() of a difference means anything. A reading on another CPU may be
// some tens of nanoseconds before one that was made earlier: who subtracts takes that for 0.
// Threads: a value; any number may read it
#pragma once

#include <cstdint>
#include <ctime>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace ims {

class TickClock {
 public:
  // CLOCK_MONOTONIC's nanoseconds.
  TickClock() = default;
  // The best that this machine has; counts against CLOCK_MONOTONIC for 5 ms.
  static TickClock measure();
  // `ns` outlives every copy.
  static TickClock by_hand(const std::uint64_t* ns) noexcept;

  std::uint64_t now() const noexcept {
#if defined(__x86_64__)
    if (source_ == Source::kTsc) [[likely]] return __rdtsc();
#elif defined(__aarch64__)
    if (source_ == Source::kTsc) [[likely]] {
      std::uint64_t ticks = 0;
      asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
      return ticks;
    }
#endif
    return source_ == Source::kByHand ? *by_hand_ : monotonic_ns();
  }
  std::uint64_t to_ns(std::uint64_t ticks) const noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(Wide{ticks} * ns_per_tick_ >> kScaleBits);
  }

  const char* name() const noexcept;

 private:
  enum class Source : std::uint8_t { kTsc, kMonotonic, kByHand };
  static constexpr unsigned kScaleBits = 32;

  static std::uint64_t monotonic_ns() noexcept {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(time.tv_nsec);
  }

  Source source_ = Source::kMonotonic;
  std::uint64_t ns_per_tick_ = std::uint64_t{1} << kScaleBits;  // times 2^32
  const std::uint64_t* by_hand_ = nullptr;
};

}  // namespace ims
