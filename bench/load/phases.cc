// Mapping the shared memory, and a child's words in it (phases.h).
#include "bench/load/phases.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <system_error>

#include "shared/assert.h"

namespace ims::bench {
namespace {

constexpr std::size_t kPhasesBytes = 4096;
static_assert(sizeof(Phases) <= kPhasesBytes);

}  // namespace

Phases* Phases::map(std::uint32_t parts) {
  const std::size_t bytes = kPhasesBytes + parts * sizeof(Part);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  auto* phases = static_cast<Phases*>(memory);  // all zero is how each of its members begins
  phases->part_count = parts;
  return phases;
}

Part& Phases::part(std::uint32_t index) noexcept {
  IMS_ASSERT(index < part_count);
  auto* first = reinterpret_cast<std::byte*>(this) + kPhasesBytes;
  return reinterpret_cast<Part*>(first)[index];
}

// Release: who sees kFailed sees the sentence.
void Part::fail(std::string_view why) noexcept {
  const std::size_t size = std::min(why.size(), sizeof failure - 1);
  std::memcpy(failure, why.data(), size);
  failure[size] = '\0';
  state.store(PartState::kFailed, std::memory_order_release);
}

void Part::figure(std::string_view name, double value, bool is_sum) noexcept {
  IMS_ASSERT(figure_count < std::size(figures) && name.size() < sizeof Figure::name);
  Figure& figure = figures[figure_count++];
  std::memcpy(figure.name, name.data(), name.size());
  figure.name[name.size()] = '\0';
  figure.value = value;
  figure.is_sum = is_sum;
}

}  // namespace ims::bench
