// When an open loop sends: the pace, the chance of Poisson, and what is left at the end.
#include "bench/load/arrivals.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace ims::bench {
namespace {

constexpr std::uint64_t kBegin = 1'000 * kNsPerSecond;

TEST_CASE("an even rate does not drift") {
  Arrivals arrivals(3, false, 1);
  arrivals.begin(kBegin, 0.5);
  CHECK(arrivals.due_ns() == kBegin + kNsPerSecond / 6);
  for (int i = 0; i < 3 * 86'400; ++i) arrivals.advance();
  const std::uint64_t day_ns = kBegin + 86'400 * kNsPerSecond + kNsPerSecond / 6;
  CHECK(arrivals.due_ns() >= day_ns - 10'000);
  CHECK(arrivals.due_ns() <= day_ns + 10'000);
}

TEST_CASE("Poisson: the rate in the mean, gaps that scatter as much as they are long") {
  Arrivals arrivals(1000, true, 7);
  arrivals.begin(kBegin, 0.5);
  double sum = 0, squares = 0;
  constexpr int kCount = 100'000;
  std::uint64_t last = kBegin;
  for (int i = 0; i < kCount; ++i, arrivals.advance()) {
    const auto gap = static_cast<double>(arrivals.due_ns() - last);
    last = arrivals.due_ns();
    sum += gap, squares += gap * gap;
  }
  const double mean = sum / kCount;
  CHECK(mean == doctest::Approx(1e6).epsilon(0.02));
  CHECK(std::sqrt(squares / kCount - mean * mean) == doctest::Approx(1e6).epsilon(0.03));
}

TEST_CASE("clients of one seed and another are not in step") {
  Arrivals one(1000, true, 7);
  Arrivals other(1000, true, 8);
  one.begin(kBegin, 0);
  other.begin(kBegin, 0);
  CHECK(one.due_ns() != other.due_ns());
}

struct Rest {
  std::uint64_t count = 0, calls = 0;
  double age_sum_s = 0;
};

Rest rest_of(double rate, bool poisson, std::uint64_t length_ns) {
  Arrivals arrivals(rate, poisson, 3);
  arrivals.begin(kBegin, 0);
  Rest rest;
  arrivals.rest(kBegin + length_ns, [&](std::uint64_t due_ns, std::uint64_t count) {
    CHECK(due_ns >= kBegin);
    CHECK(due_ns < kBegin + length_ns);
    rest.count += count;
    ++rest.calls;
    rest.age_sum_s += static_cast<double>(kBegin + length_ns - due_ns) * 1e-9 *
                      static_cast<double>(count);
  });
  return rest;
}

TEST_CASE("what is left: each one, up to the end and not at it") {
  CHECK(rest_of(1000, false, kNsPerSecond).count == 1000);
  CHECK(rest_of(1000, false, kNsPerSecond).calls == 1000);
  CHECK(rest_of(1000, false, kNsPerSecond + 1).count == 1001);
  CHECK(rest_of(1000, false, 0).count == 0);
}

TEST_CASE("what is left of a rate that is out of reach: bounded in calls, all of it counted") {
  const Rest rest = rest_of(1e9, false, 10 * kNsPerSecond);
  CHECK(rest.calls <= static_cast<std::uint64_t>(Arrivals::kOneByOneMax));
  CHECK(rest.count >= 9'999'999'999);
  CHECK(rest.count <= 10'000'000'001);
  CHECK(rest.age_sum_s / static_cast<double>(rest.count) == doctest::Approx(5.0).epsilon(0.001));
  const Rest by_chance = rest_of(1e6, true, kNsPerSecond);
  CHECK(by_chance.calls <= static_cast<std::uint64_t>(Arrivals::kOneByOneMax));
  CHECK(static_cast<double>(by_chance.count) == doctest::Approx(1e6).epsilon(0.01));
}

}  // namespace
}  // namespace ims::bench
