// The .hgrm text: a golden file, and its rows for a histogram of many values.
#include "bench/report/hgrm.h"

#include <doctest/doctest.h>

#include <memory>
#include <sstream>
#include <string>

namespace ims::bench {
namespace {

TEST_CASE("three values, every row") {
  auto histogram = std::make_unique<FineHistogram>();
  histogram->record(1'000);
  histogram->record(3'000);
  histogram->record(3'000);
  histogram->record(1'000'000);
  // 3000 ns lies in a bucket of two (3000, 3001), 1,000,000 is the largest and kept.
  CHECK(hgrm_text(*histogram) ==
        "       Value     Percentile TotalCount 1/(1-Percentile)\n"
        "\n"
        "       1.000 0.000000000000          1           1.00\n"
        "       1.000 0.100000000000          1           1.11\n"
        "       1.000 0.200000000000          1           1.25\n"
        "       3.001 0.300000000000          3           1.43\n"
        "       3.001 0.400000000000          3           1.67\n"
        "       3.001 0.500000000000          3           2.00\n"
        "       3.001 0.550000000000          3           2.22\n"
        "       3.001 0.600000000000          3           2.50\n"
        "       3.001 0.650000000000          3           2.86\n"
        "       3.001 0.700000000000          3           3.33\n"
        "       3.001 0.750000000000          3           4.00\n"
        "    1000.000 0.775000000000          4           4.44\n"
        "    1000.000 1.000000000000          4\n"
        "#[Mean    =      251.750, StdDeviation   =      432.003]\n"
        "#[Max     =     1000.000, Total count    =            4]\n"
        "#[Buckets =           27, SubBuckets     =         1024]\n");
}

TEST_CASE("nothing recorded: no rows") {
  auto histogram = std::make_unique<FineHistogram>();
  const std::string text = hgrm_text(*histogram);
  CHECK(text.find("Percentile)\n\n#[Mean    =        0.000") != std::string::npos);
}

// What the plotter takes of a row: the first and the fourth column.
TEST_CASE("columns rise, and end at the largest value and the count") {
  auto histogram = std::make_unique<FineHistogram>();
  for (std::uint64_t i = 1; i <= 100'000; ++i) histogram->record(i * 37);
  std::istringstream lines(hgrm_text(*histogram));
  std::string line;
  std::getline(lines, line);
  double last_value = 0, last_level = -1;
  std::uint64_t last_count = 0;
  int rows = 0;
  while (std::getline(lines, line) && !line.starts_with('#')) {
    if (line.empty()) continue;
    std::istringstream columns(line);
    double value = 0, level = 0;
    std::uint64_t count = 0;
    columns >> value >> level >> count;
    CHECK(value >= last_value);
    CHECK(level > last_level);
    CHECK(count >= last_count);
    CHECK(static_cast<double>(count) >= level * 100'000 - 1e-6);
    last_value = value, last_level = level, last_count = count;
    ++rows;
  }
  CHECK(rows >= 60);
  CHECK(last_value == doctest::Approx(3700.0));
  CHECK(last_level == doctest::Approx(1.0));
  CHECK(last_count == 100'000);
}

}  // namespace
}  // namespace ims::bench
