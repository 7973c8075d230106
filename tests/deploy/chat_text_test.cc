// What a typed line means, and that nothing which others wrote can do more than be read.
#include "deploy/chat_text.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "shared/client/requests.h"

namespace ims {
namespace {

using Kind = ChatCommand::Kind;

TEST_CASE("lines: to a user, to a group") {
  struct Row {
    const char* rule;
    std::string_view line;
    Kind kind;
    std::string_view target;
    std::string_view text;
  };
  const Row rows[] = {
      {"to a user", "@bob hello there", Kind::kToUser, "bob", "hello there"},
      {"to a group", "#team hi", Kind::kToGroup, "team", "hi"},
      {"white space around it", "  @bob   hi  ", Kind::kToUser, "bob", "hi"},
      {"a carriage return at the end", "@bob hi\r", Kind::kToUser, "bob", "hi"},
      {"inner white space stays", "@bob a  b", Kind::kToUser, "bob", "a  b"},
      {"UTF-8", "@z\xc3\xb6\x65 \xe2\x82\xac", Kind::kToUser, "z\xc3\xb6\x65", "\xe2\x82\xac"},
      {"a slash in a text", "@bob /quit", Kind::kToUser, "bob", "/quit"},
      {"empty", "", Kind::kNone, "", ""},
      {"white space alone", " \t ", Kind::kNone, "", ""},
      {"quit", "/quit", Kind::kQuit, "", ""},
      {"help", "/help", Kind::kHelp, "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    const ChatCommand command = parse_chat_line(row.line);
    CHECK(command.kind == row.kind);
    CHECK(command.target == row.target);
    CHECK(command.text == row.text);
  }
}

TEST_CASE("lines: what is wrong is said") {
  const std::string_view lines[] = {
      "hello",       "@bob",      "@ hello",         "#",         "@a/b hi",  "@bob \xff",
      "/nonsense",   "/create",   "/invite team",    "/kick team", "/join a/b", "/members",
      "/join a\x1b",
  };
  for (const std::string_view line : lines) {
    CAPTURE(std::string(line));
    const ChatCommand command = parse_chat_line(line);
    CHECK(command.kind == Kind::kWrong);
    CHECK_FALSE(command.text.empty());
    CHECK(command.text.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("lines: group requests") {
  struct Row {
    std::string_view line;
    GroupOp op;
    std::string_view target;
    std::vector<std::string> words;
    bool open;
  };
  const Row rows[] = {
      {"/create team", GroupOp::kCreate, "team", {}, false},
      {"/create #team @ann bob", GroupOp::kCreate, "team", {"ann", "bob"}, false},
      {"/open team ann", GroupOp::kCreate, "team", {"ann"}, true},
      {"/join team", GroupOp::kJoin, "team", {}, false},
      {"/leave team", GroupOp::kLeave, "team", {}, false},
      {"/dismiss team", GroupOp::kDismiss, "team", {}, false},
      {"/invite team ann", GroupOp::kInvite, "team", {"ann"}, false},
      {"/kick team ann", GroupOp::kKick, "team", {"ann"}, false},
      {"/members team", GroupOp::kMembers, "team", {}, false},
      {"/groups", GroupOp::kListMine, "", {}, false},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.line));
    const ChatCommand command = parse_chat_line(row.line);
    REQUIRE(command.kind == Kind::kGroup);
    CHECK(command.op == row.op);
    CHECK(command.target == row.target);
    CHECK(command.words == row.words);
    CHECK(command.open == row.open);
  }
}

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
