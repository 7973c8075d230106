// The ends of a connection: DESIGN.md section 4 (Close), PROTOCOL.md sections 1, 5, 8.
#include <doctest/doctest.h>

#include <cerrno>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

TEST_CASE("Disconnect from a client: what came before is answered, what follows ignored") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, v2_message(2, message_to("bob", "1")) + v2_disconnect() +
                                     v2_message(3, message_to("bob", "2")));
  world.turns(3);
  const auto records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(world.io.ended(session.client) == SimIo::End::kOpen);
  world.respond(records[0], Code::kOk, 1);
  world.turns(4);
  const auto frames = world.frames(session.client);
  REQUIRE(frames.size() == 1);  // and no Disconnect of our own
  CHECK(frames[0].id() == 2);
  CHECK(world.io.ended(session.client) == SimIo::End::kClosed);
  const auto ended = world.all_records();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].kind == RecordKind::kEnded);
  CHECK(world.io.server_holds(session.client));  // input is discarded until EOF ...
  world.io.half_close(session.client);
  world.turns(3);
  CHECK_FALSE(world.io.server_holds(session.client));
  CHECK(world.count(Counter::kClosedNormal) == 1);
}

TEST_CASE("... or for 1 s") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, v2_disconnect());
  world.turns(4);
  CHECK(world.io.ended(session.client) == SimIo::End::kClosed);
  world.pass(850);
  CHECK(world.io.server_holds(session.client));
  world.io.write(session.client, "more");  // is read, and changes nothing
  world.pass(300);
  CHECK_FALSE(world.io.server_holds(session.client));
  CHECK(world.io.ended(session.client) == SimIo::End::kClosed);  // no reset
}

TEST_CASE("EOF seen: closed at once, no shutdown, no wait") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.half_close(session.client);
  world.turns(3);
  CHECK_FALSE(world.io.server_holds(session.client));
  CHECK(world.count(Counter::kClosedPeerClosed) == 1);
}

TEST_CASE("EOF inside a frame: what came before is answered, the piece is dropped") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  const std::string second = v2_message(3, message_to("bob", "2"));
  world.io.write(session.client, v2_message(2, message_to("bob", "1")) + second.substr(0, 9));
  world.io.half_close(session.client);
  world.turns(3);
  const auto records = world.all_records();
  REQUIRE(records.size() == 1);
  world.respond(records[0], Code::kOk, 1);
  world.turns(4);
  CHECK(world.frames(session.client).size() == 1);
  CHECK(world.io.ended(session.client) == SimIo::End::kClosed);
  CHECK(world.gateway->memory_bytes() == 0);
}

TEST_CASE("half-close behind a long carry: every frame of it is served first") {
  Config config = test_config();
  config.max_inflight = 1;
  GatewayFixture world(config);
  const auto session = world.log_in("alice");
  std::string bytes;
  for (std::uint64_t id = 1; id <= 300; ++id) bytes += v2_message(id, message_to("bob", "m"));
  world.io.write(session.client, bytes);
  world.io.half_close(session.client);
  for (std::uint64_t id = 1; id <= 300; ++id) {
    world.turns(3);
    const auto records = world.records_of(RecordKind::kMessage);
    REQUIRE(records.size() == 1);
    CHECK(records[0].request.request_id == id);
    world.respond(records[0], Code::kOk);
  }
  world.turns(4);
  CHECK(world.frames(session.client).size() == 300);
  CHECK(world.io.ended(session.client) == SimIo::End::kClosed);
}

