// A histogram of nanoseconds as plain memory: it lies in memory that processes share, is zeroed to
// be empty, and is merged by addition.
//
// Buckets are those of shared/histogram.h with 2^kSubBits of them to a power of two: 10 bits are
// three significant digits (a bucket is less than 1/1024 of its value wide). The largest value is
// kept as it was; from 2^36 ns (69 s) on values share the last bucket.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "shared/histogram.h"

namespace ims::bench {

template <std::uint32_t kSubBits, typename Cell>
struct Histogram {
  static constexpr std::uint32_t kCells = histogram_bucket_count(kSubBits);

  std::uint64_t count;
  std::uint64_t sum_ns;
  std::uint64_t max_ns;
  Cell cells[kCells];

  void record(std::uint64_t ns, std::uint64_t times = 1) noexcept {
    if (times == 0) return;
    count += times;
    sum_ns += ns * times;
    max_ns = std::max(max_ns, ns);
    cells[histogram_bucket<kSubBits>(ns)] += static_cast<Cell>(times);
  }

  void add(const Histogram& other) noexcept {
    count += other.count;
    sum_ns += other.sum_ns;
    max_ns = std::max(max_ns, other.max_ns);
    for (std::size_t i = 0; i < kCells; ++i) cells[i] += other.cells[i];
  }

  // The value that `fraction` (0..1) of the recorded ones do not exceed: never below the true one,
  // never above the largest recorded. 0 when nothing was.
  [[nodiscard]] std::uint64_t quantile(double fraction) const {
    const std::vector<std::uint64_t> wide(cells, cells + kCells);
    return std::min(histogram_quantile<kSubBits>(wide, fraction), max_ns);
  }

  [[nodiscard]] double mean_ns() const noexcept {
    return count == 0 ? 0.0 : static_cast<double>(sum_ns) / static_cast<double>(count);
  }
};

using FineHistogram = Histogram<10, std::uint64_t>;   // a whole run: 216 KiB
using CoarseHistogram = Histogram<4, std::uint32_t>;  // a second of it: 2 KiB, to 1/16

}  // namespace ims::bench
