// The open messages of a sender, and when an open loop sends them.
#include "bench/load/outbox.h"

#include <doctest/doctest.h>

#include "bench/load/arrivals.h"

namespace ims::bench {
namespace {

TEST_CASE("numbers are dense, and found while they are open") {
  Outbox outbox;
  CHECK(outbox.find(0) == nullptr);
  for (std::uint32_t i = 0; i < 100; ++i) outbox.push().place = i;
  CHECK(outbox.open() == 100);
  CHECK(outbox.next_number() == 100);
  for (std::uint32_t i = 0; i < 100; ++i) REQUIRE(outbox.find(i)->place == i);
  CHECK(outbox.find(100) == nullptr);
  CHECK(outbox.find(~0u) == nullptr);
}

TEST_CASE("the oldest leave once they are settled, others wait for them") {
  Outbox outbox;
  for (int i = 0; i < 3; ++i) outbox.push().awaited = 1;
  outbox.find(1)->answered = true;
  outbox.find(1)->awaited = 0;
  outbox.drop_settled();
  CHECK(outbox.open() == 3);
  outbox.find(0)->answered = true;
  outbox.drop_settled();
  CHECK(outbox.open() == 3);  // its delivery is awaited still
  outbox.find(0)->awaited = 0;
  outbox.drop_settled();
  CHECK(outbox.first_number() == 2);
  CHECK(outbox.find(0) == nullptr);
  CHECK(outbox.find(1) == nullptr);
  CHECK(outbox.find(2) != nullptr);
}

TEST_CASE("a window that slides for long stays where it is") {
  Outbox outbox;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    outbox.push().place = i;
    if (i < 3) continue;
    REQUIRE(outbox.find(i - 3)->place == i - 3);
    outbox.find(i - 3)->answered = true;
    outbox.drop_settled();
    REQUIRE(outbox.open() == 3);
  }
}

TEST_CASE("an even rate does not drift") {
  Arrivals arrivals(30'000, false, 1);
  arrivals.begin(5 * kNsPerSecond, 0);
  for (int i = 0; i < 30'000 * 60; ++i) arrivals.advance();
  CHECK(arrivals.due_ns() >= 65 * kNsPerSecond - 1000);
  CHECK(arrivals.due_ns() <= 65 * kNsPerSecond + 1000);
}

TEST_CASE("arrivals of many clients have the rate asked for, and are not even") {
  Arrivals arrivals(10'000, true, 1);
  arrivals.begin(0, 0);
  std::uint64_t last = 0;
  int long_gaps = 0;
  constexpr int kCount = 100'000;
  for (int i = 0; i < kCount; ++i) {
    arrivals.advance();
    REQUIRE(arrivals.due_ns() >= last);
    if (arrivals.due_ns() - last > 200'000) ++long_gaps;  // two mean intervals: 13.5 %
    last = arrivals.due_ns();
  }
  CHECK(static_cast<double>(last) == doctest::Approx(1e10).epsilon(0.02));
  CHECK(long_gaps == doctest::Approx(0.1353 * kCount).epsilon(0.05));
}

TEST_CASE("the phase moves the first one") {
  Arrivals arrivals(1000, false, 1);
  arrivals.begin(0, 0.5);
  CHECK(arrivals.due_ns() == 500'000);
}

}  // namespace
}  // namespace ims::bench
