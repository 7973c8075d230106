// Escaping and formatting of chat lines (chat_text.h).
#include "deploy/chat_text.h"

#include <cstdio>
#include <ctime>
#include <string>
#include <utility>

#include "shared/names.h"

namespace ims {
namespace {

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

std::string format_day(std::int64_t time_ms) {
  const std::time_t seconds = time_ms / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[16];
  const std::size_t bytes = std::strftime(text, sizeof text, "%Y-%m-%d", &local);
  return std::string(text, bytes);
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
  if (message.type == MessageType::kImage) {
    const auto url = client::decode_text(message.payload);
    if (url && !url->empty()) return line + "[image] " + escape_text(*url);
  }
  if (message.type == MessageType::kRecall) {
    const std::uint64_t seq = client::decode_recall(message.payload);
    return line + (seq == 0 ? "(recalled)" : "recalled message " + std::to_string(seq));
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
  const bool is_of_himself = event.op == GroupOp::kJoin || event.op == GroupOp::kLeave;
  for (const std::string& user : event.users) {
    if (!is_of_himself) line += " " + escape_text(user);
  }
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

std::string format_contact(const client::ContactResult::Contact& contact) {
  constexpr const char* kStates[] = {"", " (asked by you)", " (asks you: /accept or /decline)",
                                     " (friend)"};
  std::string line = "  " + escape_text(contact.user) +
                     kStates[static_cast<std::size_t>(contact.state)];
  if (contact.blocked) line += " (blocked)";
  if (!contact.note.empty()) line += ": " + escape_text(contact.note);
  return line;
}

std::string format_presence(const client::Presence& presence) {
  std::string line = escape_text(presence.user);
  if (!presence.online) {
    if (presence.last_seen_ms == 0) return line + " is offline";
    return line + " is offline, last seen " + format_day(presence.last_seen_ms) + " " +
           format_time(presence.last_seen_ms);
  }
  line += " is online";
  std::string devices;
  for (const std::string& device : presence.devices) {
    if (device.empty()) continue;
    devices += (devices.empty() ? " (" : ", ") + escape_text(device);
  }
  return devices.empty() ? line : line + devices + ")";
}

}  // namespace ims
