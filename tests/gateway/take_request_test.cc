// Requests: what the gateway refuses, where each one goes
// (PROTOCOL.md sections 1, 3, 4, 5, 6).
#include <doctest/doctest.h>

#include "shared/ops.h"
#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

namespace {

std::string group_request(std::uint64_t id, const GroupRequest& group) {
  return v2_request(id, Request::GROUP, group.SerializeAsString());
}

GroupRequest group_op(int op, const std::string& group) {
  GroupRequest request;
  request.set_op(static_cast<GroupRequest::Op>(op));
  request.set_group(group);
  return request;
}

std::string sync_of(std::uint64_t id, const std::string& group, std::uint64_t after,
                    std::uint64_t before, std::uint32_t limit) {
  SyncRequest sync;
  sync.set_group(group);
  sync.set_after_seq(after);
  sync.set_before_seq(before);
  sync.set_limit(limit);
  return v2_request(id, Request::SYNC, sync.SerializeAsString());
}

std::string ack_of(std::uint64_t id, const std::string& group, std::uint64_t seq) {
  AckRequest ack;
  ack.set_group(group);
  ack.set_seq(seq);
  return v2_request(id, Request::ACK, ack.SerializeAsString());
}

std::string with_options(int count, bool last_offline) {
  v2::Command command;
  command.set_id(2);
  Request& request = *command.mutable_request();
  request.set_payload(message_to("bob", "m").SerializeAsString());
  for (int i = 0; i < count; ++i) request.add_opts();
  if (last_offline) request.mutable_opts(count - 1)->set_offline(true);
  return v2_frame(command);
}

}  // namespace

TEST_CASE("requests that the gateway refuses: code, no record, the connection lives") {
  const std::string huge(64513, 'p');  // max_message_bytes + 1
  const auto message = [](auto change) {
    Message m = message_to("bob", "m");
    change(m);
    return v2_message(2, m);
  };
  const auto raw = [](Request::RequestType type, const std::string& payload) {
    return v2_request(2, type, payload);
  };
  const auto group = [](int op, auto change) {
    GroupRequest g = group_op(op, "team");
    change(g);
    return group_request(2, g);
  };
  const auto nothing = [](auto&) {};
  const auto users = [](int count) {
    return [count](GroupRequest& g) {
      for (int i = 0; i < count; ++i) g.add_users("u" + std::to_string(i));
    };
  };
  struct Row {
    const char* rule;
    std::string frame;
    int code;
  };
  const Row rows[] = {
      {"unknown request type", raw(static_cast<Request::RequestType>(6), ""), 13},
      {"negative request type", raw(static_cast<Request::RequestType>(-1), ""), 13},
      {"unknown message type",
       message([](Message& m) { m.set_type(static_cast<Message::MessageType>(10)); }), 13},
      {"RECALL without offline", message([](Message& m) { m.set_type(Message::RECALL); }), 2},
      {"unknown type goes before neither to nor group", message([](Message& m) {
         m.clear_to();
         m.set_type(static_cast<Message::MessageType>(10));
       }),
       13},
      {"payload that does not decode", raw(Request::MESSAGE, "\xff"), 2},
      {"to is not UTF-8", raw(Request::MESSAGE, "\x22\x01\xff"), 2},
      {"neither to nor group", message([](Message& m) { m.clear_to(); }), 2},
      {"both to and group", message([](Message& m) { m.set_group("g"); }), 2},
      {"to with white space", message([](Message& m) { m.set_to("a\tb"); }), 2},
      {"to of 65 bytes", message([](Message& m) { m.set_to(std::string(65, 'x')); }), 2},
      {"group of 65 bytes", message([](Message& m) {
         m.clear_to();
         m.set_group(std::string(65, 'x'));
       }),
       2},
      {"client_id of 33 bytes", message([](Message& m) { m.set_client_id(std::string(33, 'c')); }),
       2},
      {"17 options", with_options(17, false), 2},
      {"payload over max_message_bytes", message([&](Message& m) { m.set_payload(huge); }), 9},
      {"BAD_REQUEST goes before TOO_LARGE", message([&](Message& m) {
         m.set_payload(huge);
         m.set_to("a b");
       }),
       2},
      {"SYNC that does not decode", raw(Request::SYNC, "\xff"), 2},
      {"SYNC with after_seq and before_seq", sync_of(2, "", 1, 2, 0), 2},
      {"SYNC of a bad group", sync_of(2, "a b", 1, 0, 0), 2},
      {"ACK that does not decode", raw(Request::ACK, "\x08"), 2},
      {"ACK of a bad group", ack_of(2, "#", 1), 2},
      {"GROUP that does not decode", raw(Request::GROUP, "\xff"), 2},
      {"unknown group op", group(13, nothing), 13},
      {"negative group op", group(-1, nothing), 13},
      {"unknown role",
       group(8,
             [](GroupRequest& g) {
               g.add_users("u");
               g.set_role(static_cast<GroupRequest::Role>(3));
             }),
       13},
      {"GROUP without a group", group_request(2, group_op(0, "")), 2},
      {"GROUP of a bad group", group_request(2, group_op(0, "a/b")), 2},
      {"INVITE without users", group(4, nothing), 2},
      {"KICK without users", group(5, nothing), 2},
      {"SET_ROLE without users", group(8, nothing), 2},
      {"MUTE without users", group(11, nothing), 2},
      {"UNMUTE without users", group(12, nothing), 2},
      {"501 users", group(4, users(501)), 2},
      {"a bad user",
       group(4,
             [](GroupRequest& g) {
               g.add_users("ok");
               g.add_users("no good");
             }),
       2},
      {"a group name of 257 bytes",
       group(9, [](GroupRequest& g) { g.set_name(std::string(257, 'n')); }), 2},
      {"a group name with a control character",
       group(9, [](GroupRequest& g) { g.set_name("a\nb"); }), 2},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    GatewayFixture world;
    const auto session = world.log_in("alice");
    world.io.write(session.client, row.frame + std::string(1, '\0'));
    world.turns(40);
    const auto raw_frames = world.raw_frames(session.client);
    REQUIRE(raw_frames.size() == 2);
    const v2::Command command = v2_parse(raw_frames[0]);
    CHECK(command.id() == 2);
    CHECK(command.response().code() == row.code);
    CHECK_FALSE(command.response().reason().empty());
    CHECK(raw_frames[1].empty());
    CHECK(world.all_records().empty());
  }
}

