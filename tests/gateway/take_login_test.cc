// CONNECT: what the gateway decides itself, whom it asks, what it does with the answer
// (PROTOCOL.md sections 1, 3, 4, 8).
#include <doctest/doctest.h>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

TEST_CASE("a Connect that breaks a rule is answered and closed by the gateway") {
  struct Row {
    const char* rule;
    Connect connect;
    int code;
  };
  const auto with = [](auto change) {
    Connect connect = connect_message("alice", "phone");
    change(connect);
    return connect;
  };
  const std::string long_name(65, 'n');
  const Row rows[] = {
      {"empty org", with([](Connect& c) { c.set_org(""); }), 2},
      {"org of 65 bytes", with([&](Connect& c) { c.set_org(long_name); }), 2},
      {"appkey with a slash", with([](Connect& c) { c.set_appkey("a/b"); }), 2},
      {"empty user", with([](Connect& c) { c.set_user(""); }), 2},
      {"user with a space", with([](Connect& c) { c.set_user("a b"); }), 2},
      {"device with a star", with([](Connect& c) { c.set_device("*"); }), 2},
      {"device of 65 bytes", with([&](Connect& c) { c.set_device(long_name); }), 2},
      {"unknown AckMode", with([](Connect& c) { c.set_ack(static_cast<Connect::AckMode>(2)); }),
       13},
      {"negative AckMode", with([](Connect& c) { c.set_ack(static_cast<Connect::AckMode>(-1)); }),
       13},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    GatewayFixture world;
    const auto client = world.io.connect();
    // What follows a login that failed is discarded.
    world.io.write(client, v2_connect(row.connect, 7) + v2_message(8, message_to("bob", "m")));
    world.turns(5);
    const auto frames = world.frames(client);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].id() == 7);
    REQUIRE(frames[0].has_conack());
    CHECK(frames[0].conack().code() == row.code);
    CHECK(static_cast<int>(frames[0].conack().status()) == 1);
    CHECK_FALSE(frames[0].conack().reason().empty());
    CHECK(world.io.ended(client) == SimIo::End::kClosed);
    CHECK(world.all_records().empty());
    world.pass(1200);
    CHECK(world.count(Counter::kClosedLoginFailed) == 1);
  }
}

TEST_CASE("a string in Connect that is not UTF-8: BAD_REQUEST in the login answer, both editions") {
  std::string connect = connect_message("alice").SerializeAsString();
  connect += std::string("\x2a\x01\xff", 3);  // device
  GatewayFixture world;
  const auto typed = world.io.connect();
  std::string frame = std::string("\x08\x02\x1a", 3);
  frame += static_cast<char>(connect.size());
  world.io.write(typed, framed(frame + connect));
  const auto envelope = world.io.connect();
  world.io.write(envelope, v1_frame(v1::Command::CONNECT, 3, connect));
  world.turns(5);
  const auto frames = world.frames(typed);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].conack().code() == 2);
  const auto raw = world.raw_frames(envelope);
  REQUIRE(raw.size() == 1);
  const v1::Command command = v1_parse(raw[0]);
  CHECK(command.command() == v1::Command::RESPONSE);
  CHECK(command.id() == 3);
  Response response;
  ConAck conack;
  REQUIRE(response.ParseFromString(command.payload()));
  REQUIRE(conack.ParseFromString(response.payload()));
  CHECK(response.code() == 2);
  CHECK(conack.code() == 2);
  CHECK(response.reason() == conack.reason());
}

TEST_CASE("the longest names are taken; the login goes to the worker of its user") {
  GatewayFixture world;
  std::size_t seen[2] = {0, 0};
  for (int i = 0; i < 16; ++i) {
    const std::string user = std::string(62, 'u') + static_cast<char>('a' + i);
    const auto client = world.io.connect();
    Connect connect = connect_message(user, std::string(64, 'd'));
    world.io.write(client, v2_connect(connect, 5));
    world.turns(2);
    const std::size_t home = world.owner(NameKind::kUser, user);
    ++seen[home];
    CHECK_FALSE(world.next_record(1 - home));
    const auto login = world.next_record(home);
    REQUIRE(login);
    CHECK(login->kind == RecordKind::kLogin);
    CHECK(login->connect == connect.SerializeAsString());
    CHECK(login->login.request_id == 5);
    CHECK(login->login.tenant_hash == hash_tenant(GatewayFixture::kHashSeed, "org", "app"));
  }
  CHECK(seen[0] > 0);
  CHECK(seen[1] > 0);
}

TEST_CASE("while a login is decided no further frame is taken; then all, in order") {
  GatewayFixture world;
  const auto client = world.io.connect();
  world.io.write(client, v2_connect(connect_message("alice")) + std::string(1, '\0') +
                             v2_message(2, message_to("bob", "1")));
  world.turns(4);
  const auto login = world.next_record();
  REQUIRE(login);
  world.io.write(client, v2_message(3, message_to("bob", "2")));
  world.turns(4);
  CHECK(world.all_records().empty());
  CHECK(world.raw_frames(client).empty());
  world.answer_login(*login, Code::kOk, 11, "alice", "phone");
  world.turns(3);
  const auto records = world.records_of(RecordKind::kMessage);
  REQUIRE(records.size() == 2);
  CHECK(records[0].payload == "1");
  CHECK(records[1].payload == "2");
  CHECK(records[0].request.session.value == 11);
  CHECK(records[0].from == "alice");
  CHECK(records[0].device == "phone");
  const auto raw = world.raw_frames(client);
  REQUIRE(raw.size() == 2);  // nothing precedes the login answer
  CHECK(v2_parse(raw[0]).has_conack());
  CHECK(raw[1].empty());
}

