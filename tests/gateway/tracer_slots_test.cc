// Which messages are followed, and the slots that they take: used again, all in use, too old.
#include <set>

#include "tests/gateway/traced_world.h"

using namespace ims;
using namespace ims::test;

TEST_CASE("with every slot in use a message is not followed, until they are old") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  TraceRegion& region = world.trace_memory.regions()[0];
  const auto now_ms = static_cast<std::uint32_t>(world.now.mono_ms);
  for (std::size_t i = 0; i < kTraceSlots; ++i) {
    Traces::take(region.slots[i], make_trace_id(0, 1ull << 30, i), 1, 1);
    region.slots[i].started_ms = now_ms;
  }
  CHECK(world.send(alice, "bob", 1).request.trace == 0);
  CHECK(world.count(Counter::kTracesSkipped) == 1);
  world.advance(kTraceAgeMsMax);
  CHECK(world.send(alice, "bob", 2).request.trace == 0);
  world.advance(1);
  const Taken followed = world.send(alice, "bob", 3);
  REQUIRE(followed.request.trace != 0);
  CHECK(world.count(Counter::kTracesDropped) == 1);
  // Who comes with the old id of that slot changes nothing.
  const std::size_t slot = slot_of_trace(followed.request.trace);
  world.traces.enter(make_trace_id(0, 1ull << 30, slot), Stage::kSend);
  CHECK(Traces::begin_of(region.slots[slot], 7) == 0);
}

TEST_CASE("a slot is used again, under another id each time") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  std::set<TraceId> ids;
  std::set<std::size_t> slots;
  for (std::size_t i = 0; i < 300; ++i) {
    const Taken request = world.send(alice, "bob", i + 1);
    REQUIRE(request.request.trace != 0);
    CHECK(ids.insert(request.request.trace).second);
    slots.insert(slot_of_trace(request.request.trace));
    REQUIRE(world.respond(request, Code::kOffline));
    world.turns(2);
  }
  CHECK(slots.size() == 1);  // the one that is still in the cache
  CHECK(world.count_of(TraceKind::kRelayed) == 300);
  CHECK(world.slots_in_use() == 0);
}

TEST_CASE("slots that others free are found in turn, all of them") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  TraceRegion& region = world.trace_memory.regions()[0];
  std::set<std::size_t> slots;
  for (std::size_t i = 0; i < 2 * kTraceSlots; ++i) {
    const Taken request = world.send(alice, "bob", i + 1);
    REQUIRE(request.request.trace != 0);
    slots.insert(slot_of_trace(request.request.trace));
    Traces::free(region.slots[slot_of_trace(request.request.trace)]);  // another gateway ended it
    REQUIRE(world.respond(request, Code::kOffline));
    world.turns(2);
  }
  CHECK(slots.size() == kTraceSlots);
  CHECK(world.count(Counter::kTracesSkipped) == 0);
}

TEST_CASE("one of trace_sample is followed; 0: none; an ACK without an id never") {
  constexpr std::uint64_t kMessages = 3200;
  for (const std::uint32_t sample : {0u, 1u, 16u}) {
    CAPTURE(sample);
    TracedWorld world(sample);
    const auto alice = world.log_in("alice");
    std::uint64_t followed = 0;
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      const Taken request = world.send(alice, "bob", i + 1);
      CHECK(request.has(kFlagTraced) == (request.request.trace != 0));
      followed += request.request.trace != 0 ? 1 : 0;
      REQUIRE(world.respond(request, Code::kOffline));
      world.turn();
    }
    if (sample == 0) CHECK(followed == 0);
    if (sample == 1) CHECK(followed == kMessages);
    if (sample == 16) {
      CHECK(followed > kMessages / 16 / 2);
      CHECK(followed < kMessages / 16 * 2);
    }
    AckRequest ack;
    ack.set_seq(1);
    for (int i = 0; i < 100; ++i) {
      world.io.write(alice.client, v2_request(0, Request::ACK, ack.SerializeAsString()));
      world.turn();
      const auto record = world.next_record();
      REQUIRE(record);
      CHECK(record->request.trace == 0);
    }
  }
}
