// Rows of percentiles (hgrm.h). Source: HdrHistogram's outputPercentileDistribution.
#include "bench/report/hgrm.h"

#include <cmath>
#include <cstdio>

namespace ims::bench {
namespace {

constexpr double kRowsPerHalving = 5;
constexpr std::uint32_t kSubBits = 10;
constexpr double kUnitNs = 1000;

template <typename... Values>
void append(std::string& text, const char* format, Values... values) {
  char line[160];
  std::snprintf(line, sizeof line, format, values...);
  text += line;
}

// What a bucket stands for: its upper edge, but no more than was recorded.
double value_of(const FineHistogram& histogram, std::uint32_t index) {
  const std::uint64_t top = histogram_bucket_floor<kSubBits>(index + 1) - 1;
  return static_cast<double>(std::min(top, histogram.max_ns));
}

double deviation_ns(const FineHistogram& histogram) {
  const double mean = histogram.mean_ns();
  double squares = 0;
  for (std::uint32_t i = 0; i < FineHistogram::kCells; ++i) {
    if (histogram.cells[i] == 0) continue;
    const double off = value_of(histogram, i) - mean;
    squares += off * off * static_cast<double>(histogram.cells[i]);
  }
  return histogram.count == 0 ? 0.0 : std::sqrt(squares / static_cast<double>(histogram.count));
}

// The next percentile to print: a fifth of the way to where half of the rest is left.
double next_level(double level) {
  const double halvings = std::floor(std::log2(100.0 / (100.0 - level))) + 1;
  return level + 100.0 / (kRowsPerHalving * std::exp2(halvings));
}

}  // namespace

std::string hgrm_text(const FineHistogram& histogram) {
  std::string text;
  append(text, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
         "1/(1-Percentile)");
  const auto total = static_cast<double>(histogram.count);
  double level = 0;
  std::uint64_t seen = 0;
  for (std::uint32_t i = 0; i < FineHistogram::kCells && seen < histogram.count; ++i) {
    if (histogram.cells[i] == 0) continue;
    seen += histogram.cells[i];
    const double value = value_of(histogram, i) / kUnitNs;
    while (100.0 * static_cast<double>(seen) / total >= level) {
      append(text, "%12.3f %2.12f %10llu %14.2f\n", value, level / 100,
             static_cast<unsigned long long>(seen), 1 / (1 - level / 100));
      level = next_level(level);
      if (seen == histogram.count) break;  // what is left is the row of 100 %
    }
  }
  if (histogram.count != 0) {
    append(text, "%12.3f %2.12f %10llu\n", static_cast<double>(histogram.max_ns) / kUnitNs, 1.0,
           static_cast<unsigned long long>(histogram.count));
  }
  append(text, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", histogram.mean_ns() / kUnitNs,
         deviation_ns(histogram) / kUnitNs);
  append(text, "#[Max     = %12.3f, Total count    = %12llu]\n",
         static_cast<double>(histogram.max_ns) / kUnitNs,
         static_cast<unsigned long long>(histogram.count));
  append(text, "#[Buckets = %12u, SubBuckets     = %12u]\n", FineHistogram::kCells >> kSubBits,
         1u << kSubBits);
  return text;
}

}  // namespace ims::bench
