// Bouncing (core_probe.h). The line's value is odd when it is the other thread's turn.
#include "bench/report/core_probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "bench/pin.h"

namespace ims::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBursts = 40;
constexpr std::uint64_t kTripsPerBurst = 500;
constexpr std::chrono::milliseconds kTimeMax{60};

struct alignas(128) Line {
  std::atomic<std::uint64_t> turn{0};
};

// On a line of its own, so that looking at it is no part of the bouncing.
struct alignas(128) Stop {
  std::atomic<bool> asked{false};
};

// Release and acquire: the line itself is all that is handed over; the orders only keep each side's
// store behind its load.
void answer(Line& line, const Stop& stop) {
  // relaxed: nothing but the end hangs on it.
  while (!stop.asked.load(std::memory_order_relaxed)) {
    const std::uint64_t seen = line.turn.load(std::memory_order_acquire);
    if (seen % 2 == 1) line.turn.store(seen + 1, std::memory_order_release);
  }
}

std::vector<double> ask(Line& line) {
  std::vector<double> trips_ns;
  const auto deadline = Clock::now() + kTimeMax;
  std::uint64_t turn = 0;
  for (int burst = 0; burst < kBursts; ++burst) {
    const auto begin = Clock::now();
    for (std::uint64_t trip = 0; trip < kTripsPerBurst; ++trip) {
      line.turn.store(turn + 1, std::memory_order_release);
      turn += 2;
      for (std::uint32_t spins = 1; line.turn.load(std::memory_order_acquire) != turn; ++spins) {
        if (spins % 4096 == 0 && Clock::now() > deadline) return trips_ns;
      }
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    trips_ns.push_back(took.count() / static_cast<double>(kTripsPerBurst));
  }
  return trips_ns;
}

}  // namespace

std::optional<double> probe_round_trip_ns(int cpu_a, int cpu_b) {
  if (cpu_a == cpu_b || cpu_a < 0 || cpu_b < 0) return std::nullopt;
  cpu_set_t before;
  if (pthread_getaffinity_np(pthread_self(), sizeof before, &before) != 0) return std::nullopt;
  Line line;
  Stop stop;
  std::atomic<int> other{0};  // 0 not there yet, 1 on its CPU, -1 not let there
  std::thread thread([&] {
    const bool is_there = pin_to_cpu(cpu_b);
    other.store(is_there ? 1 : -1, std::memory_order_release);
    if (is_there) answer(line, stop);
  });
  const bool is_here = pin_to_cpu(cpu_a);
  while (other.load(std::memory_order_acquire) == 0) std::this_thread::yield();
  std::vector<double> trips_ns;
  if (is_here && other.load(std::memory_order_acquire) == 1) trips_ns = ask(line);
  stop.asked.store(true, std::memory_order_relaxed);
  thread.join();
  pthread_setaffinity_np(pthread_self(), sizeof before, &before);
  if (trips_ns.empty()) return std::nullopt;
  const auto middle = trips_ns.begin() + static_cast<std::ptrdiff_t>(trips_ns.size() / 2);
  std::nth_element(trips_ns.begin(), middle, trips_ns.end());
  return *middle;
}

std::string_view placement_class(std::optional<double> before_ns, std::optional<double> after_ns) {
  if (!before_ns || !after_ns) return "unknown";
  if (*before_ns <= kNearNsMax && *after_ns <= kNearNsMax) return "near";
  if (*before_ns >= kFarNsMin && *after_ns >= kFarNsMin) return "far";
  return "mixed";
}

}  // namespace ims::bench
