// Who this store is: drawn when it is created, read at every start.
//
// Threads  Start-up only.
// Errors   Throws StoreError.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "logic/store.h"

namespace ims::logic {

struct StoreIdentity {
  std::array<std::byte, 16> epoch{};  // random; names this incarnation of the data to clients
  std::uint64_t seed = 0;             // of names to partitions (shared/route.h); never changes
  std::uint32_t boot = 0;             // 1 at the first start; this start's, durable before any use
};

// The highest boot number that ids have room for (shared/ids.h: 24 bits).
inline constexpr std::uint32_t kBootMax = 0xff'ffff;

// Creates the identity in a store that has none. Increments the boot counter durably.
// `renew_epoch`: the store lost commits that clients know of (RocksStore::lost_commits()), so it is
// a new incarnation.
StoreIdentity open_identity(Store& store, bool renew_epoch = false);

}  // namespace ims::logic
