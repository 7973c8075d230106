// How far a user's devices are, as the user has it in memory (cursors.cc).
//
// Threads  Values; the worker's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "logic/compact_vector.h"
#include "logic/rows.h"
#include "logic/short_text.h"

namespace ims::logic {

// A device in a timeline, as the store has it or will have it.
struct DeviceCursor {
  ShortText device;
  std::uint64_t timeline = 0;
  CursorRow row;
  bool dirty = false;   // not in a batch yet
  bool stored = false;  // the store has had it at some time; of the inbox's: the device is known
};

using CursorList = CompactVector<DeviceCursor>;

inline DeviceCursor* find_cursor(CursorList& cursors, std::string_view device,
                                 std::uint64_t timeline) noexcept {
  const auto found = std::ranges::find_if(cursors, [&](const DeviceCursor& cursor) {
    return cursor.timeline == timeline && cursor.device == device;
  });
  return found == cursors.end() ? nullptr : &*found;
}

// Found, or made.
inline DeviceCursor& cursor_of(CursorList& cursors, std::string_view device,
                               std::uint64_t timeline) {
  if (DeviceCursor* found = find_cursor(cursors, device, timeline)) return *found;
  return cursors.emplace_back(DeviceCursor{ShortText(device), timeline, {}, false, false});
}

// All of the device's.
inline void drop_cursors(CursorList& cursors, std::string_view device) noexcept {
  cursors.erase(std::remove_if(cursors.begin(), cursors.end(),
                               [&](const auto& cursor) { return cursor.device == device; }),
                cursors.end());
}

}  // namespace ims::logic
