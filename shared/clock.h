// Time as the cores see it: a value that the thread's loop reads once per turn and passes down.
//
//   Now::mono_ms    CLOCK_MONOTONIC, for deadlines; never goes back
//   Now::ticks      CLOCK_MONOTONIC in ns, for what turns take
//   Now::wall_ms    Unix time, for time_ms, tokens and retention; may step
#pragma once

#include <cstdint>
#include <ctime>

namespace ims {

struct Now {
  std::int64_t mono_ms = 0;
  std::int64_t wall_ms = 0;
  std::uint64_t ticks = 0;
};

inline Now read_clock() noexcept {
  timespec mono{};
  timespec wall{};
  clock_gettime(CLOCK_MONOTONIC, &mono);
  clock_gettime(CLOCK_REALTIME, &wall);
  return {mono.tv_sec * 1000 + mono.tv_nsec / 1'000'000,
          wall.tv_sec * 1000 + wall.tv_nsec / 1'000'000,
          static_cast<std::uint64_t>(mono.tv_sec) * 1'000'000'000u +
              static_cast<std::uint64_t>(mono.tv_nsec)};
}

}  // namespace ims
