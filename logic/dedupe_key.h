// What names a stored message for who sends it again: timeline, sender, client_id.
//
// Threads  Values.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "shared/assert.h"
#include "shared/bytes.h"
#include "shared/ids.h"
#include "shared/limits.h"

namespace ims::logic {

struct DedupeKey {
  std::uint64_t timeline = 0;
  std::uint64_t sender = 0;
  std::uint64_t client_id_bytes = 0;
  std::array<std::byte, kClientIdBytesMax> client_id{};  // zeros behind its end

  DedupeKey() = default;
  DedupeKey(std::uint64_t timeline_id, UserId from, ByteView id) noexcept
      : timeline(timeline_id), sender(from.value), client_id_bytes(id.size()) {
    IMS_ASSERT(id.size() <= kClientIdBytesMax);
    std::memcpy(client_id.data(), id.data(), id.size());
  }

  // `seed`: the store's, so that nobody can choose what collides.
  std::uint64_t hash(std::uint64_t seed) const noexcept;  // dedupe_index.cc
  friend bool operator==(const DedupeKey&, const DedupeKey&) = default;
};
static_assert(sizeof(DedupeKey) == 24 + kClientIdBytesMax);  // nothing between the members

// Of the maps in memory.
struct DedupeKeyHash {
  using is_avalanching = void;
  std::size_t operator()(const DedupeKey& key) const noexcept { return key.hash(0); }
};

}  // namespace ims::logic
