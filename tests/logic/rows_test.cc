// Values of the store (logic/rows.h): what is written comes back, and what is damaged is refused.
#include "logic/rows.h"

#include <doctest/doctest.h>

#include <string>

#include "logic/big_endian.h"

namespace ims::logic {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}

std::string row_with(std::string_view body, RowKind kind = RowKind::kMessage) {
  std::string value;
  append_row_header(value, 1'700'000'000'123, SessionId{3}, UserId{4}, kind);
  return value.append(body);
}

TEST_CASE("rows: a timeline row's fields and its message come back") {
  const std::string value =
      row_with(bytes({0x08, 2, 0x12, 3, 'a', 'b', 'c'}), RowKind::kGroupEvent);
  const auto row = decode_row(value);
  REQUIRE(row);
  CHECK(row->time_ms == 1'700'000'000'123);
  CHECK(row->origin_session == SessionId{3});
  CHECK(row->sender == UserId{4});
  CHECK(row->kind == RowKind::kGroupEvent);
  CHECK(row->body == value.substr(kRowHeaderBytes));
  CHECK(row->message() == "abc");
}

TEST_CASE("rows: a recalled row keeps the hash of what it said, and is refused where that is cut") {
  const std::string body = bytes({0x08, 2, 0x12, 3, 'a', 'b', 'c'});
  const std::string value = row_with(body);
  const auto row = decode_row(value);
  REQUIRE(row);
  CHECK_FALSE(row->recalled);
  const ContentHash content = hash_content(1, as_bytes("abc"));
  std::string header;
  append_recalled_header(header, *row, content);
  const std::string whole = header + body;
  const auto recalled = decode_row(whole);
  REQUIRE(recalled);
  CHECK(recalled->recalled == content);
  CHECK(recalled->kind == RowKind::kMessage);
  CHECK(recalled->sender == UserId{4});
  CHECK(recalled->body == body);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(decode_row(std::string_view(whole).substr(0, size)));
  }
  CHECK(hash_content(1, as_bytes("abc")) != hash_content(0, as_bytes("abc")));
  CHECK(hash_content(1, as_bytes("abc")) != hash_content(1, as_bytes("abd")));
}

