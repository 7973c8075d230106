// Blocks of bytes for what a connection cannot do without at the moment: the tail of a cut frame,
// frames that the kernel has not taken yet. An idle connection owns none.
//
//   block   | Block | data, capacity bytes                         |
//                   | bytes [begin, end) ... free ... | row marks  |   marks: see send_queue.h
//
// Ownership  A block belongs to whoever took it until give().
// Threads    One gateway thread.
// Limits     Nine size classes up to 4.5 MiB, larger ones exact. used_bytes() counts what is taken,
//            headers included; the gateway keeps it under send_memory_bytes. Free blocks are kept
//            up to kFreeBytesMax, and beyond it for as long as they only make up for what was
//            taken at most of late (this window and the one before): a load that swells and ebbs,
//            as fan-outs do, allocates nothing, and what a peak took goes back some seconds later.
// Cost       take() and give() are a pop and a push of a free list (the last block given is the
//            first taken, so it is still in the cache).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "shared/bytes.h"
#include "shared/inline.h"
#include "shared/limits.h"

namespace ims::gateway {

struct Block {
  union {
    Block* next;               // of a queue, or of the free list
    std::uint64_t kept_ticks;  // a carry's: when the last bytes in it were received
  };
  std::uint32_t capacity;    // bytes of data
  std::uint32_t begin;       // data in use: [begin, end)
  std::uint32_t end;
  std::uint32_t marks;       // row marks written, from the data's end downwards
  std::uint32_t marks_done;  // of these, passed by `begin`
  std::uint16_t size_class;  // kClassCount: larger than any
  std::uint16_t frames;      // of a queue: appended since a send was asked for

  std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  ByteView bytes() noexcept { return {data() + begin, end - begin}; }
  std::size_t size() const noexcept { return end - begin; }
  std::size_t free_bytes() const noexcept {
    return capacity - end - marks * sizeof(std::uint32_t);
  }
};
static_assert(sizeof(Block) == 32);

class BlockPool {
 public:
  static constexpr std::array<std::size_t, 9> kClassBytes = {
      192,       512,        2 * kKiB,    16 * kKiB,  36 * kKiB,
      72 * kKiB, 288 * kKiB, 1152 * kKiB, 4608 * kKiB};
  static constexpr std::size_t kClassCount = kClassBytes.size();
  static constexpr std::size_t kFreeBytesMax = 16 * kMiB;
  static constexpr int kTrimmedMax = 2048;

  BlockPool() = default;
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // An empty block with room for at least `bytes`.
  [[nodiscard]] Block* take(std::size_t bytes);
  // An empty block of that class.
  [[nodiscard]] IMS_INLINE Block* take_of(std::uint16_t size_class) {
    Block* const block = free_[size_class];
    if (block == nullptr) [[unlikely]] return make(size_class, kClassBytes[size_class]);
    free_[size_class] = block->next;
    free_bytes_ -= kClassBytes[size_class];
    return begin(block, size_class, kClassBytes[size_class]);
  }
  void give(Block* block) noexcept;

  // What was taken at most is forgotten, but for the window that ends now.
  void begin_window() noexcept;
  // Free blocks that are too many go back to the allocator, kTrimmedMax of them at most.
  void trim() noexcept;

  std::size_t used_bytes() const noexcept { return used_bytes_; }
  std::size_t free_bytes() const noexcept { return free_bytes_; }

 private:
  IMS_INLINE Block* begin(Block* block, std::uint16_t size_class,
                          std::size_t block_bytes) noexcept {
    used_bytes_ += block_bytes;
    *block = Block{{nullptr}, static_cast<std::uint32_t>(block_bytes - sizeof(Block)), 0, 0, 0, 0,
                   size_class, 0};
    return block;
  }
  Block* make(std::uint16_t size_class, std::size_t block_bytes);
  bool keeps_free(std::size_t bytes) const noexcept;

  std::array<Block*, kClassCount> free_{};
  std::size_t used_bytes_ = 0;
  std::size_t free_bytes_ = 0;
  std::size_t peak_bytes_ = 0;       // of used_bytes_, in this window
  std::size_t last_peak_bytes_ = 0;  // in the one before
};

}  // namespace ims::gateway
