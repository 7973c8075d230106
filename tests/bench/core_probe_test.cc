// The probe of two CPUs: what it refuses, that it gives a time and its thread back; the classes.
#include "bench/report/core_probe.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ims::bench {
namespace {

TEST_CASE("one CPU is no pair") {
  CHECK_FALSE(probe_round_trip_ns(0, 0).has_value());
  CHECK_FALSE(probe_round_trip_ns(-1, 0).has_value());
  CHECK_FALSE(probe_round_trip_ns(0, CPU_SETSIZE - 1).has_value());
}

TEST_CASE("the caller is where it was before") {
  cpu_set_t before;
  CPU_ZERO(&before);
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  const auto trip_ns = probe_round_trip_ns(0, 1);
  cpu_set_t after;
  CPU_ZERO(&after);
  REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&before, &after));
  if (CPU_ISSET(0, &before) && CPU_ISSET(1, &before) && trip_ns) CHECK(*trip_ns > 1);
}

TEST_CASE("it ends where the CPUs have other work") {
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int i = 0; i < 4; ++i) {
    busy.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    const auto trip_ns = probe_round_trip_ns(0, 1);
    if (trip_ns) CHECK(*trip_ns > 1);
  }
  stop.store(true, std::memory_order_relaxed);
  for (std::thread& thread : busy) thread.join();
}

TEST_CASE("classes, at their edges") {
  CHECK(placement_class(kNearNsMax, kNearNsMax) == "near");
  CHECK(placement_class(kNearNsMax, kNearNsMax + 1) == "mixed");
  CHECK(placement_class(kFarNsMin, kFarNsMin) == "far");
  CHECK(placement_class(kFarNsMin, kFarNsMin - 1) == "mixed");
  CHECK(placement_class(kNearNsMax, kFarNsMin) == "mixed");
  CHECK(placement_class(std::nullopt, kFarNsMin) == "unknown");
  CHECK(placement_class(kFarNsMin, std::nullopt) == "unknown");
}

}  // namespace
}  // namespace ims::bench
