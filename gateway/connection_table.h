// The slots of a gateway: connections by number, in slabs that are allocated on demand and never
// move.
//
// Ids      A ConnectionId names one tenancy of a slot: release() bumps the slot's generation, so
//          that a record that was written for the last tenant finds nobody.
// Limits   `slots_max`, at most kConnectionsPerGatewayMax. try_acquire() returns null when all are
//          used.
// Threads  One gateway thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gateway/connection.h"
#include "shared/inline.h"

namespace ims::gateway {

class ConnectionTable {
 public:
  static constexpr std::uint32_t kSlabSlots = 512;

  ConnectionTable(GatewayIndex gateway, std::uint32_t slots_max);

  [[nodiscard]] Connection* try_acquire();
  void release(Connection& connection) noexcept;

  // The connection that `id` names, or null if that tenancy is over.
  IMS_INLINE Connection* find(ConnectionId id) noexcept {
    const std::uint32_t slot = id.slot();
    if (slot >= slots_known_) return nullptr;
    Connection& found = at(slot);
    return found.id == id && found.state != State::kFree ? &found : nullptr;
  }

  Connection& at(std::uint32_t slot) noexcept {
    return slabs_[slot / kSlabSlots]->connections[slot % kSlabSlots];
  }
  Liveness& liveness(std::uint32_t slot) noexcept {
    return slabs_[slot / kSlabSlots]->liveness[slot % kSlabSlots];
  }
  Liveness& liveness(const Connection& connection) noexcept {
    return liveness(connection.id.slot());
  }

  std::uint32_t used() const noexcept { return used_; }
  std::uint32_t slots_max() const noexcept { return slots_max_; }
  std::uint32_t slots_known() const noexcept { return slots_known_; }  // ever used: [0, this)

 private:
  struct Slab {
    Connection connections[kSlabSlots];
    Liveness liveness[kSlabSlots];
  };
  static constexpr std::uint32_t kNoSlot = 0xffff'ffff;

  const GatewayIndex gateway_;
  const std::uint32_t slots_max_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::uint32_t slots_known_ = 0;
  std::uint32_t used_ = 0;
  std::uint32_t free_head_ = kNoSlot;  // linked through Connection::deadline_ms of free slots
};

}  // namespace ims::gateway
