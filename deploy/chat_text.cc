// Parsing and formatting of chat lines (chat_text.h).
#include "deploy/chat_text.h"

#include <cstdio>
#include <ctime>
#include <string>
#include <utility>

#include "shared/names.h"

namespace ims {
namespace {

using Kind = ChatCommand::Kind;

constexpr std::string_view kHelp =
    "@user text            write to a user\n"
    "#group text           write to a group\n"
    "/create group [user...]   /open group [user...]  (anyone may join)\n"
    "/join group   /leave group   /dismiss group\n"
    "/invite group user...   /kick group user...\n"
    "/members group   /groups   /help   /quit\n";

struct Verb {
  std::string_view word;
  GroupOp op;
  std::size_t words_min;  // the group included
  bool open;
};
constexpr Verb kVerbs[] = {
    {"/create", GroupOp::kCreate, 1, false}, {"/open", GroupOp::kCreate, 1, true},
    {"/join", GroupOp::kJoin, 1, false},     {"/leave", GroupOp::kLeave, 1, false},
    {"/dismiss", GroupOp::kDismiss, 1, false}, {"/invite", GroupOp::kInvite, 2, false},
    {"/kick", GroupOp::kKick, 2, false},     {"/members", GroupOp::kMembers, 1, false},
    {"/groups", GroupOp::kListMine, 0, false},
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

ChatCommand parse_words(std::string_view line) {
  ChatCommand command;
  const std::string_view word = take_word(line);
  if (word == "/help") return command.kind = Kind::kHelp, command;
  if (word == "/quit") return command.kind = Kind::kQuit, command;
  for (const Verb& verb : kVerbs) {
    if (verb.word != word) continue;
    command.kind = Kind::kGroup;
    command.op = verb.op;
    command.open = verb.open;
    while (!line.empty()) command.words.emplace_back(take_word(line));
    if (command.words.size() < verb.words_min) {
      return wrong(std::string(word) + " needs more words; /help shows how");
    }
    for (std::string& name : command.words) {
      if (name.front() == '#' || name.front() == '@') name.erase(0, 1);
      if (!valid_name(name)) return wrong("'" + escape_text(name) + "' is no name");
    }
    if (verb.words_min > 0) {
      command.target = command.words.front();
      command.words.erase(command.words.begin());
    }
    return command;
  }
  return wrong(escape_text(word) + " is no command; /help shows them");
}

// One code point at the front of `text`; 0 bytes: no UTF-8.
std::pair<std::uint32_t, std::size_t> next_code_point(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (bytes > text.size() || !valid_utf8(text.substr(0, bytes))) return {0, 0};
  std::uint32_t code = bytes == 1 ? lead : lead & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  return {code, bytes};
}

bool is_harmless(std::uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return false;      // controls
  if (code == 0x061c || code == 0x200e || code == 0x200f) return false;  // marks of direction
  if (code >= 0x2028 && code <= 0x202e) return false;  // separators, embeddings, overrides
  if (code >= 0x2066 && code <= 0x2069) return false;  // isolates
  return code != 0xfeff && !(code >= 0xe0000 && code <= 0xe007f);  // invisible: BOM, tags
}

template <typename Number>
void append_hex(std::string& out, const char* format, Number number) {
  char text[16];
  std::snprintf(text, sizeof text, format, static_cast<unsigned>(number));
  out += text;
}

const char* name_of(MessageType type) {
  constexpr const char* kNames[] = {"text",     "image",  "file",   "audio",   "video",
                                    "location", "custom", "recall", "receipt", "typing"};
  return kNames[static_cast<std::size_t>(type)];
}

}  // namespace

ChatCommand parse_chat_line(std::string_view line) {
  line = trim(line);
  if (line.empty()) return {};
  if (line.front() == '/') return parse_words(line);
  if (line.front() != '@' && line.front() != '#') {
    return wrong("a line begins with @user, #group or /command; /help shows how");
  }
  ChatCommand command;
  command.kind = line.front() == '@' ? Kind::kToUser : Kind::kToGroup;
  line.remove_prefix(1);
  command.target = take_word(line);
  command.text = line;
  if (!valid_name(command.target)) return wrong("'" + escape_text(command.target) + "' is no name");
  if (command.text.empty()) return wrong("there is nothing to send");
  if (!valid_utf8(command.text)) return wrong("the text is not UTF-8; look at the locale");
  return command;
}

std::string_view chat_help() noexcept { return kHelp; }

std::string escape_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [code, bytes] = next_code_point(text);
    const std::size_t taken = bytes == 0 ? 1 : bytes;
    if (bytes != 0 && is_harmless(code)) {
      out += text.substr(0, taken);
    } else if (code == '\n') {
      out += "\\n";
    } else if (code == '\t') {
      out += "\\t";
    } else if (bytes > 1) {
      append_hex(out, "\\u{%x}", code);
    } else {
      append_hex(out, "\\x%02x", static_cast<unsigned char>(text[0]));
    }
    text.remove_prefix(taken);
  }
  return out;
}

std::string format_time(std::int64_t time_ms) {
  const std::time_t seconds = time_ms / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[16];
  std::snprintf(text, sizeof text, "%02u:%02u", static_cast<unsigned>(local.tm_hour) % 24,
                static_cast<unsigned>(local.tm_min) % 60);
  return text;
}

std::string format_message(const client::InMessage& message, std::string_view self) {
  std::string line = format_time(message.time_ms) + " ";
  if (!message.group.empty()) line += "#" + escape_text(message.group) + " ";
  line += escape_text(message.from);
  // A copy of what another device of one's own sent.
  if (message.group.empty() && message.from == self && message.to != self) {
    line += " to @" + escape_text(message.to);
  }
  line += ": ";
  if (message.type == MessageType::kTxt) {
    const auto text = client::decode_text(message.payload);
    return line + escape_text(text ? *text : message.payload);
  }
  return line + "[" + name_of(message.type) + ", " + std::to_string(message.payload.size()) +
         " bytes]";
}

std::string format_group_event(const client::GroupEvent& event) {
  constexpr const char* kDone[] = {"asked about", "created",  "joined",  "left",
                                   "invited",     "removed",  "dismissed", "listed",
                                   "made",        "renamed",  "listed",  "muted",
                                   "unmuted"};
  std::string line = format_time(event.time_ms) + " #" + escape_text(event.group) + " * " +
                     escape_text(event.by) + " " + kDone[static_cast<std::size_t>(event.op)];
  if (event.op == GroupOp::kCreate || event.op == GroupOp::kJoin || event.op == GroupOp::kLeave ||
      event.op == GroupOp::kDismiss || event.op == GroupOp::kRename) {
    line += " the group";
  }
  if (event.op == GroupOp::kCreate && !event.users.empty()) line += " with";
  for (const std::string& user : event.users) line += " " + escape_text(user);
  if (event.op == GroupOp::kSetRole) {
    constexpr const char* kRoles[] = {" a member", " an admin", " the owner"};
    line += kRoles[static_cast<std::size_t>(event.role)];
  }
  if (event.op == GroupOp::kRename) line += " to \"" + escape_text(event.name) + "\"";
  return line;
}

std::string format_contact_event(const client::ContactEvent& event) {
  constexpr const char* kDone[] = {
      "listed",   "asks to be a contact",          "accepted you as a contact",
      "declined", "removed you from the contacts", "blocked",
      "unblocked"};
  std::string line = format_time(event.time_ms) + " * " + escape_text(event.user) + " " +
                     kDone[static_cast<std::size_t>(event.op)];
  if (!event.note.empty()) line += ": " + escape_text(event.note);
  return line;
}

}  // namespace ims
