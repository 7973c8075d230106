// Deadlines, keepalive, slow consumers, shutdown, admission (PROTOCOL.md sections 1, 5, 8).
#include <doctest/doctest.h>

#include <set>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

TEST_CASE("login_timeout: no complete first frame in 5 s closes without a frame") {
  struct Row {
    const char* rule;
    std::string bytes;
  };
  const std::string connect = v2_connect(connect_message("alice"));
  const Row rows[] = {{"silence", ""},
                      {"one byte", connect.substr(0, 1)},
                      {"all but one byte", connect.substr(0, connect.size() - 1)}};
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    GatewayFixture world;
    const auto client = world.io.connect();
    world.io.write(client, row.bytes);
    world.pass(4900);
    CHECK(world.io.ended(client) == SimIo::End::kOpen);
    world.pass(300);
    CHECK(world.io.ended(client) == SimIo::End::kClosed);
    CHECK(world.raw_frames(client).empty());
    world.pass(1300);
    CHECK(world.count(Counter::kClosedLoginTimeout) == 1);
    CHECK(world.gateway->memory_bytes() == 0);
  }
}

TEST_CASE("login_timeout ends with the first frame: the worker may take longer") {
  GatewayFixture world;
  const auto client = world.io.connect();
  world.pass(4000);
  world.io.write(client, v2_connect(connect_message("alice")));
  world.pass(20'000);
  CHECK(world.io.ended(client) == SimIo::End::kOpen);
  const auto login = world.next_record();
  REQUIRE(login);
  world.answer_login(*login, Code::kOk, 1, "alice");
  world.turns(3);
  CHECK(world.frames(client).size() == 1);
}

TEST_CASE("keepalive: no byte for 1.5 times keepalive_s is IDLE_TIMEOUT; 0 never is") {
  GatewayFixture world;
  const auto watched = world.log_in("alice", "", 0, 10);
  const auto unwatched = world.log_in("bob", "", 0, 0);
  world.pass(14'800);
  CHECK(world.frames(watched.client).empty());
  world.io.write(watched.client, std::string(1, '\0'));  // any byte counts
  world.pass(14'800);
  CHECK(world.raw_frames(watched.client).size() == 1);
  CHECK(world.io.ended(watched.client) == SimIo::End::kOpen);
  world.pass(1500);  // 15 s, and a pass over all connections takes 1 s
  const auto frames = world.frames(watched.client);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].disconnect().code() == 4);
  world.pass(1200);
  CHECK(world.count(Counter::kClosedIdleTimeout) == 1);
  CHECK(world.io.ended(unwatched.client) == SimIo::End::kOpen);
}

TEST_CASE("keepalive over 3,600 s is taken as 3,600") {
  GatewayFixture world;
  const auto session = world.log_in("alice", "", 0, 4'000'000'000u);
  for (int i = 0; i < 5399; ++i) {
    world.advance(1000);
    world.turn();
  }
  CHECK(world.io.ended(session.client) == SimIo::End::kOpen);
  for (int i = 0; i < 4; ++i) {
    world.advance(1000);
    world.turn();
  }
  CHECK(world.frames(session.client).size() == 1);
}

TEST_CASE("a connection that is not read from is not idle") {
  Config config = test_config();
  config.max_inflight = 1;
  GatewayFixture world(config);
  const auto session = world.log_in("alice", "", 0, 1);
  std::string bytes;
  for (std::uint64_t id = 1; id < 1000; ++id)
    bytes += v2_message(id, message_to("bob", "0123456789"));
  world.io.write(session.client, bytes);
  world.pass(10'000);
  CHECK_FALSE(world.io.receiving(session.client));
  CHECK(world.frames(session.client).empty());
  CHECK(world.io.ended(session.client) == SimIo::End::kOpen);
}

TEST_CASE("stall_timeout: owed bytes and taking none is SLOW_CONSUMER; taking some is not") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  const auto idle = world.log_in("bob");
  world.io.set_window(session.client, 1000);
  world.push(session.login.worker, {{session.connection, 1}}, std::string(20'000, 'x'), true);
  std::string got;
  for (int i = 0; i < 6; ++i) {  // 1,000 bytes every 25 s: slow, not stalled
    world.pass(25'000);
    CHECK(world.count(Counter::kStalls) == 0);
    got += world.io.read(session.client);
  }
  world.turns(2);
  world.io.hold_sends(session.client, true);
  world.pass(29'500);
  CHECK(world.count(Counter::kStalls) == 0);
  world.pass(800);
  CHECK(world.count(Counter::kStalls) == 1);
  world.pass(1500);
  CHECK_FALSE(world.io.server_holds(session.client));
  CHECK(world.count(Counter::kClosedSlowConsumer) == 1);
  CHECK(world.gateway->memory_bytes() == 0);
  const auto ended = world.records_of(RecordKind::kEnded);
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].session.ordinal == 0);  // the row was not taken wholly
  CHECK(world.io.ended(idle.client) == SimIo::End::kOpen);  // owed nothing
}

TEST_CASE("SLOW_CONSUMER that resumes in its last second gets everything and the Disconnect") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.hold_sends(session.client, true);
  world.push(session.login.worker, {{session.connection, 1}}, std::string(20'000, 'x'), true);
  world.io.write(session.client, v2_message(2, message_to("bob", "m")));
  world.pass(30'300);
  CHECK(world.count(Counter::kStalls) == 1);
  world.io.hold_sends(session.client, false);
  world.pass(500);
  auto frames = world.frames(session.client);
  REQUIRE(frames.size() == 2);
  CHECK(frames[1].disconnect().code() == 5);
  // An answer that comes now is not sent behind the Disconnect.
  const auto records = world.records_of(RecordKind::kMessage);
  REQUIRE(records.size() == 1);
  world.respond(records[0], Code::kOk);
  world.pass(1500);
  CHECK(world.frames(session.client).empty());
  CHECK(world.gateway->connection_count() == 0);
}

TEST_CASE("cut frames cannot hold the memory for ever") {
  Config config = test_config();
  config.send_memory_bytes = 1024 * kKiB;  // 256 KiB of it for carries
  GatewayFixture world(config);
  std::vector<GatewayFixture::Session> sessions;
  for (int i = 0; i < 20; ++i) sessions.push_back(world.log_in("u" + std::to_string(i)));
  // Each announces 64 KiB and sends some of it, which takes a block of 16 KiB.
  for (const auto& session : sessions) {
    world.io.write(session.client, std::string("\x80\x80\x04", 3) + std::string(9'000, 'x'));
  }
  world.turns(4);
  CHECK(world.gateway->memory_bytes() <= 20 * 16 * kKiB);
  int receiving = 0;
  for (const auto& session : sessions) {
    world.io.write(session.client, std::string(20'000, 'x'));
    receiving += world.io.receiving(session.client) ? 1 : 0;
  }
  CHECK(receiving < 20);
  world.turns(4);
  const std::size_t held_bytes = world.gateway->memory_bytes();
  world.pass(20'000);
  // One after the other was received from regardless, and got no further.
  CHECK(world.gateway->memory_bytes() <= held_bytes + 20 * 20 * kKiB);
  CHECK(world.count(Counter::kClosedOverloaded) == 0);
  world.pass(40'000);
  CHECK(world.count(Counter::kClosedOverloaded) > 0);
  CHECK(world.gateway->memory_bytes() < 256 * kKiB);
}

TEST_CASE(
    "shutdown: accepts nothing, answers what it accepted, says SHUTDOWN with jitter, drains") {
  GatewayFixture world;
  std::vector<GatewayFixture::Session> sessions;
  for (int i = 0; i < 20; ++i) sessions.push_back(world.log_in("u" + std::to_string(i)));
  const auto waiting = world.io.connect();
  world.turns(2);
  world.io.write(sessions[0].client, v2_message(2, message_to("bob", "m")));
  world.turns(2);
  const auto records = world.records_of(RecordKind::kMessage);
  REQUIRE(records.size() == 1);

  world.gateway->begin_shutdown(world.now);
  CHECK_FALSE(world.gateway->accepting());
  world.io.write(sessions[1].client, v2_message(3, message_to("bob", "not taken")));
  const auto late = world.io.connect();
  world.turns(5);
  CHECK(world.records_of(RecordKind::kMessage).empty());
  CHECK(world.io.ended(late) == SimIo::End::kClosed);
  CHECK(world.frames(sessions[0].client).empty());
  std::set<std::uint32_t> delays;
  for (std::size_t i = 1; i < sessions.size(); ++i) {
    const auto frames = world.frames(sessions[i].client);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].disconnect().code() == 6);
    CHECK(frames[0].disconnect().retry_after_ms() >= 1000);
    CHECK(frames[0].disconnect().retry_after_ms() <= 5000);
    delays.insert(frames[0].disconnect().retry_after_ms());
  }
  CHECK(delays.size() > 10);
  const auto first = world.frames(waiting);
  REQUIRE(first.size() == 1);
  CHECK(first[0].disconnect().code() == 6);
  CHECK_FALSE(world.gateway->drained());
  world.respond(records[0], Code::kOk, 9);
  world.turns(4);
  const auto frames = world.frames(sessions[0].client);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].response().seq() == 9);
  CHECK(frames[1].disconnect().code() == 6);
  world.pass(1300);
  CHECK(world.gateway->drained());
  CHECK(world.gateway->memory_bytes() == 0);
}

TEST_CASE("shutdown waits for a login that is being decided") {
  GatewayFixture world;
  const auto client = world.io.connect();
  world.io.write(client, v2_connect(connect_message("alice")));
  world.turns(3);
  const auto login = world.next_record();
  REQUIRE(login);
  world.gateway->begin_shutdown(world.now);
  world.turns(3);
  CHECK(world.frames(client).empty());
  world.answer_login(*login, Code::kOk, 3, "alice");
  world.turns(4);
  const auto frames = world.frames(client);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].has_conack());
  CHECK(frames[1].disconnect().code() == 6);
  world.pass(1300);
  CHECK(world.gateway->drained());
  const auto ended = world.records_of(RecordKind::kEnded);
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].session.session.value == 3);
}

TEST_CASE("near the table's end the listener closes, and opens again below") {
  GatewayFixture world(test_config(), 64);
  std::vector<SimIo::Client> clients;
  for (int i = 0; i < 47; ++i) clients.push_back(world.io.connect());
  world.turns(3);
  CHECK(world.io.accepting());
  clients.push_back(world.io.connect());
  world.turns(2);
  CHECK_FALSE(world.io.accepting());
  CHECK(world.io.ended(world.io.connect()) == SimIo::End::kRefused);
  CHECK(world.count(Counter::kAcceptPauses) == 1);
  for (int i = 0; i < 16; ++i) world.io.half_close(clients[static_cast<std::size_t>(i)]);
  world.turns(3);
  CHECK_FALSE(world.io.accepting());  // not at the first free slot, or it would flap
  world.io.half_close(clients[16]);
  world.turns(3);
  CHECK(world.io.accepting());
}

TEST_CASE("idle means idle: no work, no blocks, a long wait") {
  GatewayFixture world;
  CHECK(world.gateway->wait_max().count() == 1000);
  const auto session = world.log_in("alice");
  world.turns(3);
  CHECK_FALSE(world.gateway->has_work());
  CHECK(world.gateway->wait_max().count() == 100);
  CHECK(world.gateway->memory_bytes() == 0);
  CHECK(world.gateway->requests().empty());
  CHECK(world.gateway->records_waiting() == false);
  world.push(0, {{session.connection, 0}}, "m", false);
  CHECK(world.gateway->records_waiting());
}
