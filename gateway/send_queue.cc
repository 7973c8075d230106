// Appending frames, and what the kernel took of them (send_queue.h).
#include "gateway/send_queue.h"

#include <algorithm>
#include <cstring>

#include "shared/assert.h"

namespace ims::gateway {
namespace {

constexpr std::size_t kMiddleBlockBytes = BlockPool::kClassBytes[2] - sizeof(Block);
constexpr std::size_t kCoalesceBytesMax = BlockPool::kClassBytes[3] - sizeof(Block);
static_assert(kCoalesceBytesMax < (1u << 16));  // first_bytes_

std::byte* mark_at(Block& block, std::uint32_t index) noexcept {
  return block.data() + block.capacity - (index + 1) * sizeof(std::uint32_t);
}

std::uint32_t read_mark(Block& block, std::uint32_t index) noexcept {
  std::uint32_t end = 0;
  std::memcpy(&end, mark_at(block, index), sizeof end);
  return end;
}

void write_mark(Block& block, std::uint32_t end) noexcept {
  std::memcpy(mark_at(block, block.marks), &end, sizeof end);
  ++block.marks;
}

}  // namespace

// The frame that was appended last.
void SendQueue::mark_row() noexcept {
  write_mark(*tail_, tail_->end);
  ++rows_;
}

// A larger copy of a lone block that nobody borrows, else one more.
std::uint64_t SendQueue::grow(BlockPool& pool, std::size_t frame_bytes, bool send_in_flight) {
  const std::size_t bytes = frame_bytes + kMarkBytes;
  if (tail_ == nullptr) {
    std::size_t usual_bytes = kCoalesceBytesMax;
    for (const std::size_t smaller : {kMiddleBlockBytes, kFirstBlockBytes}) {
      if (first_bytes_ <= 2 * smaller) usual_bytes = smaller;
    }
    head_ = tail_ = pool.take(std::max(bytes, usual_bytes));
    return 0;
  }
  const std::uint32_t marks = tail_->marks - tail_->marks_done;
  const std::size_t together = tail_->size() + marks * kMarkBytes + bytes;
  if (tail_ != head_ || send_in_flight || together > kCoalesceBytesMax) {
    tail_->next = pool.take(std::max(bytes, kCoalesceBytesMax));
    tail_ = tail_->next;
    return 0;
  }
  Block* larger = pool.take(together);
  std::memcpy(larger->data(), tail_->data() + tail_->begin, tail_->size());
  larger->end = static_cast<std::uint32_t>(tail_->size());
  larger->frames = tail_->frames;
  for (std::uint32_t i = tail_->marks_done; i < tail_->marks; ++i) {
    write_mark(*larger, read_mark(*tail_, i) - tail_->begin);
  }
  pool.give(tail_);
  head_ = tail_ = larger;
  if (larger->capacity <= kCoalesceBytesMax) {
    first_bytes_ = static_cast<std::uint16_t>(larger->capacity);
  }
  return larger->end;
}

std::uint32_t SendQueue::on_taken(BlockPool& pool, std::size_t bytes) noexcept {
  IMS_ASSERT(head_ != nullptr && bytes <= head_->size());
  head_->begin += static_cast<std::uint32_t>(bytes);
  bytes_ -= static_cast<std::uint32_t>(bytes);
  const std::uint32_t before = head_->marks_done;
  while (head_->marks_done < head_->marks && read_mark(*head_, head_->marks_done) <= head_->begin) {
    ++head_->marks_done;
  }
  const std::uint32_t rows = head_->marks_done - before;
  rows_ = static_cast<std::uint16_t>(rows_ - rows);
  if (head_->begin == head_->end) {
    // Far too large by now, for some sends in a row: the next one is smaller.
    if (head_->end < first_bytes_ / 4u) first_bytes_ /= 2;
    Block* next = head_->next;
    pool.give(head_);
    head_ = next;
    if (next == nullptr) tail_ = nullptr;
  }
  return rows;
}

void SendQueue::clear(BlockPool& pool) noexcept {
  while (head_ != nullptr) {
    Block* next = head_->next;
    pool.give(head_);
    head_ = next;
  }
  *this = {};
}

}  // namespace ims::gateway
