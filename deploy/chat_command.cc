// Parsing of chat lines (chat_command.h).
#include "deploy/chat_command.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "deploy/chat_text.h"
#include "shared/names.h"

namespace ims {
namespace {

using Kind = ChatCommand::Kind;

constexpr std::string_view kHelp =
    "@user text            write to a user\n"
    "#group text           write to a group\n"
    "/to @user | #group    from now on lines without a name go there\n"
    "/chats                chats, and how much is unread in each\n"
    "/history [n] [@user | #group]   n older lines, older ones each time; [n] is a line's number\n"
    "/recall [n]           take back your last message, or the one with that number\n"
    "/contacts             friends, requests, who is blocked\n"
    "/add user [note]   /accept user   /decline user   /remove user   /block user   /unblock user\n"
    "/who [user...]        who is online; changes are told from then on\n"
    "/create group [user...]   /open group [user...]  (anyone may join)\n"
    "/join group   /leave group   /dismiss group   /rename group name\n"
    "/invite group user...   /kick group user...   /mute group user...   /unmute group user...\n"
    "/admin group user   /member group user   /owner group user   (hand it over)\n"
    "/members group   /groups   /help   /quit\n";

struct Verb {
  std::string_view word;
  GroupOp op;
  std::size_t words_min;  // the group included
  bool open = false;
  Role role = Role::kMember;
};
constexpr Verb kVerbs[] = {
    {"/create", GroupOp::kCreate, 1},
    {"/open", GroupOp::kCreate, 1, true},
    {"/join", GroupOp::kJoin, 1},
    {"/leave", GroupOp::kLeave, 1},
    {"/dismiss", GroupOp::kDismiss, 1},
    {"/invite", GroupOp::kInvite, 2},
    {"/kick", GroupOp::kKick, 2},
    {"/mute", GroupOp::kMute, 2},
    {"/unmute", GroupOp::kUnmute, 2},
    {"/member", GroupOp::kSetRole, 2, false, Role::kMember},
    {"/admin", GroupOp::kSetRole, 2, false, Role::kAdmin},
    {"/owner", GroupOp::kSetRole, 2, false, Role::kOwner},
    {"/members", GroupOp::kMembers, 1},
    {"/groups", GroupOp::kListMine, 0},
};

struct ContactVerb {
  std::string_view word;
  ContactOp op;
};
constexpr ContactVerb kContactVerbs[] = {
    {"/contacts", ContactOp::kList},  {"/add", ContactOp::kAdd},
    {"/accept", ContactOp::kAccept},  {"/decline", ContactOp::kDecline},
    {"/remove", ContactOp::kRemove},  {"/block", ContactOp::kBlock},
    {"/unblock", ContactOp::kUnblock},
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

ChatCommand wrong(std::string why) {
  ChatCommand command;
  command.kind = Kind::kWrong;
  command.text = std::move(why);
  return command;
}

ChatCommand needs_more(std::string_view word) {
  return wrong(std::string(word) + " needs more words; /help shows how");
}

ChatCommand no_name(std::string_view name) {
  return wrong("'" + escape_text(name) + "' is no name");
}

std::string_view without_sign(std::string_view name) {
  if (name.starts_with('#') || name.starts_with('@')) name.remove_prefix(1);
  return name;
}

bool take_number(std::string_view word, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc{} && end == word.data() + word.size() && number > 0;
}

ChatCommand parse_group(const Verb& verb, std::string_view line) {
  ChatCommand command;
  command.kind = Kind::kGroup;
  command.op = verb.op;
  command.role = verb.role;
  command.open = verb.open;
  while (!line.empty()) command.words.emplace_back(take_word(line));
  if (command.words.size() < verb.words_min) return needs_more(verb.word);
  for (std::string& name : command.words) {
    name = without_sign(name);
    if (!valid_name(name)) return no_name(name);
  }
  if (verb.words_min > 0) {
    command.target = command.words.front();
    command.words.erase(command.words.begin());
  }
  return command;
}

ChatCommand parse_rename(std::string_view line) {
  ChatCommand command;
  command.kind = Kind::kGroup;
  command.op = GroupOp::kRename;
  command.target = without_sign(take_word(line));
  command.text = line;
  if (command.text.empty()) return needs_more("/rename");
  if (!valid_name(command.target)) return no_name(command.target);
  if (!valid_label(command.text)) return wrong("a name has at most 256 bytes of UTF-8");
  return command;
}

ChatCommand parse_contact(const ContactVerb& verb, std::string_view line) {
  ChatCommand command;
  command.kind = Kind::kContact;
  command.contact_op = verb.op;
  if (verb.op == ContactOp::kList) return command;
  if (line.empty()) return needs_more(verb.word);
  command.target = without_sign(take_word(line));
  if (!valid_name(command.target)) return no_name(command.target);
  if (verb.op == ContactOp::kAdd) command.text = line;
  if (!valid_label(command.text)) return wrong("a note has at most 256 bytes of UTF-8");
  return command;
}

// "@user" or "#group".
bool take_chat(std::string_view word, ChatCommand& command) {
  if (!word.starts_with('@') && !word.starts_with('#')) return false;
  command.to_group = word.front() == '#';
  command.target = word.substr(1);
  return valid_name(command.target);
}

ChatCommand parse_words(std::string_view line) {
  ChatCommand command;
  const std::string_view word = take_word(line);
  if (word == "/help") return command.kind = Kind::kHelp, command;
  if (word == "/quit") return command.kind = Kind::kQuit, command;
  if (word == "/chats") return command.kind = Kind::kChats, command;
  if (word == "/rename") return parse_rename(line);
  if (word == "/to") {
    command.kind = Kind::kTo;
    if (!take_chat(take_word(line), command)) return wrong("/to takes @user or #group");
    return command;
  }
  if (word == "/history") {
    command.kind = Kind::kHistory;
    command.number = kHistoryRows;
    while (!line.empty()) {
      const std::string_view next = take_word(line);
      if (!take_number(next, command.number) && !take_chat(next, command)) {
        return wrong("/history takes a number, and @user or #group");
      }
    }
    command.number = std::min(command.number, kHistoryRowsMax);
    return command;
  }
  if (word == "/recall") {
    command.kind = Kind::kRecall;
    if (!line.empty() && !take_number(line, command.number)) {
      return wrong("/recall takes the number that /history shows");
    }
    return command;
  }
  if (word == "/who") {
    command.kind = Kind::kWho;
    while (!line.empty()) command.words.emplace_back(without_sign(take_word(line)));
    for (const std::string& name : command.words) {
      if (!valid_name(name)) return no_name(name);
    }
    if (command.words.size() > kWhoMax) return wrong("/who takes at most 500 users");
    return command;
  }
  for (const Verb& verb : kVerbs) {
    if (verb.word == word) return parse_group(verb, line);
  }
  for (const ContactVerb& verb : kContactVerbs) {
    if (verb.word == word) return parse_contact(verb, line);
  }
  return wrong(escape_text(word) + " is no command; /help shows them");
}

}  // namespace

ChatCommand parse_chat_line(std::string_view line) {
  line = trim(line);
  if (line.empty()) return {};
  if (!valid_utf8(line)) return wrong("the text is not UTF-8; look at the locale");
  if (line.front() == '/') return parse_words(line);
  ChatCommand command;
  if (line.front() != '@' && line.front() != '#') {
    command.kind = Kind::kText;
    command.text = line;
    return command;
  }
  command.to_group = line.front() == '#';
  command.kind = command.to_group ? Kind::kToGroup : Kind::kToUser;
  line.remove_prefix(1);
  command.target = take_word(line);
  command.text = line;
  if (!valid_name(command.target)) return no_name(command.target);
  if (command.text.empty()) return wrong("there is nothing to send");
  return command;
}

std::string_view chat_help() noexcept { return kHelp; }

}  // namespace ims