TEST_CASE("a login that failed: its answer, then close; what waited is not served") {
  GatewayFixture world;
  const auto client = world.io.connect();
  world.io.write(client,
                 v2_connect(connect_message("alice"), 9) + v2_message(2, message_to("b", "1")));
  world.turns(3);
  const auto login = world.next_record();
  REQUIRE(login);
  world.answer_login(*login, Code::kUnauthenticated, 0, "", "", 0, 0, "wrong login");
  world.turns(5);
  const auto frames = world.frames(client);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].id() == 9);
  CHECK(frames[0].conack().code() == 3);
  CHECK(frames[0].conack().reason() == "wrong login");
  CHECK(world.io.ended(client) == SimIo::End::kClosed);
  CHECK(world.all_records().empty());  // no kEnded either: there was no session
}

TEST_CASE("a client that goes while its login is pending: kEnded with session 0") {
  GatewayFixture world;
  const auto client = world.io.connect();
  world.io.write(client, v2_connect(connect_message("alice"), 9));
  world.turns(3);
  const auto login = world.next_record();
  REQUIRE(login);
  world.io.reset(client);
  world.turns(3);
  const auto ended = world.next_record(login->worker);
  REQUIRE(ended);
  CHECK(ended->kind == RecordKind::kEnded);
  CHECK(ended->session.session.value == 0);
  CHECK(ended->session.connection == login->login.connection);
  CHECK(world.gateway->connection_count() == 0);
  // The answer that was under way finds nobody, not even the slot's next tenant.
  const auto next = world.io.connect();
  world.io.write(next, v2_connect(connect_message("bob"), 9));
  world.turns(3);
  const auto second = world.next_record();
  REQUIRE(second);
  CHECK(second->login.connection.slot() == login->login.connection.slot());
  CHECK(second->login.connection != login->login.connection);
  world.answer_login(*login, Code::kOk, 1, "alice");
  world.turns(3);
  CHECK(world.raw_frames(next).empty());
  CHECK(world.count(Counter::kRecordsStale) == 1);
}

TEST_CASE("half-close after CONNECT and requests: the login and all requests are still served") {
  GatewayFixture world;
  const auto client = world.io.connect();
  world.io.write(client,
                 v2_connect(connect_message("alice")) + v2_message(2, message_to("bob", "1")));
  world.io.half_close(client);
  world.turns(4);
  const auto login = world.next_record();
  REQUIRE(login);
  world.answer_login(*login, Code::kOk, 4, "alice");
  world.turns(3);
  const auto records = world.records_of(RecordKind::kMessage);
  REQUIRE(records.size() == 1);
  CHECK(world.io.ended(client) == SimIo::End::kOpen);
  world.respond(records[0], Code::kOk, 3);
  world.turns(4);
  const auto frames = world.frames(client);
  REQUIRE(frames.size() == 2);
  CHECK(frames[1].response().seq() == 3);
  CHECK(world.io.ended(client) == SimIo::End::kClosed);
  const auto ended = world.all_records();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].kind == RecordKind::kEnded);
  CHECK(ended[0].session.session.value == 4);
}

TEST_CASE("half-close after CONNECT alone is answered too") {
  GatewayFixture world;
  const auto client = world.io.connect();
  world.io.write(client, v2_connect(connect_message("alice")));
  world.io.half_close(client);
  world.turns(4);
  const auto login = world.next_record();
  REQUIRE(login);
  world.answer_login(*login, Code::kOk, 4, "alice");
  world.turns(4);
  CHECK(world.frames(client).size() == 1);
  CHECK(world.io.ended(client) == SimIo::End::kClosed);
  CHECK(world.gateway->connection_count() == 0);
}

TEST_CASE("names of any length reach the records: up to 52 bytes inline, else in a block") {
  struct Row {
    std::size_t user, device;
  };
  for (const Row& row :
       {Row{1, 0}, Row{25, 23}, Row{25, 24}, Row{50, 0}, Row{51, 0}, Row{64, 64}}) {
    CAPTURE(row.user);
    CAPTURE(row.device);
    GatewayFixture world;
    const std::string user(row.user, 'u');
    const std::string device(row.device, 'd');
    const auto session = world.log_in(user, device);
    const std::size_t idle_bytes = world.gateway->memory_bytes();
    const std::size_t fields_bytes = 2 + row.user + (row.device == 0 ? 0 : 2 + row.device);
    CHECK((idle_bytes == 0) == (fields_bytes <= 52));
    world.io.write(session.client, v2_message(2, message_to("bob", "m")));
    world.turns(2);
    const auto records = world.records_of(RecordKind::kMessage);
    REQUIRE(records.size() == 1);
    CHECK(records[0].from == user);
    CHECK(records[0].device == device);
    world.io.reset(session.client);
    world.turns(3);
    CHECK(world.gateway->memory_bytes() == 0);
  }
}
