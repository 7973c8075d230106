// What names a stored message for who sends it again: timeline, sender, client_id.
//
// Threads  Values. Made in dedupe_index.cc.
#pragma once

#include <array>
#include <cstdint>

#include "shared/bytes.h"
#include "shared/ids.h"
#include "shared/limits.h"

namespace ims::logic {

struct DedupeKey {
  std::uint64_t hash = 0;  // of all that follows, with the store's seed: nobody chooses collisions
  std::uint64_t timeline = 0;
  std::uint64_t sender = 0;
  std::uint64_t client_id_bytes = 0;
  std::array<std::byte, kClientIdBytesMax> client_id{};  // zeros behind its end

  DedupeKey() = default;
  DedupeKey(std::uint64_t seed, std::uint64_t timeline_id, UserId from, ByteView id) noexcept;

  friend bool operator==(const DedupeKey&, const DedupeKey&) = default;
};
static_assert(sizeof(DedupeKey) == 32 + kClientIdBytesMax);  // nothing between the members

// Of the maps in memory.
struct DedupeKeyHash {
  using is_avalanching = void;
  std::size_t operator()(const DedupeKey& key) const noexcept { return key.hash; }
};

}  // namespace ims::logic
