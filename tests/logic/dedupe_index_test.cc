// The index of client_ids against plain maps: nothing is forgotten within the window, little is
// found in vain, memory is bounded.
#include "logic/dedupe_index.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <vector>

#include "shared/limits.h"
#include "shared/prng.h"

namespace ims::logic {
namespace {

constexpr std::int64_t kWindowMs = 600'000;
constexpr std::size_t kSmall = 0;  // the smallest tables there are

std::set<std::uint64_t> found(const DedupeIndex& index, std::uint64_t hash) {
  std::set<std::uint64_t> seqs;
  index.find(hash, [&](std::uint64_t seq) { seqs.insert(seq); });
  return seqs;
}

// What was inserted when.
struct Inserted {
  std::uint64_t hash;
  std::uint64_t seq;
  std::int64_t at_ms;
};

TEST_CASE("an index finds what was inserted, every seq of a hash, and nothing else") {
  DedupeIndex index(64 * kMiB, kWindowMs, 0);
  Prng random(1);
  std::map<std::uint64_t, std::set<std::uint64_t>> model;
  for (std::uint64_t i = 1; i <= 50'000; ++i) {
    const std::uint64_t hash = random.next() % 30'000 * 0x9e3779b97f4a7c15;
    index.insert(hash, i, 1);
    model[hash].insert(i);
  }
  for (const auto& [hash, seqs] : model) REQUIRE(found(index, hash) == seqs);
  for (int i = 0; i < 1000; ++i) CHECK(found(index, random.next() | 1).empty());
  CHECK(index.size() == 50'000);
  CHECK_FALSE(index.maybe_older(random.next()));
}

TEST_CASE("what leaves the exact tables is still known within the window, and gone behind it") {
  DedupeIndex index(kSmall, kWindowMs, 0);
  Prng random(2);
  std::vector<Inserted> all;
  std::int64_t now_ms = 0;
  for (std::uint64_t seq = 1; seq <= 40'000; ++seq) {
    now_ms += 5;
    all.push_back({random.next(), seq, now_ms});
    index.insert(all.back().hash, seq, now_ms);
  }
  REQUIRE(index.complete_since_ms() == 0);
  std::size_t older = 0;
  for (const Inserted& one : all) {
    if (found(index, one.hash).contains(one.seq)) continue;
    ++older;
    REQUIRE(index.maybe_older(one.hash));
  }
  CHECK(older > 30'000);
  std::size_t mistaken = 0;
  for (int i = 0; i < 100'000; ++i) mistaken += index.maybe_older(random.next()) ? 1 : 0;
  CHECK(mistaken < 1'000);  // five filters of one in 2,000

  index.tick(now_ms + kWindowMs + 1);
  index.tick(now_ms + 2 * kWindowMs + 2);
  std::size_t left = 0;
  for (const Inserted& one : all) {
    left += index.maybe_older(one.hash) || !found(index, one.hash).empty() ? 1 : 0;
  }
  CHECK(left == 0);
}

TEST_CASE("half a window moves a table on, so that it leaves in time") {
  DedupeIndex index(64 * kMiB, kWindowMs, 0);
  index.insert(7, 1, 10);
  const std::uint32_t first = index.generation();
  index.tick(kWindowMs / 2);
  CHECK(index.generation() == first);
  index.tick(kWindowMs / 2 + 1);
  CHECK(index.generation() == first + 1);
  CHECK(index.exact_from() == first);
  CHECK(found(index, 7) == std::set<std::uint64_t>{1});
  index.tick(kWindowMs / 2 + 1 + kWindowMs);
  CHECK(found(index, 7) == std::set<std::uint64_t>{1});
  index.tick(kWindowMs / 2 + 2 + kWindowMs);
  CHECK(found(index, 7).empty());
  CHECK(index.exact_from() == index.generation());
}

TEST_CASE("beyond its filters an index says from when on it is complete") {
  DedupeIndex index(kSmall, kWindowMs, 0);
  Prng random(3);
  std::vector<Inserted> all;
  std::int64_t now_ms = 0;
  const std::uint32_t epoch = index.epoch();
  while (index.epoch() == epoch) {
    ++now_ms;
    all.push_back({random.next(), all.size() + 1, now_ms});
    index.insert(all.back().hash, all.back().seq, now_ms);
    REQUIRE(all.size() < 1'000'000);
  }
  CHECK(all.size() > kDedupeFiltersMax * 8 * 1024);
  CHECK(index.complete_since_ms() > 0);
  for (const Inserted& one : all) {
    if (one.at_ms < index.complete_since_ms()) continue;
    REQUIRE((index.maybe_older(one.hash) || !found(index, one.hash).empty()));
  }
}

TEST_CASE("memory: the tables stay within their bytes, the filters within theirs") {
  constexpr std::size_t kBytes = 4 * kMiB;
  DedupeIndex index(kBytes, kWindowMs, 0);
  Prng random(4);
  std::size_t highest = 0;
  for (std::uint64_t seq = 1; seq <= 1'000'000; ++seq) {
    index.insert(random.next(), seq, 1);
    highest = std::max(highest, index.bytes());
  }
  CHECK(highest < kBytes + kBytes * kDedupeFiltersMax / 6);
}

}  // namespace
}  // namespace ims::logic
