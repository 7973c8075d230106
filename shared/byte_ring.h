// Bounded single-producer single-consumer ring of variable-length byte records: the only thing that
// two cores share.
//
//   mapping   | data, capacity bytes | the same data again |      a memfd, mapped twice in a row,
//             0                  capacity            2*capacity   so that a record never wraps
//   record    | size u32 | kind u8 | ... | padding to 8 |         size counts the whole record
//
//     producer thread                                   consumer thread
//     try_reserve: room? caller writes the record
//     commit: counts it, still private
//     publish: release tail        ──────────────────▶  front: acquire tail
//     try_reserve: acquire head    ◀──────────────────  release: release head
//
// Ownership  Bytes are the producer's until publish(), then the consumer's until release(). Until
//            then the consumer may let others read a record, by its offset(), as long as it hears
//            back from them over another ring (logic/relay_pins.h).
// Threads    Exactly one producer and one consumer thread for the ring's whole life.
// Limits     A record is at most capacity / 8 bytes (a ring holds at least 8 of the largest).
// When full  try_reserve() returns null and changes nothing; the caller applies backpressure.
//            Nothing is ever dropped in here.
// Progress   Wait-free. No allocation, no system call after construction.
// Source     Cached peer index: E. Rigtorp, SPSCQueue. Positions that only count up: io_uring's
//            rings.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "shared/assert.h"
#include "shared/bytes.h"

namespace ims {

inline constexpr std::size_t kRecordAlign = 8;

constexpr std::size_t record_size(std::size_t bytes) noexcept {
  return (bytes + kRecordAlign - 1) & ~(kRecordAlign - 1);
}

class ByteRing {
 public:
  // `capacity_bytes`: a power of two and a multiple of the page size. Throws std::system_error
  // where the kernel refuses the mapping. `name` is what /proc/PID/maps shows.
  ByteRing(const char* name, std::size_t capacity_bytes);
  ~ByteRing();
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;

  // ---- producer thread ----

  // Room for a record of `bytes` (rounded up to 8), or null when it does not fit now. The record is
  // built in place; its first four bytes must become its rounded size before commit().
  [[nodiscard]] std::byte* try_reserve(std::size_t bytes) noexcept {
    const std::size_t size = record_size(bytes);
    IMS_ASSERT(size <= record_bytes_max());
    if (write_ + size - head_cache_ > capacity_) {
      // acquire: pairs with the release in release(). Once we see the new head, the consumer has
      // read the old record's last byte before we write over it.
      head_cache_ = head_.load(std::memory_order_acquire);
      if (write_ + size - head_cache_ > capacity_) return nullptr;
    }
    return data_ + (write_ & mask_);
  }

  // Counts the record that was just built. Not visible to the consumer before publish().
  void commit(std::size_t bytes) noexcept { write_ += record_size(bytes); }

  // Makes every committed record visible. True when there was something new: then wake the
  // consumer.
  bool publish() noexcept {
    if (published_ == write_) return false;
    published_ = write_;
    // release: the records' bytes are complete before the consumer can see that they exist.
    tail_.store(write_, std::memory_order_release);
    return true;
  }

  // Can a record of the largest size be reserved? Looks at the consumer's head only when it seems
  // full.
  bool has_room_for_largest() noexcept {
    if (write_ + record_bytes_max() - head_cache_ <= capacity_) return true;
    return free_bytes() >= record_bytes_max();
  }

  // Bytes that could be reserved at the last look at the consumer's head.
  std::size_t known_free_bytes() const noexcept {
    return capacity_ - static_cast<std::size_t>(write_ - head_cache_);
  }

  // Bytes that can be reserved now, by a fresh look at the consumer's head.
  std::size_t free_bytes() noexcept {
    head_cache_ = head_.load(std::memory_order_acquire);  // acquire: as in try_reserve()
    return capacity_ - static_cast<std::size_t>(write_ - head_cache_);
  }

