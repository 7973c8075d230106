// The devices of a user that the server knows: those that have a cursor in the user's inbox, used
// within retention (logic/keys.h). What an operator is shown of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ims::logic {

struct Load;

struct KnownDevice {
  std::string name;  // empty: the default device
  bool online = false;
  std::int64_t last_seen_ms = 0;  // when a cursor of it was stored last
  std::uint64_t acked_seq = 0;    // in the inbox
  std::uint32_t groups = 0;       // in which it has a cursor
};

struct DeviceList {
  std::uint64_t inbox_seq = 0;  // newest stored seq
  std::vector<KnownDevice> devices;  // by ascending name
};

// From a finished Load::Kind::kLogin of a user that exists. Nobody is online; cursors not used
// since `cutoff_ms` are left out, and so is a device whose inbox cursor was.
DeviceList list_devices(const Load& load, std::int64_t cutoff_ms);

}  // namespace ims::logic
