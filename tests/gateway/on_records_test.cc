// Pushes: stored and relayed, ordinals and Taken, refusals, stale names
// (PROTOCOL.md sections 4 and 5, DESIGN.md sections 4 and 7).
#include <doctest/doctest.h>

#include "tests/gateway/push_rows.h"

using namespace ims;
using namespace ims::test;

namespace {

std::string payload_of(const v2::Command& push) {
  Message message;
  REQUIRE(push.has_request());
  CHECK(push.id() == 0);
  CHECK(push.request().type() == Request::MESSAGE);
  REQUIRE(message.ParseFromString(push.request().payload()));
  return message.payload();
}

}  // namespace

TEST_CASE("a push is wrapped in each target's edition") {
  GatewayFixture world;
  const auto typed = world.log_in("alice");
  const auto envelope = world.io.connect();
  world.io.write(envelope,
                 v1_frame(v1::Command::CONNECT, 1, connect_message("bob").SerializeAsString()));
  world.turns(3);
  const auto login = world.next_record();
  REQUIRE(login);
  world.answer_login(*login, Code::kOk, 50, "bob");
  world.turns(3);
  world.raw_frames(envelope);
  world.push(0, {{typed.connection, 0}, {login->login.connection, 0}}, "hello", false);
  world.turns(3);
  const auto frames = world.frames(typed.client);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].version() == 2);
  CHECK(payload_of(frames[0]) == "hello");
  const auto raw = world.raw_frames(envelope);
  REQUIRE(raw.size() == 1);
  const v1::Command command = v1_parse(raw[0]);
  CHECK(command.version() == 1);
  CHECK(command.command() == v1::Command::REQUEST);
  CHECK(command.id() == 0);
  Request request;
  REQUIRE(request.ParseFromString(command.payload()));
  Message message;
  REQUIRE(message.ParseFromString(request.payload()));
  CHECK(message.payload() == "hello");
  CHECK(world.count(Counter::kRelayedDelivered) == 2);
}

TEST_CASE("what a connection is owed in one turn leaves in one send") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  const std::uint64_t before = world.io.sends();
  push_rows(world, session, 1, 30, 400);
  for (int i = 0; i < 5; ++i) world.push(0, {{session.connection, 0}}, "relayed", false);
  world.turns(1);
  CHECK(world.io.sends() - before == 1);
  world.turns(1);
  CHECK(world.frames(session.client).size() == 35);
}

TEST_CASE("a push for a tenancy that is over falls on the floor") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.reset(session.client);
  world.turns(3);
  world.all_records();
  const auto next = world.log_in("bob");
  CHECK(next.connection.slot() == session.connection.slot());
  world.push(0, {{session.connection, 1}}, "for alice", true);
  world.push(0, {{session.connection, 0}}, "for alice", false);
  world.disconnect(0, session.connection, DisconnectCode::kKicked, "for alice");
  world.turns(3);
  CHECK(world.frames(next.client).empty());
  CHECK(world.count(Counter::kRecordsStale) == 2);
  CHECK(world.count(Counter::kRelayedDropped) == 1);
}

TEST_CASE("relayed messages are dropped above half of send_queue_bytes, stored ones are not") {
  GatewayFixture world;  // 256 KiB
  const auto session = world.log_in("alice");
  world.io.hold_sends(session.client, true);
  for (int i = 0; i < 200; ++i) {
    REQUIRE(world.push(0, {{session.connection, 0}}, std::string(1000, 'x'), false));
    world.turn();
  }
  const std::uint64_t kept = world.count(Counter::kRelayedDelivered);
  CHECK(kept + world.count(Counter::kRelayedDropped) == 200);
  CHECK(kept * 1014 <= 128 * kKiB);
  CHECK((kept + 1) * 1014 > 128 * kKiB);
  push_rows(world, session, 1, 20, 1000);
  world.turns(2);
  CHECK(world.count(Counter::kRowsPushed) == 20);
  world.io.hold_sends(session.client, false);
  world.turns(60);
  CHECK(world.frames(session.client).size() == kept + 20);
  const auto taken = world.all_records();
  REQUIRE_FALSE(taken.empty());
  CHECK(taken.back().session.ordinal == 20);
}

