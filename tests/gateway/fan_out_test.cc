// One record for many connections, and many records in one turn: each turn does a bounded part
// (DESIGN.md section 4).
#include <doctest/doctest.h>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

TEST_CASE("a fan-out uses at most 64 sends of a turn; others are served first") {
  GatewayFixture world(test_config(), 512);
  std::vector<GatewayFixture::Session> members;
  for (int i = 0; i < 300; ++i) members.push_back(world.log_in("m" + std::to_string(i)));
  const auto other = world.log_in("alice");
  std::vector<PushTarget> targets;
  for (const auto& member : members) targets.push_back({member.connection, 1});
  REQUIRE(world.push(0, targets, "to all", true));
  const std::uint64_t before = world.io.sends();
  world.io.write(other.client, std::string(1, '\0'));
  world.turn();
  CHECK(world.io.sends() - before == 64 + 1);
  CHECK(world.gateway->has_work());
  CHECK(world.gateway->wait_max().count() == 0);
  world.turns(1);
  CHECK(world.raw_frames(other.client).size() == 1);
  world.turns(5);
  CHECK(world.io.sends() - before == 301);
  CHECK_FALSE(world.gateway->has_work());
  for (const auto& member : members) CHECK(world.frames(member.client).size() == 1);
  CHECK(world.records_of(RecordKind::kTaken).size() == 300);
}

TEST_CASE("a large fan-out is copied over several turns, and completely") {
  GatewayFixture world(test_config(), 512);
  std::vector<GatewayFixture::Session> members;
  for (int i = 0; i < 200; ++i) members.push_back(world.log_in("m" + std::to_string(i)));
  std::vector<PushTarget> targets;
  for (const auto& member : members) targets.push_back({member.connection, 1});
  REQUIRE(world.push(0, targets, std::string(40'000, 'b'), true));
  world.turn();
  CHECK(world.count(Counter::kRowsPushed) <= 27);  // 1 MiB a turn
  CHECK(world.gateway->has_work());
  world.turns(30);
  CHECK(world.count(Counter::kRowsPushed) == 200);
  for (const auto& member : members) CHECK(world.frames(member.client).size() == 1);
}

TEST_CASE("deliveries are drained a bounded amount per turn") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.hold_sends(session.client, true);
  for (int i = 0; i < 400; ++i) {
    REQUIRE(world.push(0, {{session.connection, 0}}, std::string(1000, 'x'), false));
  }
  world.turn();
  const std::uint64_t first =
      world.count(Counter::kRelayedDelivered) + world.count(Counter::kRelayedDropped);
  CHECK(first >= 60);
  CHECK(first <= 66);
  CHECK(world.gateway->has_work());
  world.turns(7);
  CHECK_FALSE(world.gateway->has_work());
}
