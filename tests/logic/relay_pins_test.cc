// RelayPins: requests are given back when no gateway reads them any more, and no earlier.
#include "logic/relay_pins.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace ims::logic {
namespace {

constexpr std::size_t kCapacity = 4096;

bool put(ByteRing& ring, std::uint32_t size) {
  std::byte* const room = ring.try_reserve(size);
  if (room == nullptr) return false;
  std::memcpy(room, &size, sizeof size);
  ring.commit(size);
  ring.publish();
  return true;
}

void drain(ByteRing& ring) {
  while (!ring.empty()) ring.pop(ring.front());
}

// Two gateways, driven by hand.
struct World {
  ByteRing requests0{"requests", kCapacity}, requests1{"requests", kCapacity};
  ByteRing deliveries0{"deliveries", kCapacity}, deliveries1{"deliveries", kCapacity};
  std::vector<ByteRing*> requests{&requests0, &requests1};
  std::vector<ByteRing*> deliveries{&deliveries0, &deliveries1};
  RelayPins pins{requests, deliveries};

  // A turn that takes a request of gateway 0 and relays it to gateway 1, or does not.
  void turn(bool relays) {
    REQUIRE(put(requests0, 64));
    drain(requests0);
    if (relays) {
      REQUIRE(put(deliveries1, 32));
      pins.add();
    }
    pins.end_turn();
  }
  void gateway_reads() {
    drain(deliveries1);
    deliveries1.release();
  }
};

TEST_CASE("without a relay requests are given back at the end of their turn") {
  World world;
  world.turn(false);
  CHECK(world.requests0.kept_bytes() == 0);
}

TEST_CASE("a relayed request is kept until the recipient's gateway has read of it") {
  World world;
  world.turn(true);
  CHECK(world.requests0.kept_bytes() == 64);
  CHECK_FALSE(world.pins.passed());
  world.pins.end_turn();
  CHECK(world.requests0.kept_bytes() == 64);

  drain(world.deliveries1);  // read, not released: it may still look
  world.pins.end_turn();
  CHECK(world.requests0.kept_bytes() == 64);
  world.gateway_reads();
  CHECK(world.pins.passed());
  world.pins.end_turn();
  CHECK(world.requests0.kept_bytes() == 0);
}

TEST_CASE("what is relayed behind a mark waits for the next one") {
  World world;
  world.turn(true);
  world.gateway_reads();
  REQUIRE(put(world.requests0, 64));
  drain(world.requests0);
  REQUIRE(put(world.deliveries1, 32));
  world.pins.add();
  world.pins.end_turn();  // gives back the first request, keeps the second
  CHECK(world.requests0.kept_bytes() == 64);
  world.turn(false);  // nothing of it is relayed, but it is behind
  CHECK(world.requests0.kept_bytes() == 128);
  world.gateway_reads();
  world.pins.end_turn();
  CHECK(world.requests0.kept_bytes() == 0);
}

TEST_CASE("a gateway that left is not waited for") {
  World world;
  world.turn(true);
  world.deliveries1.abandon();
  world.pins.end_turn();
  CHECK(world.requests0.kept_bytes() == 0);
}

TEST_CASE("a quarter of a ring is much") {
  World world;
  for (std::size_t kept = 0; kept < kCapacity / 4; kept += 64) {
    CHECK_FALSE(world.pins.keeps_much());
    world.turn(true);
  }
  CHECK(world.requests0.kept_bytes() == kCapacity / 4);
  CHECK_FALSE(world.pins.keeps_much());
  world.turn(true);
  CHECK(world.pins.keeps_much());
  world.gateway_reads();
  world.pins.end_turn();
  // The first mark is passed; what came behind it is kept by the second, which is passed, too.
  world.pins.end_turn();
  CHECK(world.requests0.kept_bytes() == 0);
  CHECK_FALSE(world.pins.keeps_much());
}

}  // namespace
}  // namespace ims::logic
