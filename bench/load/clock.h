// The generator's clock: CLOCK_MONOTONIC in nanoseconds, the same in every process of a run.
#pragma once

#include <ctime>

#include <cstdint>

namespace ims::bench {

inline constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::uint64_t kNsPerMillisecond = 1'000'000;

constexpr std::uint64_t ns_of(double seconds) {
  return static_cast<std::uint64_t>(seconds * static_cast<double>(kNsPerSecond));
}

inline std::uint64_t read_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

// CPU time of this thread so far; a process of the generator has one.
inline std::uint64_t read_cpu_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace ims::bench
