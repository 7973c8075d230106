// jemalloc's own counters (allocator.h).
#include "deploy/allocator.h"

#include <jemalloc/jemalloc.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace ims {

bool jemalloc_is_live() {
  const std::uint64_t* const cell = thread_allocated_bytes();
  if (cell == nullptr) return false;
  constexpr std::size_t kProbeBytes = 4096;
  const std::uint64_t before = read_allocated_bytes(cell);
  void* volatile probe = std::malloc(kProbeBytes);
  const std::uint64_t after = read_allocated_bytes(cell);
  std::free(probe);
  return after - before >= kProbeBytes;
}

void return_memory_in_background() {
  if (!jemalloc_is_live()) return;
  bool on = true;
  mallctl("background_thread", nullptr, nullptr, &on, sizeof on);
}

const std::uint64_t* thread_allocated_bytes() {
  std::uint64_t* cell = nullptr;
  std::size_t size = sizeof cell;
  return mallctl("thread.allocatedp", &cell, &size, nullptr, 0) == 0 ? cell : nullptr;
}

std::uint64_t read_allocated_bytes(const std::uint64_t* cell) {
  return std::atomic_ref<std::uint64_t>(*const_cast<std::uint64_t*>(cell))
      .load(std::memory_order_relaxed);
}

}  // namespace ims
