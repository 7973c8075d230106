// Request payloads: values, what is BAD_REQUEST, which messages may be spliced, lists of users.
#include "shared/payload.h"

#include <doctest/doctest.h>

#include <google/protobuf/stubs/logging.h>

#include <string>
#include <string_view>
#include <vector>

#include "ims.pb.h"
#include "tests/shared/wire_oracle.h"

using namespace std::string_view_literals;

namespace ims {
namespace {

template <typename Proto, typename View>
DecodeStatus decode(DecodeStatus (*decoder)(ByteView, View&) noexcept, const Proto& message,
                    std::string& storage, View& view) {
  storage = message.SerializeAsString();
  return decoder(as_bytes(storage), view);
}

TEST_CASE("decode_message reads every field") {
  ims::Message message;
  message.set_type(ims::Message::TYPING);
  message.set_payload("\xff\x00 opaque");
  message.set_from("alice");
  message.set_to("bob");
  message.set_group("team");
  message.set_client_id("\xfe\xfd");
  message.set_seq(~0ull);
  message.set_time_ms(-1);
  message.set_device("phone");
  message.set_peer_seq(1ull << 63);
  std::string storage;
  MessageView view;
  REQUIRE(decode(decode_message, message, storage, view) == DecodeStatus::kOk);
  CHECK(view.type == 9);
  CHECK(as_text(view.payload) == message.payload());
  CHECK(view.from == "alice");
  CHECK(view.to == "bob");
  CHECK(view.group == "team");
  CHECK(as_text(view.client_id) == "\xfe\xfd");
  CHECK(view.seq == ~0ull);
  CHECK(view.time_ms == -1);
  CHECK(view.device == "phone");
  CHECK(view.peer_seq == 1ull << 63);
  CHECK_FALSE(view.spliceable);
}

struct SpliceRow {
  const char* rule;
  std::string_view message;
  bool spliceable;
};

constexpr SpliceRow kSpliceRows[] = {
    {"empty", ""sv, true},
    {"type, payload, to, client_id", "\x08\x01\x12\x01p\x22\x01" "b\x32\x01" "c"sv, true},
    {"in another order", "\x22\x01" "b\x12\x01p"sv, true},
    {"to a group", "\x2a\x01g"sv, true},
    {"an unknown type number", "\x08\x63"sv, true},
    {"a type beyond 31 bits", "\x08\x80\x80\x80\x80\x10"sv, false},
    {"payload twice", "\x12\x01p\x12\x01q"sv, false},
    {"from", "\x1a\x01" "a"sv, false},
    {"an empty from", "\x1a\x00"sv, false},
    {"seq", "\x38\x00"sv, false},
    {"time_ms", "\x40\x00"sv, false},
    {"device", "\x4a\x00"sv, false},
    {"peer_seq", "\x50\x00"sv, false},
    {"an unknown field", "\x58\x00"sv, false},
    {"a known number of another wire type", "\x10\x00"sv, false},
};

TEST_CASE("spliceable: no field of the server's, no unknown one, none twice") {
  for (const SpliceRow& row : kSpliceRows) {
    CAPTURE(row.rule);
    MessageView view;
    REQUIRE(decode_message(as_bytes(row.message), view) == DecodeStatus::kOk);
    CHECK(view.spliceable == row.spliceable);
    CHECK(check_message(as_bytes(row.message)) == "");
  }
}

TEST_CASE("users: a list is walked without allocation, empty names and other fields between") {
  ims::GroupRequest request;
  request.set_op(ims::GroupRequest::INVITE);
  request.set_group("team");
  std::vector<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    expected.push_back(i % 7 == 0 ? "" : "user" + std::to_string(i));
    request.add_users(expected.back());
  }
  request.set_name("The Team");
  request.set_role(ims::GroupRequest::ADMIN);
  request.set_open(true);
  request.set_cursor("c");
  request.set_limit(~0u);
  std::string storage;
  GroupRequestView view;
  REQUIRE(decode(decode_group_request, request, storage, view) == DecodeStatus::kOk);
  CHECK(view.op == 4);
  CHECK(view.users.size() == 500);
  CHECK(std::vector<std::string>(view.users.begin(), view.users.end()) == expected);
  CHECK(view.role == 1);
  CHECK(view.open);
  CHECK(view.limit == ~0u);

  const auto mixed = "\x1a\x01" "a\x22\x01n\x18\x05\x1a\x01" "b\x7b\x1a\x01x\x7c\x1a\x00"sv;
  REQUIRE(decode_group_request(as_bytes(mixed), view) == DecodeStatus::kOk);
  CHECK(std::vector<std::string>(view.users.begin(), view.users.end()) ==
        std::vector<std::string>{"a", "b", ""});

