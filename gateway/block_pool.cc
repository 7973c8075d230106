// Taking blocks and giving them back (block_pool.h).
#include "gateway/block_pool.h"

#include <algorithm>
#include <new>
#include <utility>

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
  void* const memory = ::operator new(block_bytes);
  Block* const block = begin(static_cast<Block*>(memory), size_class, block_bytes);
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  trim();  // free ones of other classes, so that all together stay within the peak
  return block;
}

void BlockPool::give(Block* block) noexcept {
  const std::size_t block_bytes = block->capacity + sizeof(Block);
  IMS_ASSERT(used_bytes_ >= block_bytes);
  if (used_bytes_ > peak_bytes_) [[unlikely]] peak_bytes_ = used_bytes_;
  used_bytes_ -= block_bytes;
  if (block->size_class == kClassCount || !keeps_free(free_bytes_ + block_bytes)) {
    ::operator delete(block);
    return;
  }
  free_bytes_ += block_bytes;
  block->next = free_[block->size_class];
  free_[block->size_class] = block;
}

bool BlockPool::keeps_free(std::size_t bytes) const noexcept {
  return bytes <= kFreeBytesMax ||
         used_bytes_ + bytes <= std::max(peak_bytes_, last_peak_bytes_);
}

void BlockPool::begin_window() noexcept {
  last_peak_bytes_ = std::exchange(peak_bytes_, used_bytes_);
}

// The largest first: memory is what is to be given back.
void BlockPool::trim() noexcept {
  std::size_t size_class = kClassCount;
  for (int n = 0; n < kTrimmedMax && !keeps_free(free_bytes_); ++n) {
    while (size_class > 0 && free_[size_class - 1] == nullptr) --size_class;
    IMS_ASSERT(size_class > 0);
    Block*& list = free_[size_class - 1];
    ::operator delete(std::exchange(list, list->next));
    free_bytes_ -= kClassBytes[size_class - 1];
  }
}

}  // namespace ims::gateway
