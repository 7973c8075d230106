// What a typed line means, and that what is wrong is said without harm to the terminal.
#include "deploy/chat_command.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

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
      "@bob",      "@ hello",         "#",         "@a/b hi",  "@bob \xff",
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

TEST_CASE("lines: the rest") {
  struct Row {
    std::string_view line;
    Kind kind;
    std::string_view target;
    bool to_group;
    std::string_view text;
    std::uint64_t number;
  };
  const Row rows[] = {
      {"hello there", Kind::kText, "", false, "hello there", 0},
      {"/to @bob", Kind::kTo, "bob", false, "", 0},
      {"/to #team", Kind::kTo, "team", true, "", 0},
      {"/chats", Kind::kChats, "", false, "", 0},
      {"/history", Kind::kHistory, "", false, "", kHistoryRows},
      {"/history 3", Kind::kHistory, "", false, "", 3},
      {"/history 5 #team", Kind::kHistory, "team", true, "", 5},
      {"/history @bob 1001", Kind::kHistory, "bob", false, "", kHistoryRowsMax},
      {"/recall", Kind::kRecall, "", false, "", 0},
      {"/recall 41", Kind::kRecall, "", false, "", 41},
      {"/contacts", Kind::kContact, "", false, "", 0},
      {"/add @bob it's me", Kind::kContact, "bob", false, "it's me", 0},
      {"/block bob", Kind::kContact, "bob", false, "", 0},
      {"/rename #team A new name", Kind::kGroup, "team", false, "A new name", 0},
      {"/who", Kind::kWho, "", false, "", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.line));
    const ChatCommand command = parse_chat_line(row.line);
    CHECK(command.kind == row.kind);
    CHECK(command.target == row.target);
    CHECK(command.to_group == row.to_group);
    CHECK(command.text == row.text);
    CHECK(command.number == row.number);
  }
  for (const std::string_view line :
       {"/to bob", "/to", "/history 0", "/history x", "/recall x", "/recall 0", "/add", "/rename x",
        "/who a/b", "/accept"}) {
    CAPTURE(std::string(line));
    CHECK(parse_chat_line(line).kind == Kind::kWrong);
  }
  CHECK(parse_chat_line("/add bob " + std::string(256, 'x')).kind == Kind::kContact);
  CHECK(parse_chat_line("/add bob " + std::string(257, 'x')).kind == Kind::kWrong);
  CHECK(parse_chat_line("/admin team bob").role == Role::kAdmin);
  CHECK(parse_chat_line("/owner team bob").role == Role::kOwner);
}

TEST_CASE("help names every command") {
  for (const std::string_view word :
       {"@user", "#group", "/to", "/chats", "/history", "/recall", "/contacts", "/add", "/accept",
        "/decline", "/remove", "/block", "/unblock", "/who", "/create", "/open", "/join", "/leave",
        "/dismiss", "/rename", "/invite", "/kick", "/mute", "/unmute", "/admin", "/member",
        "/owner", "/members", "/groups", "/help", "/quit"}) {
    CAPTURE(std::string(word));
    CHECK(chat_help().find(word) != std::string_view::npos);
  }
}

}  // namespace
}  // namespace ims
