// Counting: quantiles against the sorted samples, merging against counting in one place, the
// measured phase, slots of time, notes.
#include "bench/report/tally.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shared/prng.h"

namespace ims::bench {
namespace {

constexpr std::uint64_t kStart = 1'000 * kSecondNs;

std::unique_ptr<Tally> begun(std::uint64_t expected_ns = 10 * kSecondNs) {
  auto tally = std::make_unique<Tally>();
  tally->begin(kStart, expected_ns);
  return tally;
}

// From tens of nanoseconds to most of a minute, all magnitudes alike.
std::vector<std::uint64_t> samples(std::uint64_t seed, std::size_t count) {
  Prng prng(seed);
  std::vector<std::uint64_t> values;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t top = std::uint64_t{16} << prng.below(32);
    values.push_back(std::min<std::uint64_t>(top + prng.below(top), 60 * kSecondNs));
  }
  return values;
}

TEST_CASE("quantiles are those of the sorted samples to three digits, and never below them") {
  auto histogram = std::make_unique<FineHistogram>();
  std::vector<std::uint64_t> values = samples(1, 20'000);
  for (const std::uint64_t value : values) histogram->record(value);
  std::ranges::sort(values);
  for (const double fraction : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    CAPTURE(fraction);
    const auto wanted = static_cast<double>(values.size()) * fraction;
    std::size_t rank = static_cast<std::size_t>(wanted);
    if (static_cast<double>(rank) < wanted) ++rank;
    const std::uint64_t exact = values[std::max<std::size_t>(rank, 1) - 1];
    const std::uint64_t got = histogram->quantile(fraction);
    CHECK(got >= exact);
    CHECK(got - exact <= exact / 1000);
  }
  CHECK(histogram->quantile(1.0) == values.back());
  CHECK(histogram->max_ns == values.back());
}

TEST_CASE("the ends of a histogram") {
  auto histogram = std::make_unique<FineHistogram>();
  CHECK(histogram->quantile(0.5) == 0);
  CHECK(histogram->mean_ns() == doctest::Approx(0));
  histogram->record(0);
  CHECK(histogram->quantile(1.0) == 0);
  histogram->record(300 * kSecondNs);  // above the last bucket: counted there, its value kept
  CHECK(histogram->count == 2);
  CHECK(histogram->max_ns == 300 * kSecondNs);
  CHECK(histogram->cells[FineHistogram::kCells - 1] == 1);
}

TEST_CASE("merged tallies are what one would have counted") {
  auto one = begun();
  auto two = begun();
  auto both = begun();
  std::size_t turn = 0;
  for (const std::uint64_t ns : samples(2, 5'000)) {
    Tally& tally = ++turn % 3 == 0 ? *one : *two;
    const std::uint64_t sent = kStart + turn * 1'000'000;
    for (Tally* at : {&tally, both.get()}) {
      at->sent(100, sent - 500, sent);
      at->answered(turn % 7 == 0 ? Code::kOffline : Code::kOk, sent - 500, sent, sent + ns);
      at->delivered(120, sent - 500, sent, sent + 2 * ns);
      at->logged_in(sent, sent, sent + ns / 2);
    }
  }
  for (Tally* at : {one.get(), both.get()}) {
    at->sent(100, kStart, kStart + 5'000'000, true);
    ++at->not_verified;
  }
  one->violation(Rule::kGap, "one");
  both->violation(Rule::kGap, "one");
  two->violation(Rule::kLost, "two");
  both->violation(Rule::kLost, "two");
  for (Tally* at : {one.get(), two.get(), both.get()}) {
    at->generator.idle_ns = at == both.get() ? 8 : 4;
    at->end(kStart + 5 * kSecondNs);
  }
  for (Tally* at : {two.get(), both.get()}) {
    at->unsent(kStart + 7, 3, true);
    at->unsent(kStart + 7, 2, false);
    at->overdue(Kind::kLogin, kStart + 7, 3);
  }
  auto merged = std::make_unique<Tally>();
  merged->merge(*one);
  merged->merge(*two);
  CHECK(std::memcmp(merged.get(), both.get(), sizeof(Tally)) == 0);
}

TEST_CASE("only the measured phase is timed; all of the run is counted") {
  auto tally = std::make_unique<Tally>();
  tally->sent(100, 1, 1);
  tally->answered(Code::kOk, 1, 1, 2);
  tally->begin(kStart, kSecondNs);
  tally->sent(100, kStart, kStart + 10);
  tally->answered(Code::kOk, kStart, kStart + 10, kStart + 30);
  tally->answered(Code::kOk, 0, 0, kStart + 40);  // not timed
  tally->end(kStart + kSecondNs);
  tally->delivered(100, 1, 1, 2);
  CHECK(tally->total.sent == 2);
  CHECK(tally->total.answered == 3);
  CHECK(tally->total.delivered == 1);
  CHECK(tally->measured.sent == 1);
  CHECK(tally->measured.answered == 2);
  CHECK(tally->measured.delivered == 0);
  CHECK(tally->measured.bytes_sent == 100);
  const auto at = static_cast<std::size_t>(Kind::kAnswer);
  CHECK(tally->corrected[at].count == 1);
  CHECK(tally->corrected[at].max_ns == 30);
  CHECK(tally->uncorrected[at].max_ns == 20);
  CHECK(tally->send_lag.max_ns == 10);
  CHECK(tally->seconds[0].counts[at] == 2);
  CHECK(tally->seconds_measured() == doctest::Approx(1.0));
}

TEST_CASE("what was due in the measured phase is timed although it ends behind it, and only that") {
  const auto at = static_cast<std::size_t>(Kind::kDelivery);
  const std::uint64_t end = kStart + 2 * kSecondNs;
  for (const auto& [due_ns, is_timed] : {std::pair{kStart - 1, false}, std::pair{kStart, true},
                                         std::pair{end - 1, true}, std::pair{end, false}}) {
    const std::uint64_t due = due_ns;
    CAPTURE(due);
    auto tally = begun(2 * kSecondNs);
    tally->end(end);
    tally->delivered(100, due, due, end + kSecondNs);
    CHECK(tally->measured.delivered == 0);  // it came behind the phase
    CHECK(tally->total.delivered == 1);
    CHECK(tally->corrected[at].count == (is_timed ? 1 : 0));
    CHECK(tally->corrected[at].max_ns == (is_timed ? end + kSecondNs - due : 0));
    CHECK(tally->seconds[1].counts[at] == 0);
    CHECK(tally->seconds[1].of[at].count == (is_timed ? 1 : 0));  // in the last slot
    CHECK(tally->slots == (is_timed ? 2 : 0));
  }
  auto tally = begun();
  tally->delivered(100, kStart - 1, kStart - 1, kStart + 5);  // sent while it warmed up
  CHECK(tally->measured.delivered == 1);
  CHECK(tally->corrected[at].count == 0);
}

TEST_CASE("a message is late from over a millisecond on") {
  auto tally = begun();
  tally->sent(1, kStart, kStart + kLateNs);
  CHECK(tally->generator.late == 0);
  tally->sent(1, kStart, kStart + kLateNs + 1);
  CHECK(tally->generator.late == 1);
}

TEST_CASE("what the server held back is no lateness of the generator's") {
  auto tally = begun();
  tally->sent(1, kStart, kStart + 2 * kSecondNs, true);
  CHECK(tally->measured.sent == 1);
  CHECK(tally->generator.due == 1);
  CHECK(tally->generator.held_back == 1);
  CHECK(tally->generator.late == 0);
  CHECK(tally->send_lag.count == 0);
  tally->sent(1, kStart, kStart + 2 * kSecondNs);
  CHECK(tally->generator.due == 2);
  CHECK(tally->generator.late == 1);
  CHECK(tally->send_lag.max_ns == 2 * kSecondNs);
  tally->put(1, kStart + 5);  // of no rate
  CHECK(tally->measured.sent == 3);
  CHECK(tally->generator.due == 2);
}

TEST_CASE("what never went is in the corrected latency by its age at the end, if it was due") {
  const auto at = static_cast<std::size_t>(Kind::kDelivery);
  auto tally = begun(2 * kSecondNs);
  const std::uint64_t end = kStart + 2 * kSecondNs;
  tally->end(end);
  for (const std::uint64_t due : {kStart - 1, kStart, end - 1, end}) {
    tally->unsent(due, 3, true);
    tally->overdue(Kind::kDelivery, due, 3 * 9);
  }
  CHECK(tally->generator.due == 6);
  CHECK(tally->generator.held_back == 6);
  CHECK(tally->never_sent == 6);
  CHECK(tally->send_lag.count == 0);
  CHECK(tally->corrected[at].count == 54);
  CHECK(tally->corrected[at].max_ns == 2 * kSecondNs);
  CHECK(tally->corrected[at].sum_ns == 27 * (2 * kSecondNs + 1));
  CHECK(tally->uncorrected[at].count == 0);
  CHECK(tally->seconds[1].of[at].count == 54);
  CHECK(tally->seconds[1].counts[at] == 0);
  CHECK(tally->measured.delivered == 0);
  tally->unsent(end - kSecondNs, 5, false);  // free to go: the generator's own
  CHECK(tally->generator.missed == 5);
  CHECK(tally->never_sent == 6);
  CHECK(tally->send_lag.count == 5);
  CHECK(tally->send_lag.max_ns == kSecondNs);
}

TEST_CASE("slots of a second, wider ones for a run of over an hour, the last for all behind it") {
  const auto at = static_cast<std::size_t>(Kind::kLogin);
  SUBCASE("an hour") {
    auto tally = begun(kSecondsMax * kSecondNs);
    CHECK(tally->slot_ns == kSecondNs);
    tally->logged_in(kStart, kStart, kStart + kSecondNs - 1);
    tally->logged_in(kStart, kStart, kStart + kSecondNs);
    CHECK(tally->seconds[0].counts[at] == 1);
    CHECK(tally->seconds[1].counts[at] == 1);
    CHECK(tally->slots == 2);
    tally->logged_in(kStart, kStart, kStart + 2 * kSecondsMax * kSecondNs);
    CHECK(tally->seconds[kSecondsMax - 1].counts[at] == 1);
    CHECK(tally->slots == kSecondsMax);
  }
  SUBCASE("over an hour") {
    auto tally = begun(kSecondsMax * kSecondNs + 1);
    CHECK(tally->slot_ns == kSecondNs + 1);
  }
}

TEST_CASE("notes: the first ones, cut to their room, all of them counted") {
  auto tally = std::make_unique<Tally>();
  tally->violation(Rule::kOrder, "user 17: 5 behind 7");
  CHECK(std::string(tally->note[0]) == "order: user 17: 5 behind 7");
  tally->violation(Rule::kContent, std::string(1000, 'x'));
  CHECK(std::strlen(tally->note[1]) == kNoteBytes - 1);
  for (int i = 0; i < 20; ++i) tally->violation(Rule::kContent, "more");
  CHECK(tally->notes == 22);
  CHECK(tally->violation_count() == 22);
  CHECK(tally->violations[static_cast<std::size_t>(Rule::kContent)] == 21);
  CHECK(std::string(tally->note[kNotes - 1]) == "content: more");
}

}  // namespace
}  // namespace ims::bench
