// Writing and reading an entry (slow_table.h).
#include "shared/slow_table.h"

namespace ims {
namespace {

constexpr int kReadTries = 100;

std::uint64_t* cells_of(SlowTrace& entry) noexcept {
  return reinterpret_cast<std::uint64_t*>(&entry);
}

std::atomic_ref<std::uint64_t> cell(std::uint64_t& at) noexcept {
  return std::atomic_ref<std::uint64_t>(at);
}

}  // namespace

SlowTable::SlowTable(std::span<SlowTrace> entries) noexcept : entries_(entries) {
  IMS_ASSERT(entries.size() == kSlowTracesMax);
  for (std::uint32_t i = 0; i < kSlowTracesMax; ++i) ranks_[i].entry = i;
}

void SlowTable::put(const SlowTrace& trace) noexcept {
  write(entries_[ranks_[0].entry], trace);
  ranks_[0].total_ns = trace.total_ns;
  sink(0);
}

void SlowTable::write(SlowTrace& entry, const SlowTrace& trace) noexcept {
  const std::uint64_t version = entry.version;  // only this thread writes it
  std::uint64_t* const cells = cells_of(entry);
  const auto* const fields = reinterpret_cast<const std::uint64_t*>(&trace);
  cell(cells[0]).store(version + 1, std::memory_order_relaxed);
  // release: no field is seen before the odd version; pairs with the acquire loads in read().
  for (std::size_t i = 1; i < kSlowTraceCells; ++i) {
    cell(cells[i]).store(fields[i], std::memory_order_release);
  }
  // release: the even version is not seen before the fields; pairs with read()'s first load.
  cell(cells[0]).store(version + 2, std::memory_order_release);
}

void SlowTable::forget_old(std::int64_t wall_ms) noexcept {
  bool any = false;
  for (Rank& rank : ranks_) {
    SlowTrace& entry = entries_[rank.entry];
    if (rank.total_ns == 0) continue;
    if (static_cast<std::int64_t>(entry.ended_wall_ms) + kSlowTraceKeptMs >= wall_ms) continue;
    rank.total_ns = 0;
    write(entry, {});
    any = true;
  }
  for (std::size_t i = kSlowTracesMax / 2; any && i-- > 0;) sink(i);
}

// Down to where both below it are slower.
void SlowTable::sink(std::size_t at) noexcept {
  const Rank moved = ranks_[at];
  for (std::size_t below = 2 * at + 1; below < kSlowTracesMax; below = 2 * at + 1) {
    if (below + 1 < kSlowTracesMax && ranks_[below + 1].total_ns < ranks_[below].total_ns) ++below;
    if (ranks_[below].total_ns >= moved.total_ns) break;
    ranks_[at] = ranks_[below];
    at = below;
  }
  ranks_[at] = moved;
}

std::optional<SlowTrace> SlowTable::read(const SlowTrace& entry) noexcept {
  // An atomic load of 8 aligned bytes only reads, so a read-only mapping serves.
  std::uint64_t* const cells = cells_of(const_cast<SlowTrace&>(entry));
  for (int i = 0; i < kReadTries; ++i) {
    SlowTrace copy;
    std::uint64_t* const fields = cells_of(copy);
    fields[0] = cell(cells[0]).load(std::memory_order_acquire);  // pairs with write()'s last store
    if (fields[0] % 2 != 0) continue;
    // acquire: each field is read before the version is looked at again; pairs with the release
    // stores of write(): had one of them been new, so were the version.
    for (std::size_t j = 1; j < kSlowTraceCells; ++j) {
      fields[j] = cell(cells[j]).load(std::memory_order_acquire);
    }
    // relaxed: the loads before it are acquires.
    if (cell(cells[0]).load(std::memory_order_relaxed) != fields[0]) continue;
    if (copy.total_ns == 0) return std::nullopt;
    return copy;
  }
  return std::nullopt;
}

}  // namespace ims
