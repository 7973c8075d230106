// The live line: its words before, during and behind the planned time.
#include "bench/report/live_line.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace ims::bench {
namespace {

constexpr std::uint64_t kStart = 1'000 * kSecondNs;

TEST_CASE("progress, rates since the last look, the last second's p99") {
  auto one = std::make_unique<Tally>();
  auto two = std::make_unique<Tally>();
  const Tally* const both[] = {one.get(), two.get()};
  LiveLine line(stderr, Kind::kDelivery, 10);
  CHECK(line.text(both, kStart - kSecondNs) == "warming up");
  one->begin(kStart, 10 * kSecondNs);
  two->begin(kStart, 10 * kSecondNs);
  for (std::uint64_t i = 0; i < 1500; ++i) {
    Tally& tally = i % 2 == 0 ? *one : *two;
    tally.sent(100, kStart + i, kStart + i);
    tally.delivered(100, kStart + i, kStart + i, kStart + i + 100'000);
  }
  const std::string text = line.text(both, kStart + kSecondNs);
  INFO(text);
  CHECK(text.starts_with("[##------------------] 1 s of 10  sent 750/s  deliveries 750/s  p99 "));
  CHECK(text.find("VIOLATIONS") == std::string::npos);
  two->violation(Rule::kLost, "one");
  CHECK(line.text(both, kStart + 20 * kSecondNs).starts_with("[####################] 20 s of 10"));
  CHECK(line.text(both, kStart + 21 * kSecondNs).find("VIOLATIONS 1") != std::string::npos);
}

TEST_CASE("the first look counts from the begin of the phase, not the warm-up") {
  auto tally = std::make_unique<Tally>();
  const Tally* const all[] = {tally.get()};
  tally->sent(100, kStart - 5, kStart - 5);
  tally->begin(kStart, 10 * kSecondNs);
  for (int i = 0; i < 30; ++i) tally->sent(100, kStart, kStart);
  CHECK(LiveLine(stderr, Kind::kLogin, 0).text(all, kStart + 2 * kSecondNs) == "2 s  sent 15/s");
}

TEST_CASE("without an end there is no bar") {
  auto tally = std::make_unique<Tally>();
  const Tally* const all[] = {tally.get()};
  tally->begin(kStart, kSecondNs);
  CHECK(LiveLine(stderr, Kind::kLogin, 0).text(all, kStart + 3 * kSecondNs) == "3 s");
}

}  // namespace
}  // namespace ims::bench
