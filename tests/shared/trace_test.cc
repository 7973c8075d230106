// The trace table: ids, stale ones, slots; and the clock of stamps.
#include "shared/trace.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

namespace ims {
namespace {

TEST_CASE("an id names gateway and slot, and is never 0") {
  for (const std::size_t slot : {std::size_t{0}, std::size_t{1}, kTraceSlots - 1}) {
    for (const GatewayIndex gateway : {GatewayIndex{0}, GatewayIndex{63}}) {
      const TraceId id = make_trace_id(gateway, 1, slot);
      CHECK(id != 0);
      CHECK(gateway_of_trace(id) == gateway);
      CHECK(slot_of_trace(id) == slot);
    }
  }
  // The generation's 40 bits: 34 years at a thousand a second.
  CHECK(make_trace_id(0, 1, 5) != make_trace_id(0, 2, 5));
  CHECK(make_trace_id(0, 1ull << 40, 5) == make_trace_id(0, 0, 5));
  CHECK(gateway_of_trace(make_trace_id(3, ~std::uint64_t{0}, 5)) == 3);
}

TEST_CASE("a slot takes stamps of its own id alone") {
  std::uint64_t ns = 100;
  const TraceMemory memory(2);
  const Traces traces(memory.regions(), TickClock::by_hand(&ns));
  TraceSlot& slot = memory.regions()[1].slots[7];
  const TraceId old_id = make_trace_id(1, 1, 7);
  const TraceId new_id = make_trace_id(1, 2, 7);

  CHECK(Traces::is_free(slot));
  CHECK(traces.find(old_id) == nullptr);
  traces.enter(old_id, Stage::kHandle);
  CHECK(Traces::begin_of(slot, 3) == 0);

  Traces::take(slot, old_id, 70, 80);
  CHECK(Traces::begin_of(slot, 0) == 70);
  CHECK(Traces::begin_of(slot, 1) == 80);
  CHECK_FALSE(Traces::is_free(slot));
  CHECK(traces.find(old_id) == &slot);
  traces.enter(old_id, Stage::kHandle);
  ns = 250;
  traces.enter(old_id, Stage::kSend);
  CHECK(Traces::begin_of(slot, 3) == 100);
  CHECK(Traces::begin_of(slot, 7) == 250);

  Traces::take(slot, new_id, 0, 0);  // the old one's message died
  CHECK(Traces::begin_of(slot, 3) == 0);
  CHECK(traces.find(old_id) == nullptr);
  traces.enter(old_id, Stage::kHandle);
  CHECK(Traces::begin_of(slot, 3) == 0);
  traces.enter(new_id, Stage::kHandle);
  CHECK(Traces::begin_of(slot, 3) == 250);
  Traces::free(slot);
  traces.enter(new_id, Stage::kSend);
  CHECK(Traces::begin_of(slot, 7) == 0);
}

TEST_CASE("the clock goes at the pace of CLOCK_MONOTONIC") {
  const TickClock clock = TickClock::measure();
  const TickClock monotonic;
  CAPTURE(clock.name());
  const std::uint64_t ticks = clock.now();
  const std::uint64_t ns = monotonic.now();
  timespec pause{0, 30'000'000};
  nanosleep(&pause, nullptr);
  const std::uint64_t took_ticks = clock.now() - ticks;
  const std::uint64_t took_ns = monotonic.now() - ns;
  // The second reading of `clock` lies within the other's: at most as long, and never far from it,
  // whatever interrupts between two lines (which only ever makes took_ns longer).
  const std::uint64_t counted_ns = clock.to_ns(took_ticks);
  CHECK(counted_ns >= 29'000'000);
  CHECK(counted_ns <= took_ns + took_ns / 100 + 1'000'000);
  CHECK(clock.to_ns(0) == 0);
}

TEST_CASE("a large difference of ticks does not overflow") {
  const TickClock monotonic;
  const std::uint64_t year_ns = 365ull * 86'400 * 1'000'000'000;
  CHECK(monotonic.to_ns(year_ns) == year_ns);
}

}  // namespace
}  // namespace ims
