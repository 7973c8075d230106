// Frames, the first frame, heartbeats, protocol errors: PROTOCOL.md sections 1, 2, 8.
#include <doctest/doctest.h>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

namespace {

std::string padded_connect(std::size_t payload_bytes) {
  // A CONNECT frame of exactly that many bytes, by its token.
  for (std::size_t token = 1;; ++token) {
    Connect connect = connect_message("alice");
    connect.set_token(std::string(token, 't'));
    v2::Command command;
    command.set_version(2);
    *command.mutable_connect() = connect;
    const std::string bytes = command.SerializeAsString();
    if (bytes.size() == payload_bytes) return framed(bytes);
    if (bytes.size() > payload_bytes) return {};
  }
}

// What the server does with first bytes: the frames that come back, and how it ended.
struct Outcome {
  std::vector<std::string> frames;
  std::vector<Taken> records;
  SimIo::End end;
};
Outcome first_bytes(GatewayFixture& world, const std::string& bytes) {
  const auto client = world.io.connect();
  world.io.write(client, bytes);
  world.turns(6);
  Outcome outcome{world.raw_frames(client), world.all_records(), SimIo::End::kOpen};
  outcome.end = world.io.ended(client);
  return outcome;
}

void check_protocol_error_v2(const Outcome& outcome, int version) {
  REQUIRE(outcome.frames.size() == 1);
  const v2::Command command = v2_parse(outcome.frames[0]);
  CHECK(command.version() == version);
  REQUIRE(command.has_disconnect());
  CHECK(command.disconnect().code() == 3);
  CHECK_FALSE(command.disconnect().reason().empty());
  CHECK(outcome.end == SimIo::End::kClosed);
  CHECK(outcome.records.empty());
}

}  // namespace

TEST_CASE("a first frame of 4,096 bytes is taken, one of 4,097 is a protocol error by its length") {
  GatewayFixture world;
  for (const std::size_t bytes : {4095u, 4096u}) {
    const Outcome outcome = first_bytes(world, padded_connect(bytes));
    CAPTURE(bytes);
    REQUIRE(outcome.records.size() == 1);
    CHECK(outcome.records[0].kind == RecordKind::kLogin);
  }
  check_protocol_error_v2(first_bytes(world, padded_connect(4097)), 2);
  check_protocol_error_v2(first_bytes(world, std::string("\x81\x20", 2)), 2);  // the length alone
}

TEST_CASE("wrong first frames end in Disconnect PROTOCOL_ERROR") {
  struct Row {
    const char* rule;
    std::string bytes;
    int version;
  };
  v2::Command response;
  response.set_version(9);
  response.mutable_response();
  v2::Command request;
  request.set_version(7);
  request.mutable_request();
  v2::Command conack;
  conack.set_version(2);
  conack.mutable_conack();
  const Row rows[] = {
      {"a heartbeat as the first frame", std::string(1, '\0'), 2},
      {"a length over 5 bytes", "\xff\xff\xff\xff\xff\x01", 2},
      {"a length over 2^32-1", "\xff\xff\xff\xff\x1f", 2},
      {"2 GiB announced", "\x80\x80\x80\x80\x08", 2},
      {"no protobuf", framed("\xff\xff\xff"), 2},
      {"none of the fields 3 to 7", framed(std::string("\x08\x02", 2)), 2},
      {"a ConAck from a client", v2_frame(conack), 2},
      {"a request first echoes the version", v2_frame(request), 7},
      {"a response first", v2_frame(response), 9},
  };
  GatewayFixture world;
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    const std::size_t memory = world.gateway->memory_bytes();
    check_protocol_error_v2(first_bytes(world, row.bytes), row.version);
    CHECK(world.gateway->memory_bytes() == memory);
  }
  CHECK(world.count(Counter::kClosedProtocolError) == 0);  // the clients still hold their ends
  world.pass(1200);
  CHECK(world.count(Counter::kClosedProtocolError) == std::size(rows));
  CHECK(world.gateway->connection_count() == 0);
}

TEST_CASE("a v1 listener says Disconnect in the envelope, version 1, before the first frame") {
  Config config = test_config();
  config.edition = EditionChoice::kV1;
  GatewayFixture world(config);
  const Outcome outcome = first_bytes(world, std::string(1, '\0'));
  REQUIRE(outcome.frames.size() == 1);
  const v1::Command command = v1_parse(outcome.frames[0]);
  CHECK(command.version() == 1);
  CHECK(command.command() == v1::Command::DISCONNECT);
  Disconnect disconnect;
  REQUIRE(disconnect.ParseFromString(command.payload()));
  CHECK(disconnect.code() == 3);
}

