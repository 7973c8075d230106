// What a gateway tells a worker of the rows it pushed: when Taken is said, and what it counts
// (PROTOCOL.md section 5, DESIGN.md section 4).
#include <doctest/doctest.h>

#include "tests/gateway/push_rows.h"

using namespace ims;
using namespace ims::test;

namespace {

// Pushes row 1, of 100 bytes, and sees it taken; what it weighs on the wire.
std::size_t push_first_row(GatewayFixture& world, const GatewayFixture::Session& session) {
  push_rows(world, session, 1, 1, 100);
  world.turns(2);
  const std::size_t frame_bytes = world.inbox(session.client).size();
  world.frames(session.client);
  world.all_records();
  return frame_bytes;
}

}  // namespace

TEST_CASE("Taken: once the queue ran empty, with the last ordinal") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  push_rows(world, session, 1, 5, 100);
  world.turns(3);
  auto taken = world.all_records();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].kind == RecordKind::kTaken);
  CHECK(taken[0].worker == session.login.worker);
  CHECK(taken[0].session.ordinal == 5);
  CHECK(taken[0].session.session.value == session.session);
  CHECK(taken[0].session.connection == session.connection);
  // Relayed messages and answers are no rows.
  world.push(0, {{session.connection, 0}}, "relayed", false);
  world.io.write(session.client, std::string(1, '\0'));
  world.turns(3);
  CHECK(world.all_records().empty());
  push_rows(world, session, 6, 6, 100);
  world.turns(3);
  taken = world.all_records();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].session.ordinal == 6);
}

TEST_CASE("Taken: with a queue that does not run empty, every half window") {
  Config config = test_config();
  config.push_window = 16;
  GatewayFixture world(config);
  const auto session = world.log_in("alice");
  world.io.set_window(session.client, 300);  // the client's side takes one row at a time
  push_rows(world, session, 1, 64, 290);
  std::uint64_t last = 0;
  int reports = 0;
  std::size_t received = 0;
  for (int i = 0; i < 400 && received < 64; ++i) {
    world.turn();
    received += world.frames(session.client).size();
    for (const Taken& record : world.all_records()) {
      REQUIRE(record.kind == RecordKind::kTaken);
      CHECK(record.session.ordinal - last >= 8);
      last = record.session.ordinal;
      ++reports;
    }
  }
  world.turns(2);
  for (const Taken& record : world.all_records()) last = record.session.ordinal;
  CHECK(last == 64);
  CHECK(reports >= 7);
  CHECK(reports <= 8);
}

TEST_CASE("Taken: within kTakenReportMs although the client reads no more") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  const std::size_t frame_bytes = push_first_row(world, session);
  world.io.set_window(session.client, frame_bytes * 7 / 2);
  push_rows(world, session, 2, 11, 100);
  world.turns(2);
  CHECK(world.all_records().empty());  // neither half a window nor an empty queue
  world.pass(kTakenReportMs - 100);
  CHECK(world.all_records().empty());
  world.pass(300);
  const auto taken = world.all_records();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].kind == RecordKind::kTaken);
  CHECK(taken[0].session.ordinal >= 2);
  CHECK(taken[0].session.ordinal < 11);
  world.pass(2'000);
  CHECK(world.all_records().empty());  // nothing new to say
}

TEST_CASE("a short send that cuts a row does not count it") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  const std::size_t frame_bytes = push_first_row(world, session);
  for (std::size_t cut = 0; cut <= frame_bytes; cut += 7) {
    GatewayFixture fresh;
    const auto other = fresh.log_in("alice");
    fresh.io.set_window(other.client, 2 * frame_bytes + cut);
    push_rows(fresh, other, 1, 4, 100);
    fresh.turns(3);
    fresh.io.reset(other.client);  // what was not taken never will be
    fresh.turns(4);
    const auto ended = fresh.records_of(RecordKind::kEnded);
    REQUIRE(ended.size() == 1);
    CAPTURE(cut);
    CHECK(ended[0].session.ordinal == (cut == frame_bytes ? 3 : 2));
  }
}
