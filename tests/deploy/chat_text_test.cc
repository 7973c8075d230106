// That nothing which others wrote can do more than be read.
#include "deploy/chat_text.h"

#include <doctest/doctest.h>

#include <string>

#include "shared/client/people.h"
#include "shared/client/requests.h"

namespace ims {
namespace {

TEST_CASE("escaping: text stays, what could move the terminal does not") {
  struct Row {
    const char* rule;
    std::string_view text;
    std::string_view shown;
  };
  const Row rows[] = {
      {"ASCII", "a ~b\\n", "a ~b\\n"},
      {"two bytes", "\xc3\xa9", "\xc3\xa9"},
      {"three bytes", "\xe4\xbd\xa0", "\xe4\xbd\xa0"},
      {"four bytes", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {"a line end", "a\nb", "a\\nb"},
      {"a tab", "a\tb", "a\\tb"},
      {"escape", "\x1b[2J", "\\x1b[2J"},
      {"below space", "\x1f", "\\x1f"},
      {"space", " ", " "},
      {"delete", "\x7f", "\\x7f"},
      {"the last control", "\xc2\x9f", "\\u{9f}"},
      {"the one behind it", "\xc2\xa0", "\xc2\xa0"},
      {"a line separator", "\xe2\x80\xa8", "\\u{2028}"},
      {"right to left override", "\xe2\x80\xae", "\\u{202e}"},
      {"the one behind it", "\xe2\x80\xaf", "\xe2\x80\xaf"},
      {"an isolate", "\xe2\x81\xa6", "\\u{2066}"},
      {"a byte order mark", "\xef\xbb\xbf", "\\u{feff}"},
      {"a lone continuation", "\x80", "\\x80"},
      {"cut short", "\xe2\x82", "\\xe2\\x82"},
      {"a surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"not the shortest form", "\xc0\xaf", "\\xc0\\xaf"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(escape_text(row.text) == row.shown);
  }
  CHECK(escape_text(std::string_view("\0", 1)) == "\\x00");
}

TEST_CASE("formatting: who, where, what; one line each") {
  client::InMessage message;
  message.payload = client::text_payload("hi\nthere\x1b[0m");
  message.from = "bob";
  message.to = "ann";
  CHECK(format_message(message, "ann").substr(5) == " bob: hi\\nthere\\x1b[0m");
  message.from = "ann";
  message.to = "eve";
  CHECK(format_message(message, "ann").substr(5) == " ann to @eve: hi\\nthere\\x1b[0m");
  message.to = "";
  message.group = "team";
  CHECK(format_message(message, "ann").substr(5) == " #team ann: hi\\nthere\\x1b[0m");
  message.type = MessageType::kImage;
  message.payload = "12345";
  CHECK(format_message(message, "ann").substr(5) == " #team ann: [image, 5 bytes]");
  message.payload = client::text_payload("http://x/\x1b");
  CHECK(format_message(message, "ann").substr(5) == " #team ann: [image] http://x/\\x1b");
  message.type = MessageType::kRecall;
  message.payload = client::recall_payload(7);
  CHECK(format_message(message, "ann").substr(5) == " #team ann: recalled message 7");
  message.payload.clear();
  CHECK(format_message(message, "ann").substr(5) == " #team ann: (recalled)");
  message.type = MessageType::kTxt;
  message.payload = "\xffno protobuf";
  CHECK(format_message(message, "ann").substr(5) == " #team ann: \\xffno protobuf");

  client::GroupEvent event;
  event.group = "team";
  event.by = "ann";
  event.op = GroupOp::kCreate;
  event.users = {"bob", "eve"};
  CHECK(format_group_event(event).substr(5) == " #team * ann created the group with bob eve");
  event.op = GroupOp::kRename;
  event.users.clear();
  event.name = "A\nB";
  CHECK(format_group_event(event).substr(5) == " #team * ann renamed the group to \"A\\nB\"");
  event.op = GroupOp::kSetRole;
  event.users = {"bob"};
  event.role = Role::kAdmin;
  CHECK(format_group_event(event).substr(5) == " #team * ann made bob an admin");

  client::ContactEvent contact;
  contact.op = ContactOp::kAdd;
  contact.user = "eve";
  contact.note = "it's me";
  CHECK(format_contact_event(contact).substr(5) == " * eve asks to be a contact: it's me");
}

}  // namespace
}  // namespace ims