TEST_CASE("the edition of the first frame decides, and its version is echoed") {
  struct Row {
    const char* rule;
    EditionChoice listener;
    std::string first;
    bool envelope;
    int version;
  };
  const std::string connect = connect_message("alice").SerializeAsString();
  v1::Command no_version;  // field 2 present
  no_version.set_command(v1::Command::CONNECT);
  no_version.set_payload(connect);
  const std::string explicit_connect = framed(
      std::string("\x10\x00\x1a", 3) + std::string(1, static_cast<char>(connect.size())) + connect);
  const Row rows[] = {
      {"version 1: envelope", EditionChoice::kAuto, v1_frame(v1::Command::CONNECT, 4, connect),
       true, 1},
      {"version 2: typed", EditionChoice::kAuto, v2_connect(connect_message("alice"), 4, 2), false,
       2},
      {"version 0: typed", EditionChoice::kAuto, v2_connect(connect_message("alice"), 4, 0), false,
       0},
      {"version -5: typed", EditionChoice::kAuto, v2_connect(connect_message("alice"), 4, -5),
       false, -5},
      {"field 2 present: envelope", EditionChoice::kAuto, explicit_connect, true, 0},
      {"a v1 listener takes any version", EditionChoice::kV1,
       v2_connect(connect_message("alice"), 4, 2), true, 2},
      {"a v2 listener takes version 1", EditionChoice::kV2,
       v2_connect(connect_message("alice"), 4, 1), false, 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    Config config = test_config();
    config.edition = row.listener;
    GatewayFixture world(config);
    const auto client = world.io.connect();
    world.io.write(client, row.first);
    world.turns(3);
    const auto login = world.next_record();
    REQUIRE(login);
    REQUIRE(login->kind == RecordKind::kLogin);
    CHECK(login->connect == connect);
    world.answer_login(*login, Code::kOk, 77, "alice");
    world.turns(3);
    const auto frames = world.raw_frames(client);
    REQUIRE(frames.size() == 1);
    if (row.envelope) {
      const v1::Command command = v1_parse(frames[0]);
      CHECK(command.version() == row.version);
      CHECK(command.command() == v1::Command::RESPONSE);
      CHECK(command.id() == login->login.request_id);
      Response response;
      REQUIRE(response.ParseFromString(command.payload()));
      CHECK(response.code() == 0);
      ConAck conack;
      REQUIRE(conack.ParseFromString(response.payload()));
      CHECK(conack.session() == 77);
    } else {
      const v2::Command command = v2_parse(frames[0]);
      CHECK(command.version() == row.version);
      CHECK(command.id() == 4);
      REQUIRE(command.has_conack());
      CHECK(command.conack().session() == 77);
      CHECK(command.conack().max_frame_bytes() == 65536);
      CHECK(command.conack().inbox_seq() == 9);
      CHECK(command.conack().acked_seq() == 8);
      CHECK(command.conack().first_seq() == 1);
      CHECK(command.conack().epoch() == "epoch");
      CHECK(command.conack().server_time_ms() == 123);
      CHECK(static_cast<int>(command.conack().durability()) == 2);
    }
  }
}

TEST_CASE("a stream is the same however it is cut: every split point, and byte by byte") {
  const std::string stream = v2_connect(connect_message("alice")) + std::string(1, '\0') +
                             v2_message(2, message_to("bob", std::string(300, 'x'))) +
                             v2_message(3, message_to("carol", "y"));
  const auto run = [&](auto write) {
    GatewayFixture world;
    const auto client = world.io.connect();
    write(world, client);
    world.turns(3);
    const auto login = world.next_record();
    REQUIRE(login);
    world.answer_login(*login, Code::kOk, 1, "alice");
    world.turns(4);
    std::vector<Taken> records = world.all_records();
    REQUIRE(records.size() == 2);
    if (records[0].request.request_id != 2) std::swap(records[0], records[1]);
    CHECK(records[0].payload == std::string(300, 'x'));
    CHECK(records[1].payload == "y");
    const auto frames = world.raw_frames(client);
    REQUIRE(frames.size() == 2);
    CHECK(frames[1].empty());  // the heartbeat
  };
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    run([&](GatewayFixture& world, SimIo::Client client) {
      world.io.write(client, stream.substr(0, cut));
      world.turns(2);
      world.io.write(client, stream.substr(cut));
    });
  }
  run([&](GatewayFixture& world, SimIo::Client client) {
    for (const char byte : stream) {
      world.io.write(client, std::string(1, byte));
      world.turn();
    }
  });
}

TEST_CASE("a frame of max_frame_bytes is taken, one byte more is a protocol error") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  // A request whose frame is exactly `bytes` long.
  const auto request_of = [](std::size_t bytes) {
    for (std::size_t payload = bytes - 64;; ++payload) {
      v2::Command command;
      command.set_version(2);
      command.set_id(5);
      command.mutable_request()->set_payload(
          message_to("bob", std::string(payload, 'p')).SerializeAsString());
      const std::string whole = command.SerializeAsString();
      if (whole.size() == bytes) return framed(whole);
    }
  };
  world.io.write(session.client, request_of(65536));
  world.turns(20);
  auto frames = world.frames(session.client);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].response().code() == 9);  // TOO_LARGE: the payload is over max_message_bytes
  world.io.write(session.client, request_of(65537));
  world.turns(20);
  frames = world.frames(session.client);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].disconnect().code() == 3);
}

TEST_CASE("a protocol error after requests: they are answered before the Disconnect") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, v2_message(2, message_to("bob", "m")) + framed("\xff\xff"));
  world.turns(4);
  const auto records = world.records_of(RecordKind::kMessage);
  REQUIRE(records.size() == 1);
  CHECK(world.frames(session.client).empty());
  world.respond(records[0], Code::kOk, 1);
  world.turns(4);
  const auto frames = world.frames(session.client);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].id() == 2);
  CHECK(frames[1].disconnect().code() == 3);
  CHECK(frames[1].version() == 2);
}

TEST_CASE("later frames: a second CONNECT is a protocol error, a Response is ignored") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  v2::Command response;
  response.mutable_response()->set_code(5);
  world.io.write(session.client, v2_frame(response) + std::string(1, '\0'));
  world.turns(3);
  CHECK(world.raw_frames(session.client) == std::vector<std::string>{""});
  world.io.write(session.client, v2_connect(connect_message("alice")));
  world.turns(4);
  const auto frames = world.frames(session.client);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].disconnect().code() == 3);
}