TEST_CASE("a close never cuts the last send: an answer survives a client that still writes") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, v2_request(2, Request::SYNC, "") + framed("\xff\xff"));
  world.turns(3);
  auto records = world.records_of(RecordKind::kSync);
  REQUIRE(records.size() == 1);
  world.io.set_window(session.client, 10'000);
  world.respond(records[0], Code::kOk, 0, std::string(60'000, 's'));
  std::string got;
  for (int i = 0; i < 100 && world.io.ended(session.client) == SimIo::End::kOpen; ++i) {
    world.io.write(session.client, std::string(500, 'j'));
    world.turn();
    got += world.io.read(session.client);
  }
  CHECK(world.io.ended(session.client) == SimIo::End::kClosed);
  const auto frames = take_frames(got);
  REQUIRE(frames.size() == 2);
  CHECK(v2_parse(frames[0]).response().payload().size() == 60'000);
  CHECK(v2_parse(frames[1]).disconnect().code() == 3);
}

TEST_CASE("a worker ends a session: answers due first, then Disconnect with its words") {
  struct Row {
    DisconnectCode code;
    Counter counter;
  };
  const Row rows[] = {
      {DisconnectCode::kReplaced, Counter::kClosedReplaced},
      {DisconnectCode::kTokenExpired, Counter::kClosedTokenExpired},
      {DisconnectCode::kKicked, Counter::kClosedKicked},
      {DisconnectCode::kUnavailable, Counter::kClosedUnavailable},
      {DisconnectCode::kRateLimited, Counter::kClosedRateLimited},
      {DisconnectCode::kOverloaded, Counter::kClosedOverloaded},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.code));
    GatewayFixture world;
    const auto session = world.log_in("alice");
    world.io.write(session.client, v2_message(2, message_to("bob", "m")));
    world.turns(2);
    const auto records = world.all_records();
    REQUIRE(records.size() == 1);
    world.disconnect(session.login.worker, session.connection, row.code, "because", 1234);
    world.turns(3);
    CHECK(world.frames(session.client).empty());
    // From here on it is pushed nothing.
    world.push(session.login.worker, {{session.connection, 1}}, "late", true);
    world.respond(records[0], Code::kOk);
    world.turns(4);
    const auto frames = world.frames(session.client);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].id() == 2);
    CHECK(frames[1].disconnect().code() == static_cast<int>(row.code));
    CHECK(frames[1].disconnect().reason() == "because");
    CHECK(frames[1].disconnect().retry_after_ms() == 1234);
    world.io.half_close(session.client);
    world.turns(3);
    CHECK(world.count(row.counter) == 1);
    const auto ended = world.records_of(RecordKind::kEnded);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].session.ordinal == 0);
  }
}

TEST_CASE("a reset, or a send that fails: released at once, kEnded once") {
  for (const bool by_send : {false, true}) {
    CAPTURE(by_send);
    GatewayFixture world;
    const auto session = world.log_in("alice");
    world.push(session.login.worker, {{session.connection, 1}}, "row", true);
    if (by_send) world.io.fail_next_send(session.client, EPIPE);
    world.turn();
    if (!by_send) world.io.reset(session.client);
    world.turns(4);
    CHECK_FALSE(world.io.server_holds(session.client));
    CHECK(world.count(Counter::kClosedIoError) == 1);
    const auto ended = world.records_of(RecordKind::kEnded);
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].session.ordinal == 0);
    CHECK(world.gateway->memory_bytes() == 0);
    CHECK(world.gateway->connection_count() == 0);
  }
}

TEST_CASE("requests in flight when a connection breaks: their answers find nobody") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, v2_message(2, message_to("bob", "m")));
  world.turns(2);
  world.io.reset(session.client);
  world.turns(3);
  auto records = world.all_records();
  REQUIRE(records.size() == 2);
  const std::size_t request = records[0].kind == RecordKind::kMessage ? 0 : 1;
  const auto next = world.log_in("carol");
  CHECK(next.connection.slot() == session.connection.slot());
  world.respond(records[request], Code::kOk, 5);
  world.turns(3);
  CHECK(world.frames(next.client).empty());
  CHECK(world.count(Counter::kRecordsStale) == 1);
}

TEST_CASE("kEnded follows the connection's last request on that ring") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  std::string target = "x";
  while (world.owner(NameKind::kUser, target) != session.login.worker) target += "x";
  std::string bytes;
  for (std::uint64_t id = 2; id < 50; ++id) bytes += v2_message(id, message_to(target, "m"));
  world.io.write(session.client, bytes);
  world.turn();
  world.io.reset(session.client);
  world.turns(4);
  std::vector<Taken> records;
  while (auto record = world.next_record(session.login.worker)) records.push_back(*record);
  REQUIRE(records.size() > 1);
  for (std::size_t i = 0; i + 1 < records.size(); ++i)
    CHECK(records[i].kind == RecordKind::kMessage);
  CHECK(records.back().kind == RecordKind::kEnded);
}

TEST_CASE("a slot is not reused, and its blocks not given back, before the kernel let go") {
  SimFaults slow;
  slow.delay_percent = 70;
  GatewayFixture world(test_config(), 1, 1 * kMiB, slow);  // a single slot
  for (int i = 0; i < 50; ++i) {
    const auto client = world.io.connect();
    world.io.write(client, v2_connect(connect_message("alice")));
    std::optional<Taken> login;
    for (int n = 0; n < 200 && !login; ++n) {
      world.turn();
      login = world.next_record();
      if (login && login->kind != RecordKind::kLogin) login.reset();
    }
    if (!login) continue;  // refused: the slot was still taken
    world.answer_login(*login, Code::kOk, 1 + static_cast<std::uint64_t>(i), "alice");
    world.push(login->worker, {{login->login.connection, 1}}, std::string(3000, 'x'), true);
    world.turns(3);
    world.io.reset(client);
    for (int n = 0; n < 200 && world.io.server_holds(client); ++n) world.turn();
  }
  CHECK(world.count(Counter::kClosedIoError) > 10);
  CHECK(world.gateway->memory_bytes() == 0);
}
