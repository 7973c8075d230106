// When the stages of a followed message begin and end, and what becomes of one that does not
// arrive. The clock is moved by hand: every duration is exact.
#include "gateway/tracer.h"

#include "tests/gateway/traced_world.h"

using namespace ims;
using namespace ims::test;

TEST_CASE("each stage lasts from its beginning to the next one's, and their sum is the whole") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  const Taken request = world.send(alice, "bob", 7, true);
  CHECK(request.has(kFlagTraced));
  REQUIRE(request.request.trace != 0);
  world.wait_ns(300);
  world.traces.enter(request.request.trace, Stage::kHandle);
  world.wait_ns(50);
  world.traces.enter(request.request.trace, Stage::kCommit);
  world.wait_ns(7000);
  world.traces.enter(request.request.trace, Stage::kDeliveryRing);
  world.wait_ns(110);
  CHECK(world.respond(request, Code::kOk));
  world.turn();  // asks for the send
  CHECK(world.count_of(TraceKind::kStored) == 0);
  world.wait_ns(1300);
  world.turns(2);  // its completion
  REQUIRE(world.count_of(TraceKind::kStored) == 1);
  const std::pair<Stage, std::uint64_t> expected[] = {
      {Stage::kRead, 0},      {Stage::kParse, 0},           {Stage::kRequestRing, 300},
      {Stage::kHandle, 50},   {Stage::kCommit, 7000},       {Stage::kDeliveryRing, 110},
      {Stage::kQueue, 0},     {Stage::kSend, 1300},         {Stage::kTotal, 8760}};
  for (const auto& lasted : expected) {
    const Stage stage = lasted.first;
    const std::uint64_t ns = lasted.second;
    CAPTURE(kStageNames[static_cast<std::size_t>(stage)]);
    CHECK(world.sum(TraceKind::kStored, stage) == ns);
    CHECK(world.count_of(TraceKind::kStored, stage) == 1);
  }
  CHECK(world.sum_of_stages(TraceKind::kStored) == 8760);
  CHECK(world.slots_in_use() == 0);

  bool found = false;
  for (const SlowTrace& entry : world.trace_memory.regions()[0].slow) {
    const auto trace = SlowTable::read(entry);
    if (!trace || trace->kind != static_cast<std::uint64_t>(TraceKind::kStored)) continue;
    found = true;
    CHECK(trace->total_ns == 8760);
    CHECK(trace->stage_ns[4] == 7000);
    CHECK(trace->request_id == 7);
    CHECK(trace->connection == alice.connection.bits);
    CHECK(trace->user == 1000 + alice.session);
    CHECK(trace->tenant == 5);
    CHECK(trace->ended_wall_ms == static_cast<std::uint64_t>(world.now.wall_ms));
  }
  CHECK(found);
}

TEST_CASE("a stage that was not entered took no time: its part is the one's before it") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  const Taken request = world.send(alice, "bob", 7);
  world.wait_ns(10);
  world.traces.enter(request.request.trace, Stage::kHandle);
  world.wait_ns(20);
  world.traces.enter(request.request.trace, Stage::kDeliveryRing);
  CHECK(world.respond(request, Code::kOffline));
  world.turns(3);
  REQUIRE(world.count_of(TraceKind::kRelayed) == 1);
  CHECK(world.sum(TraceKind::kRelayed, Stage::kHandle) == 20);
  CHECK(world.sum(TraceKind::kRelayed, Stage::kCommit) == 0);
  CHECK(world.sum(TraceKind::kRelayed, Stage::kTotal) == 30);
}

TEST_CASE("clocks of two CPUs that differ: no negative time, and the sum still is the whole") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  const Taken request = world.send(alice, "bob", 7, true);
  world.wait_ns(100);
  const std::uint64_t now = world.now.ticks;
  world.traces.enter(request.request.trace, Stage::kRequestRing, now - 90);
  world.traces.enter(request.request.trace, Stage::kHandle, now - 150);  // before it was read
  world.traces.enter(request.request.trace, Stage::kCommit, now + 900);  // after its end
  world.traces.enter(request.request.trace, Stage::kDeliveryRing, now - 40);
  CHECK(world.respond(request, Code::kOk));
  world.turns(3);
  REQUIRE(world.count_of(TraceKind::kStored) == 1);
  CHECK(world.sum(TraceKind::kStored, Stage::kTotal) == 100);
  CHECK(world.sum_of_stages(TraceKind::kStored) == 100);
  CHECK(world.sum(TraceKind::kStored, Stage::kParse) == 10);
  CHECK(world.sum(TraceKind::kStored, Stage::kRequestRing) == 50);
  CHECK(world.sum(TraceKind::kStored, Stage::kHandle) == 0);
  CHECK(world.sum(TraceKind::kStored, Stage::kCommit) == 0);
  CHECK(world.sum(TraceKind::kStored, Stage::kDeliveryRing) == 40);
}

