// The bytes of presence_text.h, written and read back.
#include "logic/presence_text.h"

#include "logic/big_endian.h"
#include "shared/assert.h"

namespace ims::logic {

void append_presence_name(std::string& out, std::string_view name) {
  IMS_ASSERT(name.size() <= 255);
  out.push_back(static_cast<char>(name.size()));
  out.append(name);
}

std::string_view take_presence_name(std::string_view& text) {
  const std::size_t bytes = static_cast<unsigned char>(text.at(0));
  const std::string_view name = text.substr(1, bytes);
  text.remove_prefix(1 + bytes);
  return name;
}

void append_presence_text(std::string& out, const PresenceText& presence) {
  append_presence_name(out, presence.user);
  out.push_back(presence.online ? 1 : 0);
  append_number(out, presence.last_seen_ms);
  out.push_back(static_cast<char>(presence.devices.size()));
  for (const std::string_view device : presence.devices) append_presence_name(out, device);
}

PresenceText take_presence_text(std::string_view& text) {
  PresenceText presence;
  presence.user = take_presence_name(text);
  presence.online = text.at(0) != 0;
  presence.last_seen_ms = read_number<std::int64_t>(text, 1);
  const std::size_t devices = static_cast<unsigned char>(text.at(9));
  text.remove_prefix(10);
  for (std::size_t i = 0; i < devices; ++i) {
    presence.devices.push_back(take_presence_name(text));
  }
  return presence;
}

}  // namespace ims::logic