TEST_CASE("requests at the limits pass") {
  struct Row {
    const char* rule;
    std::string frame;
  };
  Message long_id = message_to(std::string(64, 't'), "m");
  long_id.set_client_id(std::string(32, 'c'));
  GroupRequest many = group_op(4, std::string(64, 'g'));
  for (int i = 0; i < 500; ++i) many.add_users("u" + std::to_string(i));
  GroupRequest named = group_op(9, "team");
  named.set_name(std::string(256, 'n'));
  const Row rows[] = {
      {"client_id of 32 bytes, to of 64", v2_message(2, long_id)},
      {"payload of max_message_bytes", v2_message(2, message_to("bob", std::string(64512, 'p')))},
      {"an empty payload", v2_message(2, message_to("bob", ""))},
      {"16 options", with_options(16, false)},
      {"500 users", group_request(2, many)},
      {"a name of 256 bytes", group_request(2, named)},
      {"SYNC with neither seq", sync_of(2, "", 0, 0, 0)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    GatewayFixture world;
    const auto session = world.log_in("alice");
    world.io.write(session.client, row.frame);
    world.turns(40);
    CHECK(world.all_records().size() == 1);
    CHECK(world.frames(session.client).empty());
  }
}

TEST_CASE("a message becomes one record at the owner of its target") {
  GatewayFixture world;
  const auto session = world.log_in("alice", "phone");
  for (int i = 0; i < 20; ++i) {
    Message message;
    const std::string name = "target" + std::to_string(i);
    const bool to_group = i % 2 == 1;
    if (to_group) {
      message.set_group(name);
    } else {
      message.set_to(name);
    }
    message.set_type(Message::LOCATION);
    message.set_client_id("cid");
    message.set_payload("text");
    message.set_from("mallory");  // the server's to set
    world.io.write(session.client,
                   v2_message(50 + static_cast<std::uint64_t>(i), message, i % 3 == 0));
    world.turns(2);
    const std::size_t owner = world.owner(to_group ? NameKind::kGroup : NameKind::kUser, name);
    const auto record = world.next_record(owner);
    REQUIRE(record);
    CHECK(record->kind == RecordKind::kMessage);
    CHECK(record->request.header.flags ==
          ((to_group ? kFlagToGroup : 0) | (i % 3 == 0 ? kFlagOffline : 0)));
    CHECK(record->request.type == 5);
    CHECK(record->request.request_id == 50 + static_cast<std::uint64_t>(i));
    CHECK(record->request.session.value == session.session);
    CHECK(record->request.sender.value == 1000 + session.session);
    CHECK(record->request.tenant.value == 5);
    CHECK(record->request.connection == session.connection);
    CHECK(record->request.sender_hash == session.login.login.user_hash);
    CHECK(record->request.trace == 0);
    CHECK(record->from == "alice");
    CHECK(record->device == "phone");
    CHECK(record->target == name);
    CHECK(record->client_id == "cid");
    CHECK(record->payload == "text");
    CHECK_FALSE(world.next_record());
    world.respond(*record, Code::kOk, 7);
    world.turns(2);
  }
  CHECK(world.count(Counter::kPayloadBytesCopied) == 80);
}

TEST_CASE("several options: any offline counts") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.io.write(session.client, with_options(3, true));
  world.turns(2);
  const auto records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].has(kFlagOffline));
}