TEST_CASE("kinds go by what was asked; a login and any other request are answered") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  CHECK(world.count_of(TraceKind::kLogin) == 1);
  Message to_group;
  to_group.set_group("group");
  to_group.set_payload("x");
  for (const bool offline : {false, true}) {
    world.io.write(alice.client, v2_message(9, to_group, offline));
    world.turn();
    CHECK(world.respond(*world.next_record(), Code::kOk));
    world.turns(3);
  }
  CHECK(world.count_of(TraceKind::kGroup) == 2);
  world.io.write(alice.client, v2_request(10, Request::SYNC, ""));
  world.turn();
  const auto sync = world.next_record();
  REQUIRE(sync);
  CHECK(sync->kind == RecordKind::kSync);
  CHECK(world.respond(*sync, Code::kOk));
  world.turns(3);
  CHECK(world.count_of(TraceKind::kOther) == 1);
  CHECK(world.count_of(TraceKind::kRelayed) + world.count_of(TraceKind::kStored) == 0);
  CHECK(world.count(Counter::kTracesStarted) == world.count(Counter::kTracesFinished));
}

// User and tenant of the one login in the table of slow messages.
std::pair<std::uint64_t, std::uint64_t> user_of_login(const TracedWorld& world) {
  std::optional<std::pair<std::uint64_t, std::uint64_t>> found;
  for (const SlowTrace& entry : world.trace_memory.regions()[0].slow) {
    const auto trace = SlowTable::read(entry);
    if (!trace || trace->kind != static_cast<std::uint64_t>(TraceKind::kLogin)) continue;
    REQUIRE_FALSE(found);
    found = {trace->user, trace->tenant};
  }
  REQUIRE(found);
  return *found;
}

TEST_CASE("a login is of the user that its answer names, a refused one of nobody") {
  for (const Code code : {Code::kOk, Code::kUnauthenticated}) {
    CAPTURE(code);
    TracedWorld world;
    world.io.write(world.io.connect(), v2_connect(connect_message("alice")));
    world.turns(3);
    const auto login = world.next_record();
    REQUIRE(login);
    world.wait_ns(1000);
    CHECK(world.answer_login(*login, code, 7, "alice"));
    world.turns(6);
    const bool is_in = code == Code::kOk;
    CHECK(user_of_login(world) ==
          std::pair{std::uint64_t{is_in ? 1007u : 0u}, std::uint64_t{is_in ? 5u : 0u}});
  }
  TracedWorld unfollowed(0);
  unfollowed.log_in("alice");
}

TEST_CASE("a refused login ends with its answer too") {
  TracedWorld world;
  const auto client = world.io.connect();
  world.io.write(client, v2_connect(connect_message("alice")));
  world.turns(3);
  const auto login = world.next_record();
  REQUIRE(login);
  CHECK(login->has(kFlagTraced));
  CHECK(world.answer_login(*login, Code::kUnauthenticated, 0, ""));
  world.turns(6);
  CHECK(world.count_of(TraceKind::kLogin) == 1);
  CHECK(world.slots_in_use() == 0);
}

