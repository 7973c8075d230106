// The text of a terminal chat, both ways: what a typed line means, and how what arrived is shown.
// Pure functions.
//
// What others wrote reaches the terminal as text alone: UTF-8 stays, everything that could move the
// cursor, change colours or reorder a line is escaped, and a message is one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/client/events.h"

namespace ims {

struct ChatCommand {
  enum class Kind : std::uint8_t {
    kNone,     // an empty line
    kToUser,   // @user text
    kToGroup,  // #group text
    kGroup,    // a group request: `op`, target, words
    kHelp,
    kQuit,
    kWrong,    // text says what
  };
  Kind kind = Kind::kNone;
  std::string target;
  std::string text;
  GroupOp op = GroupOp::kInfo;
  bool open = false;
  std::vector<std::string> words;
};

// A line without its newline.
ChatCommand parse_chat_line(std::string_view line);
std::string_view chat_help() noexcept;

// Control characters, bytes that are no UTF-8, line and paragraph separators and what changes the
// direction of writing as \n, \t, \x1b, \u{202e}; a backslash stays as it is.
std::string escape_text(std::string_view text);

// "12:03" in local time.
std::string format_time(std::int64_t time_ms);

// One line each, without a newline. `self`: who looks.
std::string format_message(const client::InMessage& message, std::string_view self);
std::string format_group_event(const client::GroupEvent& event);
std::string format_contact_event(const client::ContactEvent& event);

}  // namespace ims
