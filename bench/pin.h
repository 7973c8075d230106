// Keeps the calling thread on one CPU.
#pragma once

#include <sched.h>

#include <cstddef>

namespace ims::bench {

// False: there is no such CPU, or it is not allowed (errno).
inline bool pin_to_cpu(int cpu) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace ims::bench