TEST_CASE(
    "rows beyond send_queue_bytes are refused from an ordinal on, until the worker restarts "
    "there") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.hold_sends(session.client, true);
  for (std::uint64_t ordinal = 1; ordinal <= 6; ++ordinal) {
    push_rows(world, session, ordinal, ordinal, 60'000);
    world.turn();
  }
  // Four of 60,000 bytes fit 256 KiB; the fifth and all later ones are refused.
  auto records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].kind == RecordKind::kRefused);
  CHECK(records[0].session.ordinal == 5);
  CHECK(world.count(Counter::kRowsRefused) == 2);
  world.turns(3);
  CHECK(world.all_records().empty());  // not drained yet
  world.io.hold_sends(session.client, false);
  world.turns(12);
  CHECK(world.frames(session.client).size() == 4);
  records = world.all_records();
  REQUIRE(records.size() >= 2);
  for (std::size_t i = 0; i + 1 < records.size(); ++i)
    CHECK(records[i].kind != RecordKind::kRefused);
  std::uint64_t taken = 0;
  int drained = 0;
  for (const Taken& record : records) {
    if (record.kind == RecordKind::kTaken) taken = record.session.ordinal;
    if (record.kind == RecordKind::kDrained) ++drained;
  }
  CHECK(taken == 4);
  CHECK(drained == 1);
  // Rows that were under way are still left out; the restart is not.
  push_rows(world, session, 7, 7, 100);
  push_rows(world, session, 5, 8, 100, true);
  world.turns(3);
  CHECK(world.frames(session.client).size() == 4);
  records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].kind == RecordKind::kTaken);
  CHECK(records[0].session.ordinal == 8);
}

