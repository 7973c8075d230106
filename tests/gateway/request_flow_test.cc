// What holds a connection's next request back: an answer without id, max_inflight, room for
// answers, a full ring, its share of a turn (PROTOCOL.md sections 1, 3, 5, DESIGN.md section 4).
#include <doctest/doctest.h>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

TEST_CASE("id 0: the next frame waits for the answer") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, v2_message(0, message_to("bob", "1")) + std::string(1, '\0') +
                                     v2_message(0, message_to("carol", "2")));
  world.turns(3);
  auto records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(world.raw_frames(session.client).empty());
  world.respond(records[0], Code::kOk, 1);
  world.turns(3);
  CHECK(world.raw_frames(session.client).size() == 2);  // the answer, the heartbeat
  records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].payload == "2");
}

TEST_CASE("max_inflight: that many unanswered requests, then reading stops") {
  Config config = test_config();
  config.max_inflight = 4;
  GatewayFixture world(config);
  const auto session = world.log_in("alice");
  std::string bytes;
  for (std::uint64_t id = 1; id <= 2000; ++id)
    bytes += v2_message(id, message_to("bob", "0123456789"));
  world.io.write(session.client, bytes);
  world.turns(20);
  auto records = world.all_records();
  CHECK(records.size() == 4);
  CHECK_FALSE(world.io.receiving(session.client));
  CHECK(world.io.unread_by_server(session.client) > 0);
  CHECK(world.count(Counter::kPausedReads) == 1);
  std::uint64_t expected = 1;
  while (!records.empty()) {
    for (const Taken& record : records) {
      CHECK(record.request.request_id == expected++);
      world.respond(record, Code::kOk);
    }
    CHECK(records.size() <= 4);
    world.turns(3);
    records = world.all_records();
  }
  CHECK(expected == 2001);
  CHECK(world.frames(session.client).size() == 2000);
}

TEST_CASE("answers are reserved: frames are taken only while they fit send_queue_bytes") {
  GatewayFixture world;  // 256 KiB, 64 KiB per frame
  const auto session = world.log_in("alice");
  std::string bytes;
  SyncRequest sync;
  sync.set_after_seq(1);
  for (std::uint64_t id = 1; id <= 10; ++id) {
    bytes += v2_request(id, Request::SYNC, sync.SerializeAsString());
  }
  world.io.write(session.client, bytes);
  world.turns(4);
  auto records = world.all_records();
  CHECK(records.size() == 3);  // a fourth whole frame with its length does not fit
  // An answered SYNC makes room for one that waited.
  world.io.hold_sends(session.client, false);
  world.respond(records[0], Code::kOk, 0, std::string(65520, 's'));
  world.turns(4);
  CHECK(world.all_records().size() == 1);
  // A client that does not read keeps its answers queued: no further frame.
  world.io.hold_sends(session.client, true);
  world.respond(records[1], Code::kOk, 0, std::string(65520, 's'));
  world.respond(records[2], Code::kOk, 0, std::string(65520, 's'));
  world.turns(4);
  CHECK(world.all_records().empty());
  world.io.hold_sends(session.client, false);
  world.turns(4);
  CHECK(world.all_records().size() == 2);
  CHECK(world.frames(session.client).size() == 3);
}

TEST_CASE("a full request ring holds back only those who need it, in turn") {
  GatewayFixture world(test_config(), 64, 64 * kKiB);
  const auto first = world.log_in("alice");
  const auto second = world.log_in("bob");
  const auto other = world.log_in("carol");
  std::string to0 = "x";
  while (world.owner(NameKind::kUser, to0) != 0) to0 += "x";
  std::string to1 = "y";
  while (world.owner(NameKind::kUser, to1) != 1) to1 += "y";
  std::string bytes;
  for (std::uint64_t id = 1; id <= 100; ++id) {
    bytes += v2_message(id, message_to(to0, std::string(900, 'm')));
  }
  world.io.write(first.client, bytes);
  world.io.write(second.client, bytes);
  world.turns(120);
  CHECK(world.count(Counter::kRingFullRequests) > 0);
  // Worker 0 does not drain; worker 1 is reached all the same.
  world.io.write(other.client, v2_message(7, message_to(to1, "hello")));
  world.turns(2);
  REQUIRE(world.next_record(1));
  // The gateway looks again soon: a ring with room wakes nobody.
  CHECK(world.gateway->wait_max().count() <= 1);

  std::uint64_t next_of[2] = {1, 1};
  std::uint64_t lead = 0;
  for (int round = 0; round < 400 && next_of[0] + next_of[1] < 202; ++round) {
    for (int n = 0; n < 8; ++n) {
      const auto record = world.next_record(0);
      if (!record) break;
      if (record->kind != RecordKind::kMessage) continue;
      const std::size_t who = record->request.connection == first.connection ? 0 : 1;
      CHECK(record->request.request_id == next_of[who]);
      ++next_of[who];
      world.respond(*record, Code::kOk);
      if (round > 20) {
        const auto gap =
            next_of[0] > next_of[1] ? next_of[0] - next_of[1] : next_of[1] - next_of[0];
        lead = std::max(lead, gap);
      }
    }
    world.turns(1);
  }
  CHECK(next_of[0] == 101);
  CHECK(next_of[1] == 101);
}

TEST_CASE("one connection takes at most its share of frames per turn") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, std::string(2000, '\0'));
  world.turn();
  world.turn();
  CHECK(world.raw_frames(session.client).size() <= 256);
  CHECK(world.gateway->has_work());
  world.turns(12);
  CHECK(world.count(Counter::kHeartbeats) == 2000);
  CHECK_FALSE(world.gateway->has_work());
}
