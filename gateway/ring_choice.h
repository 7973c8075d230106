// Which of a gateway's rings takes the next connections.
//
// A ring's table of direct descriptors may not exceed RLIMIT_NOFILE, so a gateway that holds more
// has several rings. One accepts at a time: the same one until its table is full, since a change
// costs a cancelled and a new accept; then the first one that has an eighth of its table free, so
// that connections gather in few rings; then a new ring; with no more of them allowed, the one with
// most room.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ims::gateway {

struct RingRoom {
  std::uint32_t slots = 0;
  std::uint32_t used = 0;

  std::uint32_t left() const noexcept { return slots - used; }
};

// The index of the ring, or rooms.size(): one more has to be added. All full and none to be added:
// `current`.
inline std::size_t choose_ring(std::span<const RingRoom> rooms, std::size_t current,
                               bool may_add) noexcept {
  if (rooms[current].left() > 0) return current;
  const auto has_an_eighth = [](const RingRoom& room) {
    return room.left() > 0 && room.left() >= room.slots / 8;
  };
  const auto roomy = std::ranges::find_if(rooms, has_an_eighth);
  if (roomy != rooms.end()) return static_cast<std::size_t>(roomy - rooms.begin());
  if (may_add) return rooms.size();
  const auto most = std::ranges::max_element(rooms, {}, &RingRoom::left);
  return most->left() > 0 ? static_cast<std::size_t>(most - rooms.begin()) : current;
}

}  // namespace ims::gateway
