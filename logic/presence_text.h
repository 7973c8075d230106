// One user's presence between workers:
//
//   | name length u8 | name | online u8 | last_seen_ms i64 | devices u8 | length u8 | device | ...
//
// Devices ascend, each once, at most kPresenceDevicesMax. The same set of devices is the same text,
// but for last_seen_ms, which is 0 while online.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ims::logic {

struct PresenceText {
  std::string_view user;
  bool online = false;
  std::int64_t last_seen_ms = 0;
  std::vector<std::string_view> devices;
};

void append_presence_text(std::string& out, const PresenceText& presence);
// Takes one off the front. The text was written by append_presence_text.
PresenceText take_presence_text(std::string_view& text);

// | length u8 | name |, the same without what it says.
void append_presence_name(std::string& out, std::string_view name);
std::string_view take_presence_name(std::string_view& text);

}  // namespace ims::logic