TEST_CASE("ACK goes to the session's own worker, SYNC and GROUP to the owner") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  const std::size_t home = world.owner(NameKind::kUser, "alice");
  std::string away = "g0";  // a group that another worker owns
  while (world.owner(NameKind::kGroup, away) == home) away += "x";

  const auto only = [&](const std::string& frame, std::size_t worker) {
    world.io.write(session.client, frame);
    world.turns(2);
    auto record = world.next_record(worker);
    REQUIRE(record);
    CHECK_FALSE(world.next_record());
    world.respond(*record, Code::kOk);
    world.turns(2);
    world.frames(session.client);
    return *record;
  };
  Taken record = only(ack_of(2, "", 44), home);
  CHECK(record.kind == RecordKind::kAck);
  CHECK(record.request.seq == 44);
  CHECK(record.target == "alice");
  CHECK(record.request.header.flags == 0);
  record = only(ack_of(3, away, 45), home);
  CHECK(record.target == away);
  CHECK(record.request.header.flags == kFlagToGroup);
  record = only(sync_of(4, "", 5, 0, 17), home);
  CHECK(record.kind == RecordKind::kSync);
  CHECK(record.target == "alice");
  CHECK(record.request.seq == 5);
  CHECK(record.request.limit == 17);
  CHECK(record.request.header.flags == kFlagBigAnswer);
  record = only(sync_of(5, away, 0, 9, 0), 1 - home);
  CHECK(record.request.before_seq == 9);
  CHECK(record.request.header.flags == (kFlagBigAnswer | kFlagToGroup));
  record = only(group_request(6, group_op(7, away)), 1 - home);
  CHECK(record.kind == RecordKind::kGroup);
  CHECK(record.request.type == 7);
  CHECK(record.target == away);
  CHECK(record.payload == group_op(7, away).SerializeAsString());
  record = only(group_request(7, group_op(10, "")), home);
  CHECK(record.target == "alice");
  CHECK(record.request.header.flags == kFlagBigAnswer);
}

TEST_CASE("CREATE without a group gets a name of at least 80 bits, and goes where that belongs") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  std::vector<std::string> names;
  for (std::uint64_t id = 2; id < 12; ++id) {
    world.io.write(session.client, group_request(id, group_op(1, "")));
    world.turns(2);
    const auto records = world.all_records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].target.size() == 33);
    CHECK(records[0].worker == world.owner(NameKind::kGroup, records[0].target));
    for (const std::string& name : names) CHECK(name != records[0].target);
    names.push_back(records[0].target);
    world.respond(records[0], Code::kOk);
    world.turns(1);
  }
}

TEST_CASE("an ACK with id 0 is not answered, not counted, and holds nothing back") {
  Config config = test_config();
  config.max_inflight = 2;
  GatewayFixture world(config);
  const auto session = world.log_in("alice");
  std::string bytes;
  for (std::uint64_t seq = 1; seq <= 5; ++seq) bytes += ack_of(0, "", seq);
  world.io.write(session.client, bytes + ack_of(0, "a b", 1) + std::string(1, '\0'));
  world.turns(3);
  const auto records = world.all_records();
  REQUIRE(records.size() == 5);
  CHECK(records[4].request.header.flags == kFlagNoAnswer);
  CHECK(world.raw_frames(session.client) == std::vector<std::string>{""});
  CHECK(world.count(Counter::kAcksIgnored) == 1);
}

TEST_CASE("send_only: ACK is UNSUPPORTED (with id 0: ignored), records carry the flag") {
  GatewayFixture world;
  const auto session = world.log_in("alice", "", kFlagSendOnly);
  world.io.write(session.client, ack_of(2, "", 1) + ack_of(0, "", 1) +
                                     v2_request(3, Request::ACK, "\xff") +
                                     v2_message(4, message_to("bob", "m")));
  world.turns(3);
  const auto frames = world.frames(session.client);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].response().code() == 13);
  CHECK(frames[1].response().code() == 13);
  CHECK(world.count(Counter::kAcksIgnored) == 1);
  const auto records = world.all_records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].has(kFlagSendOnly));
}
