// Lets readers of a store in and out, so that their store can be replaced while nobody is in it.
//
//   reader   enter(): its slot's count up; still open? else down again, and not in      leave()
//   owner    close(), wait_empty(), replace, open()
//
// Both sides store their own word and then load the other's (the count, the flag), all sequentially
// consistent: either the reader sees the gate closed, or the owner sees the reader.
//
// Threads  One owner; readers from any. No locks.
// Limits   A reader that is in and enters again may be refused the second time: wait_empty() has a
//          deadline.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace ims::logic {

class StoreGate {
 public:
  // ---- readers ----

  bool enter() noexcept {
    std::atomic<std::uint32_t>& readers = slots_[slot()].readers;
    readers.fetch_add(1, std::memory_order_seq_cst);
    if (open_.load(std::memory_order_seq_cst)) return true;
    readers.fetch_sub(1, std::memory_order_seq_cst);
    return false;
  }
  // On the thread that entered.
  void leave() noexcept { slots_[slot()].readers.fetch_sub(1, std::memory_order_seq_cst); }

  // ---- the owner ----

  void open() noexcept { open_.store(true, std::memory_order_seq_cst); }
  void close() noexcept { open_.store(false, std::memory_order_seq_cst); }
  // Once closed. False: somebody is still in.
  bool wait_empty(std::chrono::milliseconds longest) const {
    const auto deadline = std::chrono::steady_clock::now() + longest;
    while (!empty()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

 private:
  static constexpr std::size_t kSlots = 16;
  static constexpr std::size_t kLineBytes = 64;

  struct alignas(kLineBytes) Slot {
    std::atomic<std::uint32_t> readers{0};
  };

  // Threads that share a slot are only slower.
  static std::size_t slot() noexcept {
    static std::atomic<std::size_t> threads{0};
    // relaxed: a lone number.
    thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kSlots;
    return mine;
  }
  bool empty() const noexcept {
    for (const Slot& slot : slots_) {
      if (slot.readers.load(std::memory_order_seq_cst) != 0) return false;
    }
    return true;
  }

  std::array<Slot, kSlots> slots_;
  alignas(kLineBytes) std::atomic<bool> open_{true};
};

}  // namespace ims::logic
