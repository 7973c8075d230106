// The JSON that scripts read: keys, numbers, bytes that are no UTF-8.
#include "deploy/event_json.h"

#include <doctest/doctest.h>

#include "shared/client/requests.h"

namespace ims {
namespace {

TEST_CASE("messages: one object each, with what the type has") {
  client::InMessage message;
  message.from = "bob";
  message.to = "ann";
  message.device = "d";
  message.seq = 7;
  message.time_ms = 9;
  struct Row {
    const char* rule;
    MessageType type;
    std::string payload;
    std::string_view tail;
  };
  const Row rows[] = {
      {"text", MessageType::kTxt, client::text_payload("a\n\"b\""), R"("text":"a\n\"b\"")"},
      {"no UTF-8", MessageType::kTxt, client::text_payload("\xff"), "\"text\":\"\xef\xbf\xbd\""},
      {"an image's URL", MessageType::kImage, client::text_payload("http://x/y"),
       R"("url":"http://x/y")"},
      {"a recall", MessageType::kRecall, client::recall_payload(5), R"("recalled":5)"},
      {"a recalled row", MessageType::kRecall, "", R"("recalled":true)"},
      {"other bytes", MessageType::kCustom, "\x01", R"("payload":"AQ")"},
      {"a text that is none", MessageType::kTxt, "\xff", R"("payload":"_w")"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    message.type = row.type;
    message.payload = row.payload;
    const std::string json = json_of(message);
    const std::string middle =
        R"("from":"bob","device":"d","to":"ann","seq":7,"time_ms":9,)" + std::string(row.tail);
    CHECK(json.substr(json.find(',') + 1) == middle + "}");
  }
}

TEST_CASE("messages: a group instead of a user, a copy's seq at the recipient") {
  client::InMessage message;
  message.from = "bob";
  message.group = "team";
  message.payload = client::text_payload("hi");
  CHECK(json_of(message) ==
        R"({"type":"text","from":"bob","device":"","group":"team","seq":0,"time_ms":0,)"
        R"("text":"hi"})");
  message.group.clear();
  message.to = "eve";
  message.peer_seq = 4;
  CHECK(json_of(message).find(R"("to":"eve","seq":0,"time_ms":0,"peer_seq":4)") !=
        std::string::npos);
}

TEST_CASE("events and presence") {
  client::GroupEvent group;
  group.op = GroupOp::kSetRole;
  group.group = "team";
  group.by = "ann";
  group.users = {"bob"};
  group.seq = 3;
  group.role = Role::kAdmin;
  CHECK(json_of(group) ==
        R"({"type":"group_event","op":"set_role","group":"team","by":"ann","users":["bob"],)"
        R"("seq":3,"time_ms":0,"role":"admin"})");
  client::ContactEvent contact;
  contact.op = ContactOp::kAdd;
  contact.user = "bob";
  contact.note = "me";
  contact.seq = 2;
  CHECK(json_of(contact) ==
        R"({"type":"contact_event","op":"add","from":"bob","note":"me","seq":2,"time_ms":0})");
  const client::Presence presence{"bob", true, 0, {"phone", ""}};
  CHECK(json_of(presence) ==
        R"({"type":"presence","user":"bob","online":true,"last_seen_ms":0,)"
        R"("devices":["phone",""]})");
}

}  // namespace
}  // namespace ims
