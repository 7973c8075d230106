// A user's devices from its cursors (known_devices.h).
#include "logic/known_devices.h"

#include <algorithm>

#include "logic/load.h"

namespace ims::logic {

DeviceList list_devices(const Load& load, std::int64_t cutoff_ms) {
  DeviceList list;
  list.inbox_seq = load.timeline.head;
  for (const DeviceCursor& cursor : load.cursors) {
    if (cursor.timeline != load.timeline_key.id || cursor.row.last_used_ms < cutoff_ms) continue;
    list.devices.push_back({std::string(cursor.device.view()), false, cursor.row.last_used_ms,
                            cursor.row.seq, 0});
  }
  for (const DeviceCursor& cursor : load.cursors) {
    if (cursor.timeline == load.timeline_key.id || cursor.row.last_used_ms < cutoff_ms) continue;
    const auto device = std::ranges::find(list.devices, cursor.device.view(), &KnownDevice::name);
    if (device == list.devices.end()) continue;
    ++device->groups;
    device->last_seen_ms = std::max(device->last_seen_ms, cursor.row.last_used_ms);
  }
  std::ranges::sort(list.devices, {}, &KnownDevice::name);
  return list;
}

}  // namespace ims::logic