TEST_CASE("rows: a body that is no push is refused, at every cut and with anything behind it") {
  const std::string long_payload(200, 'p');
  struct Row {
    const char* rule;
    std::string body;
    bool accepted;
  };
  const Row rows[] = {
      {"MESSAGE has no type", bytes({0x12, 1, 'x'}), true},
      {"a type", bytes({0x08, 2, 0x12, 1, 'x'}), true},
      {"an empty payload", bytes({0x12, 0}), true},
      {"a length of two bytes", bytes({0x12, 0xc8, 0x01}) + long_payload, true},
      {"no body", "", false},
      {"a type alone", bytes({0x08, 2}), false},
      {"half a type", bytes({0x08}), false},
      {"another field", bytes({0x1a, 1, 'x'}), false},
      {"no length", bytes({0x12}), false},
      {"a length that goes on past the end", bytes({0x12, 0xff, 0xff}), false},
      {"a length of six bytes", bytes({0x12, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 'x'}), false},
      {"a byte short", bytes({0x12, 2, 'x'}), false},
      {"a byte too many", bytes({0x12, 1, 'x', 'y'}), false},
      // Found by rows_fuzz: every byte says "more", and nothing ends it.
      {"high bytes throughout", std::string(20, '\x9b'), false},
  };
  for (const Row& row : rows) {
    INFO("rule: " << row.rule);
    CHECK(decode_row(row_with(row.body)).has_value() == row.accepted);
  }
  const std::string whole = row_with(bytes({0x08, 2, 0x12, 3, 'a', 'b', 'c'}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("size: " << size);
    CHECK_FALSE(decode_row(std::string_view(whole).substr(0, size)));
  }
  CHECK_FALSE(decode_row(row_with(bytes({0x12, 1, 'x'}), static_cast<RowKind>(3))));
}

// Writes `row`, reads it back, writes it again: the same bytes. Any cut, and one byte more, is
// refused.
template <typename Encode, typename Decode, typename Row>
std::string check_value(const Row& row, Encode encode, Decode decode) {
  const std::string value = encode(row);
  const auto back = decode(value);
  REQUIRE(back);
  CHECK(encode(*back) == value);
  for (std::size_t size = 0; size < value.size(); ++size) {
    INFO("size: " << size);
    CHECK_FALSE(decode(std::string_view(value).substr(0, size)));
  }
  CHECK_FALSE(decode(value + '\0'));
  return value;
}

TEST_CASE("rows: every other value comes back as it was written, and no cut of it is accepted") {
  UserRow user;
  user.id = UserId{0x0102'0304'0506'0708};
  user.inbox = {.head = 9, .first_seq = 2, .first_time_ms = 10, .last_time_ms = 11};
  user.last_seen_ms = 12;
  user.removed = true;
  const std::string user_value = check_value(user, encode_user, decode_user);
  CHECK(decode_user(user_value)->inbox.last_time_ms == 11);
  CHECK(decode_user(user_value)->removed);

  GroupRow group;
  group.id = GroupId{7};
  group.timeline = user.inbox;
  group.name = "label";
  group.member_count = 3;
  group.open = true;
  check_value(group, encode_group, decode_group);
  group.open = false;
  group.dismissed = true;
  const std::string group_value = check_value(group, encode_group, decode_group);
  CHECK(decode_group(group_value)->name == "label");
  CHECK(decode_group(group_value)->dismissed);
  CHECK_FALSE(decode_group(group_value)->open);

  const MemberRow member{.role = Role::kAdmin, .muted = true, .join_seq = 5};
  CHECK(decode_member(check_value(member, encode_member, decode_member)) == member);
  const MineRow mine{.group = GroupId{7}, .join_seq = 1, .end_seq = 2, .end_time_ms = 3};
  CHECK(decode_mine(check_value(mine, encode_mine, decode_mine))->end_seq == 2);
  CHECK(decode_cursor(check_value(CursorRow{1, 2}, encode_cursor, decode_cursor))->seq == 2);
  const OutboxRow outbox{TenantId{1}, "user", "group", mine};
  CHECK(decode_outbox(check_value(outbox, encode_outbox, decode_outbox))->user_name == "user");

  // As the format before wrote them: users without contacts, memberships alone in the outbox.
  std::string old_user = user_value.substr(0, user_value.size() - 12);
  old_user[0] = 1;
  REQUIRE(decode_user(old_user).has_value());
  CHECK(decode_user(old_user)->last_seen_ms == 12);
  CHECK(decode_user(old_user)->contacts == 0);
  std::string old_outbox = encode_outbox(outbox);
  old_outbox[0] = 1;
  old_outbox.erase(1, 1);
  REQUIRE(decode_outbox(old_outbox).has_value());
  CHECK(decode_outbox(old_outbox)->group_name == "group");
  CHECK(decode_outbox(old_outbox)->mine.end_seq == 2);

  const ContactRow contact{.state = ContactState::kFriend, .blocked = true, .note = "n"};
  CHECK(decode_contact(check_value(contact, encode_contact, decode_contact))->blocked);
  OutboxRow effect;
  effect.kind = OutboxRow::Kind::kContact;
  effect.tenant = TenantId{1};
  effect.user_name = "user";
  effect.other_name = "other";
  effect.contact = contact;
  effect.contacts_change = -1;
  effect.blocked_change = 1;
  effect.event = ContactOp::kAdd;
  effect.event_note = "hello";
  effect.event_sender = UserId{9};
  const auto back = decode_outbox(check_value(effect, encode_outbox, decode_outbox));
  CHECK(back->contacts_change == -1);
  CHECK(back->event_note == "hello");
  CHECK(back->contact.note == "n");
}

TEST_CASE("rows: another version and flags that nobody writes are refused") {
  struct Row {
    const char* rule;
    std::string value;
    bool (*accepted)(std::string_view);
    std::size_t at;
    char damaged;
  };
  const auto user = [](std::string_view value) { return decode_user(value).has_value(); };
  const auto group = [](std::string_view value) { return decode_group(value).has_value(); };
  const auto member = [](std::string_view value) { return decode_member(value).has_value(); };
  const std::string user_value = encode_user({.id = UserId{1}, .inbox = {}});
  const std::string group_value = encode_group({.id = GroupId{1}, .timeline = {}, .name = ""});
  const std::string member_value = encode_member({});
  const auto contact = [](std::string_view value) { return decode_contact(value).has_value(); };
  const std::string contact_value = encode_contact({});
  const Row rows[] = {
      {"contact: state", contact_value, contact, 1, 4},
      {"contact: flags", contact_value, contact, 2, 4},
      {"user: version", user_value, user, 0, 3},
      {"user: removed", user_value, user, user_value.size() - 13, 2},
      {"group: version", group_value, group, 0, 0},
      {"group: flags", group_value, group, group_value.size() - 3, 4},
      {"member: version", member_value, member, 0, 2},
      {"member: role", member_value, member, 1, 9},
      {"member: muted", member_value, member, 2, 2},
  };
  for (const Row& row : rows) {
    INFO("rule: " << row.rule);
    CHECK(row.accepted(row.value));
    std::string value = row.value;
    value[row.at] = row.damaged;
    CHECK_FALSE(row.accepted(value));
  }
}

}  // namespace
}  // namespace ims::logic
