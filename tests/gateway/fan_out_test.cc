// One record for many connections, and many records in one turn: each turn does a bounded part
// (DESIGN.md section 4).
#include <doctest/doctest.h>

#include <algorithm>

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

TEST_CASE("what a fan-out queued behind sends under way is bounded alike") {
  GatewayFixture world(test_config(), 512);
  std::vector<GatewayFixture::Session> members;
  for (int i = 0; i < 300; ++i) members.push_back(world.log_in("m" + std::to_string(i)));
  const auto push = [&](std::uint64_t ordinal) {
    std::vector<PushTarget> targets;
    for (const auto& member : members) targets.push_back({member.connection, ordinal});
    REQUIRE(world.push(0, targets, "to all", true));
  };
  for (const auto& member : members) world.io.hold_sends(member.client, true);
  push(1);
  world.turns(6);
  push(2);
  world.turns(6);
  for (const auto& member : members) world.io.hold_sends(member.client, false);
  const std::uint64_t before = world.io.sends();
  std::uint64_t most = 0;
  for (int turn = 0; turn < 10; ++turn) {
    const std::uint64_t sent = world.io.sends();
    world.turn();
    most = std::max(most, world.io.sends() - sent);
  }
  CHECK(most == 64);
  CHECK(world.io.sends() - before == 300);
  for (const auto& member : members) CHECK(world.frames(member.client).size() == 2);
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

TEST_CASE("where a send takes long a fan-out uses what takes 100 us, and never under 16") {
  GatewayFixture world(test_config(), 1024);
  std::vector<GatewayFixture::Session> members;
  for (int i = 0; i < 900; ++i) members.push_back(world.log_in("m" + std::to_string(i)));
  std::uint64_t ordinal = 0;
  // A fan-out to all, each send of a turn taking `send_ns`: the sends of each turn but the last.
  const auto fan_out = [&](std::uint64_t send_ns) {
    ++ordinal;
    std::vector<PushTarget> targets;
    for (const auto& member : members) targets.push_back({member.connection, ordinal});
    REQUIRE(world.push(0, targets, "to all", true));
    std::vector<std::uint64_t> sends;
    for (;;) {
      const std::uint64_t before = world.io.sends();
      world.turn();
      if (!world.gateway->has_work()) return sends;
      sends.push_back(world.io.sends() - before);
      world.now.ticks += send_ns * sends.back();
    }
  };
  const std::vector<std::uint64_t> slow = fan_out(20'000);
  CHECK(slow.front() == 64);
  CHECK(slow.back() == 16);
  CHECK(std::is_sorted(slow.rbegin(), slow.rend()));
  const std::vector<std::uint64_t> four_us = fan_out(4'000);
  CHECK(four_us.back() >= 23);
  CHECK(four_us.back() <= 26);
  fan_out(1'000);
  const std::vector<std::uint64_t> fast = fan_out(1'000);
  CHECK(fast.back() == 64);
  CHECK(world.count(Counter::kFanoutTurnSends) == 64);
  CHECK(world.count(Counter::kFanoutSends) == 4 * 900);
  CHECK(world.count(Counter::kRowsPushed) == 4 * 900);
}

TEST_CASE("at most 1,024 targets of a ring's fan-outs are copied to in a turn") {
  GatewayFixture world(test_config(), 64);
  const auto alice = world.log_in("alice");
  world.io.hold_sends(alice.client, true);
  const std::vector<PushTarget> targets(1000, PushTarget{alice.connection, 0});
  for (int i = 0; i < 3; ++i) REQUIRE(world.push(0, targets, "x", false));
  const auto pushed = [&] {
    return world.count(Counter::kRelayedDelivered) + world.count(Counter::kRelayedDropped);
  };
  world.turn();
  CHECK(pushed() == 1024);
  CHECK(world.gateway->has_work());
  world.turn();
  CHECK(pushed() == 2048);
  world.turn();
  CHECK(pushed() == 3000);
}
