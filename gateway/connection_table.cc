// Slabs, free slots and generations (connection_table.h).
#include "gateway/connection_table.h"

#include <algorithm>

#include "shared/assert.h"
#include "shared/encode.h"

namespace ims::gateway {

// ---- sender ------------------------------------------------------------------------------------

void Connection::set_sender(std::string_view user_text, std::string_view device_text,
                            BlockPool& pool) {
  IMS_ASSERT(user_text.size() <= kNameBytesMax && device_text.size() <= kNameBytesMax);
  clear_sender(pool);
  user_bytes = static_cast<std::uint8_t>(user_text.size());
  device_bytes = static_cast<std::uint8_t>(device_text.size());
  const std::size_t bytes = sender_fields_bytes(user_text, device_text);
  sender_bytes = static_cast<std::uint8_t>(bytes);
  std::byte* at = sender_inline;
  if (bytes > kSenderInlineBytes) {
    Block* block = pool.take(bytes);
    std::memcpy(sender_inline, &block, sizeof block);
    sender_in_block = true;
    at = block->data();
  }
  write_sender_fields(at, user_text, device_text);
}

void Connection::clear_sender(BlockPool& pool) noexcept {
  if (sender_in_block) pool.give(sender_block());
  sender_in_block = false;
  sender_bytes = user_bytes = device_bytes = 0;
}

// ---- slots -------------------------------------------------------------------------------------

ConnectionTable::ConnectionTable(GatewayIndex gateway, std::uint32_t slots_max)
    : gateway_(gateway), slots_max_(slots_max) {
  IMS_ASSERT(slots_max >= 1 && slots_max <= kConnectionsPerGatewayMax);
  slabs_.reserve((slots_max + kSlabSlots - 1) / kSlabSlots);
}

Connection* ConnectionTable::try_acquire() {
  std::uint32_t slot = free_head_;
  if (slot != kNoSlot) {
    free_head_ = at(slot).deadline_ms;
    at(slot).deadline_ms = 0;
  } else {
    if (slots_known_ == slots_max_) return nullptr;
    slot = slots_known_;
    if (slot % kSlabSlots == 0) slabs_.push_back(std::make_unique<Slab>());
    ++slots_known_;
    at(slot).id = ConnectionId::make(gateway_, 1, slot);
  }
  ++used_;
  return &at(slot);
}

void ConnectionTable::release(Connection& connection) noexcept {
  IMS_ASSERT(used_ > 0 && !connection.sender_in_block);
  const std::uint32_t slot = connection.id.slot();
  std::uint32_t next = (connection.id.generation() + 1) & ConnectionId::kGenerationMask;
  if (next == 0) next = 1;  // so that no id of gateway 0 is all zeros
  connection = Connection{};
  connection.id = ConnectionId::make(gateway_, next, slot);
  connection.deadline_ms = free_head_;
  liveness(slot) = {};
  free_head_ = slot;
  --used_;
}

}  // namespace ims::gateway
