// Log-linear histograms of nanoseconds: where a value falls, and what a bucket stands for.
//
// Values below 64 have a bucket each; above, every power of two is cut into 64 equal buckets, so a
// bucket is at most 1/64 (1.6 %) of its value wide. Values from 2^36 ns (69 s) on share the last.
// The server's have 2^6 = 64; who measures (bench/) takes another power by the template argument.
//
//   index     0..63    64..127     128..191    ...
//   value     0..63    64..127     128..255    ...     one power of two per row
//   width     1        1           2           4
//
// The cells themselves live in a CounterBlock (shared/counters.h). Source: HdrHistogram.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ims {

inline constexpr std::uint32_t kHistogramSubBucketBits = 6;
inline constexpr std::uint32_t kHistogramSubBuckets = 1u << kHistogramSubBucketBits;
inline constexpr std::uint32_t kHistogramTopBit = 36;  // values of this many bits have own buckets

constexpr std::uint32_t histogram_bucket_count(std::uint32_t sub_bits) noexcept {
  return (kHistogramTopBit - sub_bits + 1) << sub_bits;
}
inline constexpr std::uint32_t kHistogramBuckets = histogram_bucket_count(kHistogramSubBucketBits);

template <std::uint32_t kSubBits = kHistogramSubBucketBits>
constexpr std::uint32_t histogram_bucket(std::uint64_t value) noexcept {
  constexpr std::uint32_t kSubBuckets = 1u << kSubBits;
  if (value < kSubBuckets) return static_cast<std::uint32_t>(value);
  if (value >> kHistogramTopBit) return histogram_bucket_count(kSubBits) - 1;
  const auto top = static_cast<std::uint32_t>(std::bit_width(value)) - 1;  // of the highest bit
  const std::uint32_t shift = top - kSubBits;
  const auto row = static_cast<std::uint32_t>(value >> shift);  // 64..127
  return (shift + 1) * kSubBuckets + (row - kSubBuckets);
}

// The smallest value of a bucket; of the one behind the last: the top.
template <std::uint32_t kSubBits = kHistogramSubBucketBits>
constexpr std::uint64_t histogram_bucket_floor(std::uint32_t index) noexcept {
  constexpr std::uint32_t kSubBuckets = 1u << kSubBits;
  if (index < kSubBuckets) return index;
  const std::uint32_t shift = index / kSubBuckets - 1;
  const std::uint64_t row = index % kSubBuckets + kSubBuckets;
  return row << shift;
}

// The value that `fraction` (0..1) of the recorded ones do not exceed: the upper edge of its
// bucket, so that it never flatters. 0 when nothing was recorded.
template <std::uint32_t kSubBits = kHistogramSubBucketBits>
constexpr std::uint64_t histogram_quantile(std::span<const std::uint64_t> cells,
                                           double fraction) noexcept {
  std::uint64_t total = 0;
  for (const std::uint64_t count : cells) total += count;
  if (total == 0) return 0;
  const double wanted = fraction * static_cast<double>(total);
  std::uint64_t seen = 0;
  std::uint32_t index = 0;
  for (; index + 1 < cells.size(); ++index) {
    seen += cells[index];
    if (seen > 0 && static_cast<double>(seen) >= wanted) break;
  }
  return histogram_bucket_floor<kSubBits>(index + 1) - 1;
}

static_assert(histogram_bucket((std::uint64_t{1} << kHistogramTopBit) - 1) ==
              kHistogramBuckets - 1);
static_assert(histogram_bucket_floor(kHistogramBuckets) == std::uint64_t{1} << kHistogramTopBit);

}  // namespace ims
