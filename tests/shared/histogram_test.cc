// Buckets of histograms: every edge, and quantiles that never flatter.
#include "shared/histogram.h"

#include <doctest/doctest.h>

#include <vector>

namespace ims {
namespace {

TEST_CASE("buckets follow each other without gap or overlap") {
  for (std::uint32_t index = 0; index < kHistogramBuckets; ++index) {
    CAPTURE(index);
    const std::uint64_t floor = histogram_bucket_floor(index);
    const std::uint64_t next = histogram_bucket_floor(index + 1);
    REQUIRE(floor < next);
    REQUIRE(histogram_bucket(floor) == index);
    REQUIRE(histogram_bucket(next - 1) == index);
    REQUIRE((next - floor - 1) * 64 <= floor);  // at most 1/64 wide
  }
}

TEST_CASE("with 2^10 sub-buckets: the same rules, three digits") {
  for (std::uint32_t index = 0; index < histogram_bucket_count(10); ++index) {
    CAPTURE(index);
    const std::uint64_t floor = histogram_bucket_floor<10>(index);
    const std::uint64_t next = histogram_bucket_floor<10>(index + 1);
    REQUIRE(floor < next);
    REQUIRE(histogram_bucket<10>(floor) == index);
    REQUIRE(histogram_bucket<10>(next - 1) == index);
    REQUIRE((next - floor - 1) * 1024 <= floor);  // at most 1/1024 wide
  }
  const std::uint64_t top = std::uint64_t{1} << kHistogramTopBit;
  CHECK(histogram_bucket<10>(top) == histogram_bucket_count(10) - 1);
}

TEST_CASE("the edges of the range") {
  CHECK(histogram_bucket(0) == 0);
  CHECK(histogram_bucket(63) == 63);
  CHECK(histogram_bucket(64) == 64);
  CHECK(histogram_bucket(127) == 127);
  CHECK(histogram_bucket(128) == 128);
  CHECK(histogram_bucket(129) == 128);
  const std::uint64_t top = std::uint64_t{1} << kHistogramTopBit;
  CHECK(histogram_bucket(top - 1) == kHistogramBuckets - 1);
  CHECK(histogram_bucket(top) == kHistogramBuckets - 1);
  CHECK(histogram_bucket(~std::uint64_t{0}) == kHistogramBuckets - 1);
}

TEST_CASE("quantiles") {
  std::vector<std::uint64_t> cells(kHistogramBuckets);
  CHECK(histogram_quantile(cells, 0.5) == 0);
  for (std::uint64_t value = 1; value <= 50; ++value) ++cells[histogram_bucket(value)];
  CHECK(histogram_quantile(cells, 0.0) == 1);
  CHECK(histogram_quantile(cells, 0.5) == 25);
  CHECK(histogram_quantile(cells, 0.99) == 50);
  CHECK(histogram_quantile(cells, 1.0) == 50);
  ++cells[histogram_bucket(1'000'000)];
  const std::uint64_t most = histogram_quantile(cells, 1.0);
  CHECK(most >= 1'000'000);
  CHECK(most <= 1'000'000 + 1'000'000 / 64);
}

}  // namespace
}  // namespace ims
