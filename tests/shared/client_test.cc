// The client library against a fake server on a socketpair: what it writes decodes with the
// server's own codec, what the server's encoder writes it reads, in both editions.
#include "shared/client/client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "shared/command.h"
#include "shared/encode.h"
#include "shared/payload.h"
#include "shared/results.h"
#include "tests/shared/fake_server.h"

namespace ims::client {
namespace {

using namespace std::chrono_literals;

template <typename T>
T expect_event(Client& client) {
  const auto event = client.poll(2s);
  REQUIRE(event.has_value());
  REQUIRE(std::holds_alternative<T>(*event));
  return std::get<T>(*event);
}

ClientError::Kind error_of_poll(Client& client) {
  try {
    while (client.poll(2s)) {
    }
  } catch (const ClientError& error) {
    return error.kind();
  }
  return ClientError::Kind::kTimeout;
}

TEST_CASE(
    "login: the frame's first bytes choose the edition, every field arrives, the answer is read") {
  for (const Wire wire : kWires) {
    CAPTURE(wire.version);
    Pair pair(wire);
    // The answer waits in the socket already: the fake server has no thread.
    pair.server.send_conack(outer_of(wire), 1,
                            {Code::kOk, "", 77, -5, 65536, 9, 4, 0, as_bytes("0123456789abcdef"),
                             Durability::kOs, 2});
    const LoginAnswer answer = pair.client.login(
        {"org", "key", "ann", "secret", "phone", 30, AckMode::kExplicit, true}, 2s);
    CHECK(answer.code == Code::kOk);
    CHECK(answer.id == 1);
    CHECK(answer.session == 77);
    CHECK(answer.server_time_ms == -5);
    CHECK(answer.max_frame_bytes == 65536);
    CHECK(answer.inbox_seq == 9);
    CHECK(answer.acked_seq == 4);
    CHECK(answer.epoch == "0123456789abcdef");
    CHECK(answer.durability == Durability::kOs);
    CHECK(answer.first_seq == 2);

    const std::string frame = pair.server.take_frame();
    CHECK(detect_edition(as_bytes(frame)) == wire.edition);
    Command command;
    REQUIRE(decode_command(wire.edition, as_bytes(frame), command) == DecodeStatus::kOk);
    CHECK(command.kind == CommandKind::kConnect);
    CHECK(command.version == wire.version);
    CHECK(command.id == 1);
    ConnectView connect;
    REQUIRE(decode_connect(command.body, connect) == DecodeStatus::kOk);
    CHECK(connect.org == "org");
    CHECK(connect.appkey == "key");
    CHECK(connect.user == "ann");
    CHECK(connect.token == "secret");
    CHECK(connect.device == "phone");
    CHECK(connect.keepalive_s == 30);
    CHECK(connect.ack == 1);
    CHECK(connect.send_only);
  }
}

TEST_CASE("login: a refusal is an answer, a Disconnect and an end are errors") {
  for (const Wire wire : kWires) {
    CAPTURE(wire.version);
    {
      Pair pair(wire);
      pair.server.send_conack(outer_of(wire), 1,
                              {Code::kUnauthenticated, "no", 0, 0, 0, 0, 0, 5, {},
                               Durability::kSync, 0});
      const LoginAnswer answer = pair.client.login({}, 2s);
      CHECK(answer.code == Code::kUnauthenticated);
      CHECK(answer.reason == "no");
      CHECK(answer.retry_after_ms == 5);
    }
    {
      Pair pair(wire);
      pair.server.send_disconnect(outer_of(wire), {DisconnectCode::kProtocolError, "bad", 0});
      CHECK_THROWS_WITH_AS(pair.client.login({}, 2s), "disconnected at login: bad", ClientError);
    }
    {
      Pair pair(wire);  // nothing is answered
      CHECK_THROWS_WITH_AS(pair.client.login({}, 20ms), "no answer to the login", ClientError);
    }
  }
}

TEST_CASE("requests: every kind decodes with the server's codec; ids ascend, an ACK has none") {
  for (const Wire wire : kWires) {
    CAPTURE(wire.version);
    Pair pair(wire);
    Client& client = pair.client;
    Command command;
    RequestView request;
    const auto take = [&] {
      static std::string frame;
      frame = pair.server.take_frame();
      REQUIRE(decode_command(wire.edition, as_bytes(frame), command) == DecodeStatus::kOk);
      REQUIRE(command.kind == CommandKind::kRequest);
      REQUIRE(decode_request(command.body, request) == DecodeStatus::kOk);
    };
    const std::uint64_t first = client.send_message(
        {MessageType::kCustom, "hello", "bob", "", "id-1"}, /*offline=*/true);
    take();
    CHECK(command.id == first);
    CHECK(request.type == 0);
    CHECK(request.offline);
    MessageView message;
    REQUIRE(decode_message(request.payload, message) == DecodeStatus::kOk);
    CHECK(message.type == 6);
    CHECK(as_text(message.payload) == "hello");
    CHECK(message.to == "bob");
    CHECK(message.group.empty());
    CHECK(as_text(message.client_id) == "id-1");
    CHECK(message.spliceable);

    CHECK(client.send_message({.group = "g"}, false) == first + 1);
    take();
    CHECK_FALSE(request.offline);

    CHECK(client.send_group(
              {GroupOp::kCreate, "g", {"a", "b"}, "Name", Role::kAdmin, true, "c", 7}) ==
          first + 2);
    take();
    GroupRequestView group;
    REQUIRE(decode_group_request(request.payload, group) == DecodeStatus::kOk);
    CHECK(group.op == 1);
    CHECK(group.group == "g");
    CHECK(std::vector<std::string>(group.users.begin(), group.users.end()) ==
          std::vector<std::string>{"a", "b"});
    CHECK(group.name == "Name");
    CHECK(group.role == 1);
    CHECK(group.open);
    CHECK(group.cursor == "c");
    CHECK(group.limit == 7);

    client.send_sync("g", 12, 50);
    take();
    SyncView sync;
    REQUIRE(decode_sync(request.payload, sync) == DecodeStatus::kOk);
    CHECK(sync.group == "g");
    CHECK(sync.after_seq == 12);
    CHECK(sync.limit == 50);

    client.send_ack("", 1ull << 40);
    take();
    CHECK(command.id == 0);
    AckView ack;
    REQUIRE(decode_ack(request.payload, ack) == DecodeStatus::kOk);
    CHECK(ack.group.empty());
    CHECK(ack.seq == 1ull << 40);

    client.send_heartbeat();
    CHECK(pair.server.take_frame().empty());
    client.send_disconnect();
    const std::string last = pair.server.take_frame();
    REQUIRE(decode_command(wire.edition, as_bytes(last), command) == DecodeStatus::kOk);
    CHECK(command.kind == CommandKind::kDisconnect);
  }
}

// The bytes of all kinds of server frames, one after the other.
void send_all_kinds(FakeServer& server, Wire wire) {
  const Outer outer = outer_of(wire);
  server.send_response(outer, 300, {Code::kOk, "", 5, 6, as_bytes("xyz"), true, 0});
  server.send_response(outer, 301, {Code::kQueueFull, "full", 0, 0, {}, false, 9});
  const std::string text = text_payload("hi");
  const MessageFields message{.type = 0, .payload = as_bytes(text), .from = "bob", .to = "ann",
                              .group = "", .client_id = as_bytes("c"), .seq = 3, .time_ms = 4,
                              .device = "d", .peer_seq = 8};
  std::vector<std::byte> body(push_message_bytes(message));
  write_push_message(body.data(), message);
  server.send_push(outer, body);
  const std::string_view users[] = {"ann", "eve"};
  const GroupEventFields event{.op = GroupOp::kInvite, .group = "g", .by = "bob", .users = users,
                               .seq = 7, .time_ms = 8, .name = "n", .role = Role::kAdmin};
  body.resize(push_group_event_bytes(event));
  write_push_group_event(body.data(), event);
  server.send_push(outer, body);
  server.send_bytes(std::string_view("\0", 1));
  server.send_disconnect(outer, {DisconnectCode::kShutdown, "bye", 250});
}

void expect_all_kinds(Client& client) {
  const auto answer = expect_event<Answer>(client);
  CHECK(answer.id == 300);
  CHECK(answer.seq == 5);
  CHECK(answer.time_ms == 6);
  CHECK(answer.payload == "xyz");
  CHECK(answer.duplicate);
  const auto refused = expect_event<Answer>(client);
  CHECK(refused.id == 301);
  CHECK(refused.code == Code::kQueueFull);
  CHECK(refused.reason == "full");
  CHECK(refused.retry_after_ms == 9);

  const auto pushed = expect_event<Push>(client);
  REQUIRE(pushed.type == RequestType::kMessage);
  const auto message = decode_in_message(pushed.payload);
  REQUIRE(message.has_value());
  CHECK(decode_text(message->payload) == "hi");
  CHECK(message->from == "bob");
  CHECK(message->to == "ann");
  CHECK(message->client_id == "c");
  CHECK(message->device == "d");
  CHECK(message->seq == 3);
  CHECK(message->time_ms == 4);
  CHECK(message->peer_seq == 8);

  const auto group = expect_event<Push>(client);
  REQUIRE(group.type == RequestType::kGroup);
  const auto event = decode_group_event(group.payload);
  REQUIRE(event.has_value());
  CHECK(event->op == GroupOp::kInvite);
  CHECK(event->group == "g");
  CHECK(event->by == "bob");
  CHECK(event->users == std::vector<std::string>{"ann", "eve"});
  CHECK(event->seq == 7);
  CHECK(event->name == "n");
  CHECK(event->role == Role::kAdmin);

  expect_event<Heartbeat>(client);
  const auto farewell = expect_event<Farewell>(client);
  CHECK(farewell.code == DisconnectCode::kShutdown);
  CHECK(farewell.reason == "bye");
  CHECK(farewell.retry_after_ms == 250);
}

TEST_CASE("events: all kinds in one segment, and what came before the end is given out first") {
  for (const Wire wire : kWires) {
    CAPTURE(wire.version);
    Pair pair(wire);
    send_all_kinds(pair.server, wire);
    pair.server.hang_up();
    expect_all_kinds(pair.client);
    CHECK(error_of_poll(pair.client) == ClientError::Kind::kClosed);
  }
}

TEST_CASE("events: one byte at a time") {
  for (const Wire wire : kWires) {
    CAPTURE(wire.version);
    Pair source(wire);
    send_all_kinds(source.server, wire);
    std::string bytes(64 * 1024, '\0');
    const ssize_t got = recv(source.client.fd(), bytes.data(), bytes.size(), 0);
    REQUIRE(got > 100);
    bytes.resize(static_cast<std::size_t>(got));

    Pair pair(wire);
    std::thread writer([&] {
      for (const char& byte : bytes) send(pair.ends[0], &byte, 1, MSG_NOSIGNAL);
    });
    expect_all_kinds(pair.client);
    writer.join();
  }
}

TEST_CASE("events: what is no frame of a server") {
  struct Row {
    const char* rule;
    Wire wire;
    std::string bytes;
  };
  const Row rows[] = {
      {"a length over five bytes", kTyped, "\xff\xff\xff\xff\xff\x01"},
      {"a length over the largest frame", kTyped, "\xff\xff\xff\x7f"},
      {"typed: no command", kTyped, std::string("\x02\x08\x02", 3)},
      {"typed: a CONNECT", kTyped, std::string("\x04\x08\x02\x1a\x00", 5)},
      {"envelope: a CONNECT", kEnvelope, std::string("\x02\x08\x01", 3)},
      {"envelope: an unknown command", kEnvelope, std::string("\x04\x08\x01\x10\x07", 5)},
      {"a tag without its value", kTyped, std::string("\x01\x08", 2)},
      {"a Response cut short", kTyped, std::string("\x04\x3a\x02\x12\x05", 5)},
      {"a push of an unknown type", kTyped, std::string("\x04\x32\x02\x08\x63", 5)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    Pair pair(row.wire);
    pair.server.send_bytes(row.bytes);
    CHECK(error_of_poll(pair.client) == ClientError::Kind::kProtocol);
  }
}

TEST_CASE("results: pages as the server's encoder writes them") {
  Buffer page;
  append_group_member(page, {"ann", Role::kOwner, false});
  append_group_member(page, {"bob", Role::kMember, true});
  append_group_mine(page, "g1");
  append_group_tail(page, {"g", "Name", 2, 11, "bob", true});
  const auto group = decode_group_result(as_text(page));
  REQUIRE(group.has_value());
  REQUIRE(group->members.size() == 2);
  CHECK(group->members[0].user == "ann");
  CHECK(group->members[0].role == Role::kOwner);
  CHECK(group->members[1].muted);
  CHECK(group->groups == std::vector<std::string>{"g1"});
  CHECK(group->group == "g");
  CHECK(group->name == "Name");
  CHECK(group->member_count == 2);
  CHECK(group->head_seq == 11);
  CHECK(group->cursor == "bob");
  CHECK(group->open);

  page.clear();
  append_sync_message(page, {0, {}, "bob", "", "g", {}, 1, 0, "", 0});
  append_sync_group_event(page, {GroupOp::kJoin, "g", "eve", {}, 2, 0, "", Role::kMember});
  append_sync_contact_event(page, {ContactOp::kAdd, "eve", "hi", 3, 4});
  append_sync_tail(page, 9, true, 1);
  const auto sync = decode_sync_result(as_text(page));
  REQUIRE(sync.has_value());
  REQUIRE(sync->messages.size() == 1);
  CHECK(sync->messages[0].from == "bob");
  REQUIRE(sync->group_events.size() == 1);
  CHECK(sync->group_events[0].by == "eve");
  REQUIRE(sync->contact_events.size() == 1);
  CHECK(sync->contact_events[0].op == ContactOp::kAdd);
  CHECK(sync->contact_events[0].user == "eve");
  CHECK(sync->contact_events[0].note == "hi");
  CHECK(sync->contact_events[0].seq == 3);
  CHECK(sync->head_seq == 9);
  CHECK(sync->first_seq == 1);
  CHECK(sync->more);

  CHECK_FALSE(decode_group_result("\x1a\x05").has_value());
  CHECK_FALSE(decode_sync_result("\x0a\x02\x08").has_value());
  CHECK_FALSE(decode_group_event("\x08\x7f").has_value());
}

TEST_CASE("sending: while the server takes nothing, what it sends is read and kept") {
  Pair pair(kTyped);
  pair.client.set_send_timeout(5s);
  const std::string large(60'000, 'x');
  constexpr int kMessages = 100;  // more than both buffers of the socketpair hold
  // A server that first writes more than a buffer holds and only then reads.
  std::thread server([&] {
    const Outer outer = outer_of(kTyped);
    for (std::uint64_t id = 1; id <= kMessages; ++id) {
      pair.server.send_response(outer, id, {Code::kOk, "", 0, 0, as_bytes(large), false, 0});
    }
    for (int i = 0; i < kMessages; ++i) pair.server.take_frame();
  });
  for (int i = 0; i < kMessages; ++i)
    pair.client.send_message({.payload = large, .to = "bob"}, true);
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    CHECK(expect_event<Answer>(pair.client).id == id);
  }
  server.join();
}

TEST_CASE("sending: a server that takes nothing at all ends it in time") {
  Pair pair(kTyped);
  pair.client.set_send_timeout(50ms);
  const std::string large(60'000, 'x');
  const auto flood = [&] {
    for (int i = 0; i < 1000; ++i) pair.client.send_message({.payload = large, .to = "b"}, true);
  };
  CHECK_THROWS_WITH_AS(flood(), "the server takes no bytes", ClientError);
}

TEST_CASE("connecting: refused, and no address") {
  CHECK_THROWS_AS(connect_to("localhost:1", 100ms), ClientError);
  CHECK_THROWS_AS(connect_to("127.0.0.1", 100ms), ClientError);
  CHECK_THROWS_WITH_AS(connect_to("127.0.0.1:1", 500ms),
                       "cannot connect to 127.0.0.1:1: Connection refused", ClientError);
}

}  // namespace
}  // namespace ims::client