TEST_CASE("send_memory_bytes: rows are refused, relayed dropped, and it heals") {
  Config config = test_config();
  config.send_memory_bytes = 400 * kKiB;  // 300 KiB of it for queues
  GatewayFixture world(config);
  const auto hog = world.log_in("alice");
  const auto other = world.log_in("bob");
  world.io.hold_sends(hog.client, true);
  push_rows(world, hog, 1, 4, 60'000);
  world.turns(6);
  CHECK(world.gateway->memory_bytes() > 240'000);
  CHECK(world.gateway->memory_bytes() <= 300 * kKiB);
  push_rows(world, other, 1, 1, 60'000);
  world.push(0, {{other.connection, 0}}, std::string(60'000, 'x'), false);
  world.turns(2);
  auto records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].kind == RecordKind::kRefused);
  CHECK(records[0].session.ordinal == 1);
  CHECK(world.count(Counter::kRelayedDropped) == 1);
  // Its own queue is empty, but the memory is not free: it is looked at again.
  world.pass(300);
  CHECK(world.all_records().empty());
  world.io.hold_sends(hog.client, false);
  world.pass(500);
  bool drained = false;
  for (const Taken& record : world.all_records()) {
    drained = drained || (record.kind == RecordKind::kDrained &&
                          record.session.session.value == other.session);
  }
  CHECK(drained);
  push_rows(world, other, 1, 1, 60'000, true);
  world.turns(8);
  CHECK(world.frames(other.client).size() == 1);
}

TEST_CASE("send_memory_bytes: there is room again, also for whose cut frame waits for memory") {
  Config config = test_config();
  config.send_memory_bytes = 400 * kKiB;  // 300 KiB of it for queues, 100 for carries
  GatewayFixture world(config);
  const auto hog = world.log_in("alice");
  const auto other = world.log_in("bob");
  std::vector<GatewayFixture::Session> cutters;
  for (int i = 0; i < 8; ++i) cutters.push_back(world.log_in("u" + std::to_string(i)));
  world.io.hold_sends(hog.client, true);
  push_rows(world, hog, 1, 4, 60'000);
  world.turns(6);
  push_rows(world, other, 1, 1, 60'000);
  world.turns(2);
  REQUIRE(world.records_of(RecordKind::kRefused).size() == 1);
  const std::string cut = std::string("\x80\x80\x04", 3) + std::string(9'000, 'x');  // of 64 KiB
  for (const auto& session : cutters) world.io.write(session.client, cut);
  world.turns(4);
  world.io.write(other.client, cut);
  world.turns(4);
  world.pass(300);
  CHECK_FALSE(world.io.receiving(other.client));
  CHECK(world.all_records().empty());
  world.io.hold_sends(hog.client, false);
  world.pass(500);
  bool drained = false;
  for (const Taken& record : world.records_of(RecordKind::kDrained)) {
    drained = drained || record.session.session.value == other.session;
  }
  CHECK(drained);
}

TEST_CASE("send_memory_bytes: reading stops where an answer would be owed, and goes on") {
  Config config = test_config();
  config.send_memory_bytes = 400 * kKiB;  // 300 KiB of it for queues
  GatewayFixture world(config);
  const auto hog = world.log_in("alice");
  const auto other = world.log_in("bob");
  world.io.hold_sends(hog.client, true);
  push_rows(world, hog, 1, 4, 60'000);
  world.turns(6);
  // The last bytes of the memory.
  const auto filler = world.io.connect();
  world.io.write(filler, v2_connect(connect_message("carol")));
  world.turns(3);
  world.all_records();
  SyncRequest sync;
  world.io.write(other.client, v2_request(2, Request::SYNC, sync.SerializeAsString()) +
                                   std::string(30'000, '\0'));
  world.turns(20);
  CHECK(world.all_records().empty());
  CHECK_FALSE(world.io.receiving(other.client));
  world.io.hold_sends(hog.client, false);
  world.turns(8);
  const auto records = world.records_of(RecordKind::kSync);
  REQUIRE(records.size() == 1);
  world.respond(records[0], Code::kOk);
  world.turns(200);
  CHECK(world.count(Counter::kHeartbeats) == 30'000);
}

TEST_CASE("notices survive a full ring, in order, and go before new requests") {
  GatewayFixture world(test_config(), 64, 64 * kKiB);
  const auto other = world.log_in("bob");
  const std::size_t worker = 0;
  std::vector<GatewayFixture::Session> sessions;
  for (int i = 0; sessions.size() < 8; ++i) {
    const std::string user = "u" + std::to_string(i);
    if (world.owner(NameKind::kUser, user) == worker) sessions.push_back(world.log_in(user));
  }
  // Fill that worker's ring to less than the notices that will be due.
  std::string target = "x";
  while (world.owner(NameKind::kUser, target) != worker) target += "x";
  std::string bytes;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    bytes += v2_message(id, message_to(target, std::string(id < 60 ? 900 : 1, 'm')));
  }
  world.io.write(other.client, bytes);
  world.turns(40);
  CHECK(world.request_ring(worker).free_bytes() < 200);
  for (const auto& session : sessions) {
    world.push(worker, {{session.connection, 1}}, "row", true);
    world.push(worker, {{session.connection, 2}}, "row", true);
  }
  world.turns(3);
  for (const auto& session : sessions) world.io.reset(session.client);
  world.turns(3);
  CHECK(world.gateway->connection_count() > 4);  // slots wait until their ends are told
  CHECK(world.gateway->wait_max().count() <= 1);
  std::vector<std::uint64_t> last(sessions.size(), 0);
  std::vector<int> ended(sessions.size(), 0);
  std::size_t requests = 0;
  std::size_t requests_before_last_end = 0;
  for (int round = 0; round < 100; ++round) {
    while (auto record = world.next_record(worker)) {
      if (record->kind == RecordKind::kMessage) {
        ++requests;
        world.respond(*record, Code::kOk);
        continue;
      }
      for (std::size_t i = 0; i < sessions.size(); ++i) {
        if (record->session.connection != sessions[i].connection) continue;
        CHECK(ended[i] == 0);  // nothing behind kEnded
        CHECK(record->session.ordinal >= last[i]);
        CHECK(record->session.session.value == sessions[i].session);
        last[i] = record->session.ordinal;
        if (record->kind == RecordKind::kEnded) {
          ++ended[i];
          requests_before_last_end = requests;
        }
      }
    }
    world.turns(1);
  }
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    CHECK(ended[i] == 1);
    CHECK(last[i] == 2);
  }
  CHECK(requests == 200);
  CHECK(requests_before_last_end < 200);
  CHECK(world.gateway->connection_count() == 1);
}
