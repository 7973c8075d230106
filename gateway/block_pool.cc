// Taking blocks and giving them back (block_pool.h).
#include "gateway/block_pool.h"

#include <new>

#include "shared/assert.h"

namespace ims::gateway {

BlockPool::~BlockPool() {
  for (Block* list : free_) {
    while (list != nullptr) {
      Block* next = list->next;
      ::operator delete(list);
      list = next;
    }
  }
}

Block* BlockPool::take(std::size_t bytes) {
  const std::size_t whole = bytes + sizeof(Block);
  std::uint16_t size_class = 0;
  while (size_class < kClassCount && kClassBytes[size_class] < whole) ++size_class;
  return size_class < kClassCount ? take_of(size_class) : make(size_class, whole);
}

// From the heap.
Block* BlockPool::make(std::uint16_t size_class, std::size_t block_bytes) {
  return begin(static_cast<Block*>(::operator new(block_bytes)), size_class, block_bytes);
}

void BlockPool::give(Block* block) noexcept {
  const std::size_t block_bytes = block->capacity + sizeof(Block);
  IMS_ASSERT(used_bytes_ >= block_bytes);
  used_bytes_ -= block_bytes;
  if (block->size_class == kClassCount || free_bytes_ + block_bytes > kFreeBytesMax) {
    ::operator delete(block);
    return;
  }
  free_bytes_ += block_bytes;
  block->next = free_[block->size_class];
  free_[block->size_class] = block;
}

}  // namespace ims::gateway