TEST_CASE("relayed in place: it ends with the recipient's push, not with the answer") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  const auto bob = world.log_in("bob");
  world.io.write(alice.client, v2_message(7, message_to("bob", "hello")));
  world.turn();
  const std::size_t worker = world.owner(NameKind::kUser, "bob");
  ByteRing& ring = world.request_ring(worker);
  const ByteView record = ring.front();
  REQUIRE(is_traced(record));
  const TraceId trace = trace_of(record);
  const std::uint32_t offset = ring.offset(record.data());
  ring.pop(record);
  Taken request;
  request.worker = worker;

  world.io.hold_sends(bob.client, true);
  world.wait_ns(40);
  world.traces.enter(trace, Stage::kDeliveryRing);
  world.relay(request, offset, bob.connection, kFlagAnswer | kFlagTraced);
  world.turns(3);
  CHECK(world.frames(alice.client).size() == 1);  // the answer left
  CHECK(world.count_of(TraceKind::kRelayed) == 0);
  world.wait_ns(500);
  world.io.hold_sends(bob.client, false);
  world.turns(3);
  REQUIRE(world.count_of(TraceKind::kRelayed) == 1);
  CHECK(world.sum(TraceKind::kRelayed, Stage::kSend) == 500);
  CHECK(world.sum(TraceKind::kRelayed, Stage::kTotal) == 540);

  SUBCASE("one that finds nobody dies with it") {
    world.io.write(alice.client, v2_message(8, message_to("bob", "hello")));
    world.turn();
    const ByteView next = ring.front();
    const std::uint32_t next_offset = ring.offset(next.data());
    ring.pop(next);
    CHECK(world.slots_in_use() == 1);
    world.relay(request, next_offset, ConnectionId::make(0, 99, 55), kFlagAnswer | kFlagTraced);
    world.turns(3);
    CHECK(world.slots_in_use() == 0);
    CHECK(world.count(Counter::kTracesDropped) == 1);
  }
}

TEST_CASE("what waits behind a send that is under way is in `queue`; a short send ends nothing") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  const Taken first = world.send(alice, "bob", 1, true);
  const Taken second = world.send(alice, "bob", 2, true);
  world.io.hold_sends(alice.client, true);
  CHECK(world.respond(first, Code::kOk));
  world.turn();
  CHECK(world.respond(second, Code::kOk));
  world.turn();
  world.wait_ns(600);
  world.io.hold_sends(alice.client, false);
  world.turns(4);
  REQUIRE(world.count_of(TraceKind::kStored) == 2);
  CHECK(world.sum(TraceKind::kStored, Stage::kQueue) == 600);
  CHECK(world.sum(TraceKind::kStored, Stage::kSend) == 600);
  CHECK(world.sum_of_stages(TraceKind::kStored) == world.sum(TraceKind::kStored, Stage::kTotal));

  world.frames(alice.client);
  const Taken third = world.send(alice, "bob", 3, true);
  world.io.set_window(alice.client, 3);  // bytes that fit
  CHECK(world.respond(third, Code::kOk));
  world.turns(5);
  CHECK(world.io.readable_bytes(alice.client) == 3);
  CHECK(world.count_of(TraceKind::kStored) == 2);
  world.wait_ns(70);
  world.io.set_window(alice.client, 1000);
  world.turns(5);
  CHECK(world.count_of(TraceKind::kStored) == 3);
  CHECK(world.sum(TraceKind::kStored, Stage::kSend) == 670);
}

TEST_CASE("a frame that was held back counts from when it was received, in `read`") {
  Config config = traced_config(1);
  config.max_inflight = 1;
  TracedWorld world(config);
  const auto alice = world.log_in("alice");
  world.io.write(alice.client, v2_message(1, message_to("bob", "a"), true) +
                                   v2_message(2, message_to("bob", "b"), true));
  world.turn();
  const auto first = world.next_record();
  REQUIRE(first);
  CHECK_FALSE(world.next_record());
  world.wait_ns(900);
  CHECK(world.respond(*first, Code::kOk));
  world.turns(3);
  const auto second = world.next_record();
  REQUIRE(second);
  CHECK(world.respond(*second, Code::kOk));
  world.turns(3);
  CHECK(world.count_of(TraceKind::kStored) == 2);
  CHECK(world.sum(TraceKind::kStored, Stage::kRead) == 900);
}

TEST_CASE("a message whose connection ends frees its slot") {
  TracedWorld world;
  const auto alice = world.log_in("alice");
  const Taken request = world.send(alice, "bob", 1, true);
  CHECK(world.slots_in_use() == 1);

  SUBCASE("before its answer") {
    world.io.reset(alice.client);
    world.turns(5);
    CHECK(world.respond(request, Code::kOk));
    world.turns(3);
  }
  SUBCASE("while its answer is queued") {
    world.io.hold_sends(alice.client, true);
    CHECK(world.respond(request, Code::kOk));
    world.turns(2);
    CHECK(world.slots_in_use() == 1);
    world.io.hold_sends(alice.client, false);
    world.io.fail_next_send(alice.client, EPIPE);
    world.turns(5);
  }
  CHECK(world.slots_in_use() == 0);
  CHECK(world.count(Counter::kTracesDropped) == 1);
  CHECK(world.count_of(TraceKind::kStored) == 0);
}
