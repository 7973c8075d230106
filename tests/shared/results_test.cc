// Events and result messages against libprotobuf.
#include "shared/results.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "ims.pb.h"

namespace ims {
namespace {

template <typename Write>
std::string written(std::size_t size, Write write) {
  std::vector<std::byte> room(size + 1);
  const std::byte* end = write(room.data());
  REQUIRE(static_cast<std::size_t>(end - room.data()) == size);
  return std::string(as_text(ByteView(room).first(size)));
}

template <typename Proto>
Proto parsed(const Buffer& buffer) {
  Proto message;
  REQUIRE(message.ParseFromArray(buffer.data(), static_cast<int>(buffer.size())));
  return message;
}

constexpr std::array<std::string_view, 3> kUsers = {"bob", "", "carol"};

ContactEventFields contact_event() {
  return {ContactOp::kUnblock, "alice", "a note", 1ull << 40, -1};
}

GroupEventFields group_event() {
  GroupEventFields fields;
  fields.op = GroupOp::kUnmute;
  fields.group = "team";
  fields.by = "alice";
  fields.users = kUsers;
  fields.seq = 300;
  fields.time_ms = 1'700'000'000'000;
  fields.name = "The Team";
  fields.role = Role::kOwner;
  return fields;
}

ims::ContactEvent expected_contact_event() {
  ims::ContactEvent event;
  event.set_op(ims::ContactRequest::UNBLOCK);
  event.set_user("alice");
  event.set_note("a note");
  event.set_seq(1ull << 40);
  event.set_time_ms(-1);
  return event;
}

ims::GroupEvent expected_group_event() {
  ims::GroupEvent event;
  event.set_op(ims::GroupRequest::UNMUTE);
  event.set_group("team");
  event.set_by("alice");
  for (const std::string_view user : kUsers) event.add_users(std::string(user));
  event.set_seq(300);
  event.set_time_ms(1'700'000'000'000);
  event.set_name("The Team");
  event.set_role(ims::GroupRequest::OWNER);
  return event;
}

TEST_CASE("ContactEvent and its push are libprotobuf's bytes, full and empty") {
  const ContactEventFields fields = contact_event();
  const std::string expected = expected_contact_event().SerializeAsString();
  CHECK(written(contact_event_bytes(fields),
                [&](std::byte* out) { return write_contact_event(out, fields); }) == expected);
  ims::Request push;
  push.set_type(ims::Request::CONTACT);
  push.set_payload(expected);
  CHECK(written(push_contact_event_bytes(fields),
                [&](std::byte* out) { return write_push_contact_event(out, fields); }) ==
        push.SerializeAsString());
  CHECK(contact_event_bytes({}) == 0);
}

TEST_CASE("GroupEvent and its push are libprotobuf's bytes, full and empty") {
  const GroupEventFields fields = group_event();
  const std::string expected = expected_group_event().SerializeAsString();
  CHECK(written(group_event_bytes(fields),
                [&](std::byte* out) { return write_group_event(out, fields); }) == expected);
  ims::Request push;
  push.set_type(ims::Request::GROUP);
  push.set_payload(expected);
  CHECK(written(push_group_event_bytes(fields),
                [&](std::byte* out) { return write_push_group_event(out, fields); }) ==
        push.SerializeAsString());
  CHECK(group_event_bytes({}) == 0);
}

TEST_CASE("SyncResult: rows of three kinds, the tail, and a row taken out again") {
  MessageFields message;
  message.payload = as_bytes("hi");
  message.from = "alice";
  message.to = "bob";
  message.seq = 1;
  Buffer buffer;
  append_sync_message(buffer, message);
  append_sync_message(buffer, {});  // an empty row is still a row
  append_sync_group_event(buffer, group_event());
  append_sync_contact_event(buffer, contact_event());
  const std::size_t before = buffer.size();
  append_sync_message(buffer, message);
  buffer.resize(before);
  append_sync_tail(buffer, ~0ull, true, ~0ull);
  CHECK(buffer.size() - before == kSyncTailBytesMax);

  const auto result = parsed<ims::SyncResult>(buffer);
  REQUIRE(result.messages_size() == 2);
  CHECK(result.messages(0).payload() == "hi");
  CHECK(result.messages(0).from() == "alice");
  CHECK(result.messages(1).ByteSizeLong() == 0);
  REQUIRE(result.group_events_size() == 1);
  CHECK(result.group_events(0).SerializeAsString() == expected_group_event().SerializeAsString());
  REQUIRE(result.contact_events_size() == 1);
  CHECK(result.contact_events(0).SerializeAsString() ==
        expected_contact_event().SerializeAsString());
  CHECK(result.head_seq() == ~0ull);
  CHECK(result.more());
  CHECK(result.first_seq() == ~0ull);

  Buffer empty;
  append_sync_tail(empty, 0, false, 0);
  CHECK(empty.empty());
}

TEST_CASE("ContactResult") {
  const std::string longest(64, 'c');
  Buffer buffer;
  append_contact(buffer, {"bob", ContactState::kFriend, false, "met at work"});
  append_contact(buffer, {"carol", ContactState::kNone, true, ""});
  const std::size_t before = buffer.size();
  append_contact_tail(buffer, longest);
  CHECK(buffer.size() - before == kContactTailBytesMax);
  ims::ContactResult expected;
  ims::Contact* bob = expected.add_contacts();
  bob->set_user("bob");
  bob->set_state(ims::Contact::FRIEND);
  bob->set_note("met at work");
  ims::Contact* carol = expected.add_contacts();
  carol->set_user("carol");
  carol->set_blocked(true);
  expected.set_cursor(longest);
  CHECK(as_text(buffer) == expected.SerializeAsString());
}

TEST_CASE("GroupResult: members, groups, tail") {
  const std::string name(64, 'n');
  const std::string label(256, 'l');
  Buffer buffer;
  append_group_member(buffer, {"alice", Role::kOwner, false});
  append_group_member(buffer, {"bob", Role::kMember, true});
  append_group_mine(buffer, "team");
  append_group_mine(buffer, "other");
  const std::size_t before = buffer.size();
  append_group_tail(buffer, {name, label, ~0u, ~0ull, name, true});
  CHECK(buffer.size() - before == kGroupTailBytesMax);
  const auto result = parsed<ims::GroupResult>(buffer);
  REQUIRE(result.members_size() == 2);
  CHECK(result.members(0).user() == "alice");
  CHECK(result.members(0).role() == ims::GroupRequest::OWNER);
  CHECK_FALSE(result.members(0).muted());
  CHECK(result.members(1).user() == "bob");
  CHECK(result.members(1).role() == ims::GroupRequest::MEMBER);
  CHECK(result.members(1).muted());
  REQUIRE(result.groups_size() == 2);
  CHECK(result.groups(0) == "team");
  CHECK(result.groups(1) == "other");
  CHECK(result.group() == name);
  CHECK(result.name() == label);
  CHECK(result.member_count() == ~0u);
  CHECK(result.head_seq() == ~0ull);
  CHECK(result.cursor() == name);
  CHECK(result.open());
}

TEST_CASE("PresenceResult") {
  constexpr std::array<std::string_view, 2> kDevices = {"phone", ""};  // "" is the default device
  Buffer buffer;
  append_presence(buffer, {"alice", true, 0, kDevices});
  append_presence(buffer, {"bob", false, 1'700'000'000'000, {}});
  ims::PresenceResult expected;
  ims::Presence* alice = expected.add_presence();
  alice->set_user("alice");
  alice->set_online(true);
  alice->add_devices("phone");
  alice->add_devices("");
  ims::Presence* bob = expected.add_presence();
  bob->set_user("bob");
  bob->set_last_seen_ms(1'700'000'000'000);
  CHECK(as_text(buffer) == expected.SerializeAsString());
}

}  // namespace
}  // namespace ims
