// CONTACT and PRESENCE at the gateway: what is refused there, where the rest goes
// (PROTOCOL.md sections 3 and 6; shared/route.h).
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

namespace {

std::string contact_frame(std::uint64_t id, int op, const std::string& user,
                          const std::string& note = "", const std::string& cursor = "") {
  ContactRequest request;
  request.set_op(static_cast<ContactRequest::Op>(op));
  request.set_user(user);
  request.set_note(note);
  request.set_cursor(cursor);
  return v2_request(id, Request::CONTACT, request.SerializeAsString());
}

std::string presence_frame(std::uint64_t id, int count, const std::string& name = "u") {
  PresenceRequest request;
  for (int i = 0; i < count; ++i) request.add_users(name + std::to_string(i));
  return v2_request(id, Request::PRESENCE, request.SerializeAsString());
}

}  // namespace

TEST_CASE("CONTACT and PRESENCE that the gateway refuses") {
  struct Row {
    const char* rule;
    std::string frame;
    int code;
  };
  const Row rows[] = {
      {"unknown op", contact_frame(2, 7, "bob"), 13},
      {"negative op", contact_frame(2, -1, "bob"), 13},
      {"no user", contact_frame(2, 1, ""), 2},
      {"a bad user", contact_frame(2, 1, "a b"), 2},
      {"a bad user in LIST", contact_frame(2, 0, "a b"), 2},
      {"a user of 65 bytes", contact_frame(2, 1, std::string(65, 'n')), 2},
      {"oneself", contact_frame(2, 1, "alice"), 2},
      {"a note of 257 bytes", contact_frame(2, 1, "bob", std::string(257, 'n')), 2},
      {"a note with a control character", contact_frame(2, 1, "bob", "a\nb"), 2},
      {"a bad cursor", contact_frame(2, 0, "", "", "a/b"), 2},
      {"CONTACT that does not decode", v2_request(2, Request::CONTACT, "\xff"), 2},
      {"501 users", presence_frame(2, 501), 2},
      {"a bad name among them", presence_frame(2, 3, "a b"), 2},
      {"PRESENCE that does not decode", v2_request(2, Request::PRESENCE, "\xff"), 2},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    GatewayFixture world;
    const auto session = world.log_in("alice");
    world.io.write(session.client, row.frame);
    world.turns(10);
    const auto frames = world.frames(session.client);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].id() == 2);
    CHECK(frames[0].response().code() == row.code);
    CHECK_FALSE(frames[0].response().reason().empty());
    CHECK(world.all_records().empty());
  }
}

TEST_CASE("a pair of users has one owner, whoever asks; LIST and PRESENCE go to the own one") {
  GatewayFixture world;
  const auto alice = world.log_in("alice");
  const auto only = [&](GatewayFixture::Client client, const std::string& frame) {
    world.io.write(client, frame);
    world.turns(3);
    const auto records = world.all_records();
    REQUIRE(records.size() == 1);
    world.respond(records[0], Code::kOk);
    world.turns(2);
    world.frames(client);
    return records[0];
  };
  for (int i = 0; i < 20; ++i) {
    const std::string name = "peer" + std::to_string(i);
    const auto peer = world.log_in(name);
    const Taken asked = only(alice.client, contact_frame(2, 1, name, std::string(256, 'n')));
    CHECK(asked.kind == RecordKind::kContact);
    CHECK(asked.request.type == 1);
    CHECK(asked.target == name);
    CHECK(asked.from == "alice");
    CHECK(asked.has(kFlagBigAnswer));
    const Taken answered = only(peer.client, contact_frame(3, 2, "alice"));
    CHECK(answered.worker == asked.worker);
    const bool alice_is_home = first_is_home(asked.request.sender_hash, "alice",
                                             asked.request.target_hash, name);
    CHECK(first_is_home(answered.request.sender_hash, name, answered.request.target_hash,
                        "alice") != alice_is_home);
    CHECK(asked.worker == world.owner(NameKind::kUser, alice_is_home ? "alice" : name));
  }
  const Taken list = only(alice.client, contact_frame(4, 0, ""));
  CHECK(list.worker == world.owner(NameKind::kUser, "alice"));
  CHECK(list.target == "alice");
  const Taken presence = only(alice.client, presence_frame(5, 500));
  CHECK(presence.kind == RecordKind::kPresence);
  CHECK(presence.worker == world.owner(NameKind::kUser, "alice"));
}

TEST_CASE("messages carry whether the sender's other devices get a copy") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  const auto sent = [&](std::uint64_t id) {
    world.io.write(session.client, v2_message(id, message_to("bob", "m")));
    world.turns(3);
    const auto records = world.all_records();
    REQUIRE(records.size() == 1);
    return records[0].has(kFlagCopies);
  };
  CHECK_FALSE(sent(2));
  world.copies(session, true);
  world.turns(1);
  CHECK(sent(3));
  world.copies(session, false);
  world.turns(1);
  CHECK_FALSE(sent(4));
}

TEST_CASE("that they do from now on is confirmed where the worker asks for it") {
  GatewayFixture world;
  const auto session = world.log_in("alice");
  world.copies(session, true);
  world.turns(3);
  CHECK(world.all_records().empty());
  world.copies(session, true, true);
  world.turns(3);
  const auto records = world.records_of(RecordKind::kCopiesSet);
  REQUIRE(records.size() == 1);
  CHECK(records[0].session.connection == session.connection);
  CHECK(records[0].session.session.value == session.session);
  // What was there before the turn in which it was heard may be without; the next has it.
  world.io.write(session.client, v2_message(2, message_to("bob", "m")));
  world.copies(session, true, true);
  world.turns(3);
  std::vector<RecordKind> kinds;
  for (const Taken& record : world.all_records()) kinds.push_back(record.kind);
  CHECK(kinds == std::vector{RecordKind::kMessage, RecordKind::kCopiesSet});
  // Who has ended says that, and nothing behind it.
  world.io.reset(session.client);
  world.copies(session, true, true);
  world.turns(6);
  const auto last = world.all_records();
  REQUIRE_FALSE(last.empty());
  CHECK(last.back().kind == RecordKind::kEnded);
  world.copies(session, true, true);
  world.turns(3);
  CHECK(world.all_records().empty());
}
