// How what arrived is shown in a terminal. Pure functions.
//
// What others wrote reaches the terminal as text alone: UTF-8 stays, everything that could move the
// cursor, change colours or reorder a line is escaped, and a message is one line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "shared/client/events.h"
#include "shared/client/people.h"

namespace ims {

// One code point at the front of `text`, which is not empty, and its bytes; 0 bytes: no UTF-8.
std::pair<std::uint32_t, std::size_t> next_code_point(std::string_view text);

// Control characters, bytes that are no UTF-8, line and paragraph separators and what changes the
// direction of writing as \n, \t, \x1b, \u{202e}; a backslash stays as it is.
std::string escape_text(std::string_view text);

// "12:03" and "2026-11-22" in local time.
std::string format_time(std::int64_t time_ms);
std::string format_day(std::int64_t time_ms);

// One line each, without a newline. `self`: who looks.
std::string format_message(const client::InMessage& message, std::string_view self);
std::string format_group_event(const client::GroupEvent& event);
std::string format_contact_event(const client::ContactEvent& event);
std::string format_contact(const client::ContactResult::Contact& contact);
std::string format_presence(const client::Presence& presence);

}  // namespace ims
