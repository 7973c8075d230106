// What a server used up, from outside, by /proc: every thread's CPU time by the scheduler's clock,
// the split of it by ticks, how often it slept, and its memory. No thread may end in between.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace ims::bench {

struct ServerUse {
  std::uint64_t cpu_ns = 0;
  double user_s = 0;           // in ticks of 10 ms
  double kernel_s = 0;
  std::uint64_t sleeps = 0;    // voluntary switches: each is a wake-up later
  std::uint64_t preempted = 0;
  std::uint64_t rss_anon_bytes = 0;  // at the time, no difference

  [[nodiscard]] ServerUse since(const ServerUse& before) const noexcept;
};

// Nullopt: there is no such process, or it is not ours to look at.
std::optional<ServerUse> read_server_use(pid_t pid);

}  // namespace ims::bench
