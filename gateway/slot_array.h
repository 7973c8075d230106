// What a backend keeps of each connection, by the connection's slot: chunks that are allocated on
// demand and never move, so that growing copies nothing and leaves no room behind.
//
// Limits   Slots below kConnectionsPerGatewayMax. Memory is kept once grown.
// Threads  One gateway thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "shared/inline.h"

namespace ims::gateway {

template <typename T>
class SlotArray {
 public:
  static constexpr std::uint32_t kChunkSlots = 1024;

  IMS_INLINE T& operator[](std::uint32_t slot) {
    const std::uint32_t chunk = slot / kChunkSlots;
    if (chunk >= chunks_.size()) [[unlikely]] grow(chunk);
    return chunks_[chunk][slot % kChunkSlots];
  }

  // Every slot of the chunks so far.
  template <typename Visit>
  void for_each(Visit visit) {
    for (const std::unique_ptr<T[]>& chunk : chunks_) {
      for (std::uint32_t i = 0; i < kChunkSlots; ++i) visit(chunk[i]);
    }
  }

 private:
  [[gnu::noinline]] void grow(std::uint32_t chunk) {
    while (chunk >= chunks_.size()) chunks_.push_back(std::make_unique<T[]>(kChunkSlots));
  }

  std::vector<std::unique_ptr<T[]>> chunks_;
};

}  // namespace ims::gateway
