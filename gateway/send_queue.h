// What one connection is owed: whole frames in the order in which they leave, in blocks of one
// pool.
//
//   head ──▶ block ──▶ block ◀── tail        one send in flight at most, and it is of `head`
//
// Frames appended between two sends lie side by side in a block, so that they leave in one send: a
// small block that overflows moves once to the next class up to 16 KiB; from there on blocks chain.
// A frame never spans two blocks. The first block is as large as the last ones had to become, so
// that a busy connection's frames move no more.
//
// Rows     A stored row leaves a mark, the end of its frame in its block. on_taken() passes marks
//          only when the kernel took their last byte, so a short send cannot count one row too
//          many.
// Lifetime A block that the kernel borrows never moves; bytes may still be appended behind the part
//          that is in flight.
// Limits   None of its own: the gateway asks before it appends (PROTOCOL.md section 5, slow
//          readers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "gateway/block_pool.h"
#include "shared/bytes.h"
#include "shared/inline.h"
#include "shared/limits.h"

namespace ims::gateway {

class SendQueue {
 public:
  // Contiguous room for a frame of exactly `bytes`, followed by append(). Null: grow() first.
  [[nodiscard]] IMS_INLINE std::byte* room(std::size_t bytes) noexcept {
    if (tail_ == nullptr || tail_->free_bytes() < bytes + kMarkBytes) return nullptr;
    return tail_->data() + tail_->end;
  }
  // The same where nothing is queued, for a frame as most are.
  [[nodiscard]] IMS_INLINE std::byte* first_room(BlockPool& pool, std::size_t bytes) {
    if (tail_ != nullptr || bytes > kFirstBlockBytes - kMarkBytes ||
        first_bytes_ > 2 * kFirstBlockBytes) {
      return nullptr;
    }
    head_ = tail_ = pool.take_of(kFirstBlockClass);
    return tail_->data();
  }
  // Returns how many bytes had to be copied for it.
  std::uint64_t grow(BlockPool& pool, std::size_t frame_bytes, bool send_in_flight);
  // The frame in that room is complete. `row`: it is a stored row.
  void append(std::size_t bytes, bool row) noexcept {
    tail_->end += static_cast<std::uint32_t>(bytes);
    bytes_ += static_cast<std::uint32_t>(bytes);
    ++tail_->frames;
    if (row) mark_row();
  }

  bool empty() const noexcept { return bytes_ == 0; }
  std::uint32_t bytes() const noexcept { return bytes_; }  // in flight included
  std::uint32_t rows() const noexcept { return rows_; }    // not wholly taken yet

  // What the next send carries.
  ByteView front() const noexcept { return head_ == nullptr ? ByteView{} : head_->bytes(); }

  // How many frames of front() no send was asked for yet. One is, now.
  std::uint16_t start_send() noexcept { return std::exchange(head_->frames, std::uint16_t{0}); }

  // The kernel took the first `bytes` of front(). Returns how many rows that completed.
  std::uint32_t on_taken(BlockPool& pool, std::size_t bytes) noexcept;

  void clear(BlockPool& pool) noexcept;

 private:
  static constexpr std::size_t kMarkBytes = sizeof(std::uint32_t);
  // An answer beside a push or two: the usual send moves nothing.
  static constexpr std::uint16_t kFirstBlockClass = 1;
  static constexpr std::size_t kFirstBlockBytes =
      BlockPool::kClassBytes[kFirstBlockClass] - sizeof(Block);

  void mark_row() noexcept;

  Block* head_ = nullptr;
  Block* tail_ = nullptr;
  std::uint32_t bytes_ = 0;
  std::uint16_t rows_ = 0;  // of one connection: at most push_window
  std::uint16_t first_bytes_ = 0;  // what the last blocks had to be; halved by smaller sends
};
static_assert(kPushWindowMax < (1u << 16));

}  // namespace ims::gateway