  REQUIRE(decode_group_request(as_bytes(""sv), view) == DecodeStatus::kOk);
  CHECK(view.users.empty());
  CHECK(view.users.begin() == view.users.end());
}

struct PayloadRow {
  const char* rule;
  std::string_view payload;
  DecodeStatus ack, sync, contact, group, presence;
};

constexpr DecodeStatus kOk = DecodeStatus::kOk;
constexpr DecodeStatus kBad = DecodeStatus::kBadUtf8;
constexpr DecodeStatus kMal = DecodeStatus::kMalformed;

constexpr PayloadRow kPayloadRows[] = {
    {"empty", ""sv, kOk, kOk, kOk, kOk, kOk},
    {"field 1 not UTF-8", "\x0a\x01\xff"sv, kBad, kBad, kOk, kOk, kBad},
    {"field 2 not UTF-8", "\x12\x01\xff"sv, kOk, kOk, kBad, kBad, kOk},
    {"field 3 not UTF-8", "\x1a\x01\xff"sv, kOk, kOk, kBad, kBad, kOk},
    {"field 4 not UTF-8", "\x22\x01\xff"sv, kOk, kOk, kBad, kBad, kOk},
    {"field 7 not UTF-8", "\x3a\x01\xff"sv, kOk, kOk, kOk, kBad, kOk},
    {"not UTF-8, then a good one", "\x0a\x01\xff\x0a\x00"sv, kBad, kBad, kOk, kOk, kBad},
    {"not UTF-8, then cut short", "\x0a\x01\xff\x0a"sv, kMal, kMal, kMal, kMal, kMal},
    {"a varint cut short", "\x10\x80"sv, kMal, kMal, kMal, kMal, kMal},
    {"an unknown field", "\x78\x01"sv, kOk, kOk, kOk, kOk, kOk},
};

TEST_CASE("payloads: what is BAD_REQUEST and why") {
  google::protobuf::SetLogHandler(nullptr);
  for (const PayloadRow& row : kPayloadRows) {
    CAPTURE(row.rule);
    const ByteView payload = as_bytes(row.payload);
    AckView ack;
    SyncView sync;
    ContactRequestView contact;
    GroupRequestView group;
    PresenceRequestView presence;
    CHECK(decode_ack(payload, ack) == row.ack);
    CHECK(decode_sync(payload, sync) == row.sync);
    CHECK(decode_contact_request(payload, contact) == row.contact);
    CHECK(decode_group_request(payload, group) == row.group);
    CHECK(decode_presence_request(payload, presence) == row.presence);
    CHECK(check_other_payloads(payload) == "");
  }
}

TEST_CASE("ack, sync, contact, presence, recall: values") {
  std::string storage;

  ims::AckRequest ack_request;
  ack_request.set_group("team");
  ack_request.set_seq(~0ull);
  AckView ack;
  REQUIRE(decode(decode_ack, ack_request, storage, ack) == DecodeStatus::kOk);
  CHECK(ack.group == "team");
  CHECK(ack.seq == ~0ull);

  ims::SyncRequest sync_request;
  sync_request.set_group("team");
  sync_request.set_after_seq(1);
  sync_request.set_limit(2);
  sync_request.set_before_seq(3);
  SyncView sync;
  REQUIRE(decode(decode_sync, sync_request, storage, sync) == DecodeStatus::kOk);
  CHECK(sync.group == "team");
  CHECK(sync.after_seq == 1);
  CHECK(sync.limit == 2);
  CHECK(sync.before_seq == 3);

  ims::ContactRequest contact_request;
  contact_request.set_op(ims::ContactRequest::UNBLOCK);
  contact_request.set_user("bob");
  contact_request.set_note("hello there");
  contact_request.set_cursor("c");
  contact_request.set_limit(5);
  ContactRequestView contact;
  REQUIRE(decode(decode_contact_request, contact_request, storage, contact) == DecodeStatus::kOk);
  CHECK(contact.op == 6);
  CHECK(contact.user == "bob");
  CHECK(contact.note == "hello there");
  CHECK(contact.cursor == "c");
  CHECK(contact.limit == 5);

  ims::PresenceRequest presence_request;
  presence_request.add_users("bob");
  presence_request.add_users("carol");
  presence_request.set_watch(true);
  PresenceRequestView presence;
  REQUIRE(decode(decode_presence_request, presence_request, storage, presence) ==
          DecodeStatus::kOk);
  CHECK(std::vector<std::string>(presence.users.begin(), presence.users.end()) ==
        std::vector<std::string>{"bob", "carol"});
  CHECK(presence.watch);

  ims::RecallPayload recall;
  recall.set_seq(77);
  std::uint64_t seq = 0;
  REQUIRE(decode(decode_recall, recall, storage, seq) == DecodeStatus::kOk);
  CHECK(seq == 77);
}

}  // namespace
}  // namespace ims
