// Bounded single-producer single-consumer ring of small values. (Messages cross between gateways
// and workers in the byte ring; this one is for jobs of the helper threads.)
//
//     producer thread                                  consumer thread
//     try_push: write slot, publish tail_  --------->  try_pop: see tail_, read slot
//     try_push: see head_, reuse slot      <---------  try_pop: publish head_
//
// Ownership  A value is the producer's until try_push() returned true and the consumer's once
//            try_pop() returned it. In between nobody touches it.
// Threads    Exactly one producer thread and one consumer thread for the ring's whole life.
//            size_approx() may be called from any thread.
// Progress   Both operations are wait-free. Neither allocates, blocks or makes a system call.
// When full  try_push() returns false and leaves `value` untouched. Nothing is dropped here.
// Source     Cached peer index: E. Rigtorp, SPSCQueue. Free-running positions masked on use: the
//            io_uring SQ and CQ rings.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "shared/assert.h"

namespace ims {

template <typename T>
class SpscRing {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "a throw between 'slot written' and 'tail published' would tear the ring");

 public:
  // `capacity` counts elements and is a power of two, so that a position maps to a slot by masking.
  explicit SpscRing(std::size_t capacity)
      : mask_(capacity - 1), slots_(std::make_unique<Slot[]>(capacity)) {
    IMS_ASSERT(std::has_single_bit(capacity));
  }

  // Both threads must be done with the ring: elements still inside are destroyed here.
  ~SpscRing() {
    while (try_pop().has_value()) {
    }
  }

  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  // Producer thread. Moves from `value` only when it returns true.
  [[nodiscard]] bool try_push(T& value) noexcept {
    // relaxed: only this thread writes tail_.
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_cache_ > mask_) {
      // acquire: pairs with (B), the release in try_pop(). Having seen the new head, the consumer's
      // destruction of the old element happened before a new one is built in its slot.
      head_cache_ = head_.load(std::memory_order_acquire);
      if (tail - head_cache_ > mask_) return false;
    }
    std::construct_at(storage(tail), std::move(value));
    // (A) release: the element is complete before the consumer can see that it exists.
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  [[nodiscard]] bool try_push(T&& value) noexcept { return try_push(value); }

  // Consumer thread.
  [[nodiscard]] std::optional<T> try_pop() noexcept {
    // relaxed: only this thread writes head_.
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_cache_) {
      // acquire: pairs with (A), the release in try_push(); makes the element's bytes visible.
      tail_cache_ = tail_.load(std::memory_order_acquire);
      if (head == tail_cache_) return std::nullopt;
    }
    T* element = std::launder(storage(head));
    std::optional<T> value(std::move(*element));
    std::destroy_at(element);
    // (B) release: the slot is empty before the producer can see that it is free.
    head_.store(head + 1, std::memory_order_release);
    return value;
  }

  // Consumer thread: nothing to pop right now. The re-check between Wakeup::prepare_sleep() and the
  // sleep; it reads the producer's index itself, never the cache.
  [[nodiscard]] bool empty() const noexcept {
    return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_acquire);
  }

  // Any thread, for metrics. Head first: the tail read later is not below it.
  std::size_t size_approx() const noexcept {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    const std::uint64_t tail = tail_.load(std::memory_order_acquire);
    return static_cast<std::size_t>(tail - head);
  }

  std::size_t capacity() const noexcept { return static_cast<std::size_t>(mask_ + 1); }

 private:
  struct Slot {
    alignas(T) std::byte bytes[sizeof(T)];
  };

  T* storage(std::uint64_t position) noexcept {
    return reinterpret_cast<T*>(slots_[position & mask_].bytes);
  }

  // Not std::hardware_destructive_interference_size: it may differ between translation units
  // (-mtune), and this is layout. Two lines, because x86 prefetchers pull them in pairs.
  static constexpr std::size_t kIsolation = 128;

  // Written once, read by both sides.
  const std::uint64_t mask_;
  const std::unique_ptr<Slot[]> slots_;

  // Positions count up for ever and are masked on use, so full and empty never look alike.

  // Producer's lines: its position and the last head it saw, refreshed only when the ring looks
  // full, so that in steady state the producer does not read the consumer's line at all.
  alignas(kIsolation) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t head_cache_ = 0;

  // Consumer's lines: the mirror image.
  alignas(kIsolation) std::atomic<std::uint64_t> head_{0};
  std::uint64_t tail_cache_ = 0;
};

}  // namespace ims