  // Bytes that the consumer has not given back, by a fresh look.
  std::size_t used_bytes() noexcept { return capacity_ - free_bytes(); }

  // Where the next record will begin: bytes ever committed.
  std::uint64_t written() const noexcept { return write_; }

  // Nobody reads any more what was committed before written() was `position`.
  bool consumed(std::uint64_t position) noexcept {
    if (head_cache_ >= position) return true;
    head_cache_ = head_.load(std::memory_order_acquire);  // acquire: as in try_reserve()
    // acquire: pairs with abandon(); what the consumer read, it has read before.
    return head_cache_ >= position || abandoned_.load(std::memory_order_acquire);
  }

  // ---- consumer thread ----

  // The oldest record, or an empty view. Valid until release().
  [[nodiscard]] ByteView front() noexcept {
    if (read_ == tail_cache_) {
      // acquire: pairs with the release in publish(); makes the record's bytes visible.
      tail_cache_ = tail_.load(std::memory_order_acquire);
      if (read_ == tail_cache_) return {};
    }
    const std::byte* record = data_ + (read_ & mask_);
    std::uint32_t size = 0;
    __builtin_memcpy(&size, record, sizeof size);
    IMS_ASSERT(size >= kRecordAlign && size % kRecordAlign == 0 && size <= tail_cache_ - read_);
    return {record, size};
  }

  // Steps over front(). Its bytes stay valid until release().
  void pop(ByteView record) noexcept { read_ += record.size(); }

  // Gives the popped records' space back: all, or what was popped when popped() was `position`.
  void release() noexcept { release_to(read_); }
  void release_to(std::uint64_t position) noexcept {
    IMS_ASSERT(position >= released_ && position <= read_);
    if (released_ == position) return;
    released_ = position;
    // release: our reads of the records end before the producer may reuse their space.
    head_.store(position, std::memory_order_release);
  }

  // Bytes ever popped, and how many of them were not released yet.
  std::uint64_t popped() const noexcept { return read_; }
  std::size_t kept_bytes() const noexcept { return static_cast<std::size_t>(read_ - released_); }

  // The consumer leaves for good: it reads nothing any more.
  void abandon() noexcept { abandoned_.store(true, std::memory_order_release); }

  // Is this a record of front(), and not a copy of one?
  bool holds(const void* record) const noexcept {
    const auto* at = static_cast<const std::byte*>(record);
    return std::greater_equal<>{}(at, data_) && std::less<>{}(at, data_ + capacity_);
  }
  // How record() finds it.
  std::uint32_t offset(const void* record) const noexcept {
    return static_cast<std::uint32_t>(static_cast<const std::byte*>(record) - data_);
  }

  bool empty() noexcept { return front().empty(); }

  // ---- any thread ----

  // The record at an offset() that the consumer handed out.
  ByteView record(std::uint32_t offset) const noexcept {
    IMS_ASSERT(offset < capacity_ && offset % kRecordAlign == 0);
    std::uint32_t size = 0;
    __builtin_memcpy(&size, data_ + offset, sizeof size);
    return {data_ + offset, size};
  }

  std::size_t capacity_bytes() const noexcept { return capacity_; }
  std::size_t record_bytes_max() const noexcept { return capacity_ / 8; }

 private:
  // Two lines, because x86 prefetches them in pairs.
  static constexpr std::size_t kIsolation = 128;

  // Written once, read by both sides.
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::uint64_t mask_ = 0;

  // Producer's lines: what it wrote, what it published, and the last head that it saw.
  alignas(kIsolation) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t write_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t head_cache_ = 0;

  // Consumer's lines: the mirror image.
  alignas(kIsolation) std::atomic<std::uint64_t> head_{0};
  std::uint64_t read_ = 0;
  std::uint64_t released_ = 0;
  std::uint64_t tail_cache_ = 0;
  std::atomic<bool> abandoned_{false};
};

}  // namespace ims
