// The index of a segment that is being written: what went in is found, while it grows and from
// other threads; views that stay whole while they are read.
#include "logic/segment_index.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "logic/segment_views.h"
#include "shared/limits.h"

namespace ims::logic {
namespace {

SegmentRef ref_of(std::uint64_t timeline, std::uint64_t seq) {
  return {static_cast<std::uint32_t>(timeline * 1'000'000 + seq), static_cast<std::uint32_t>(seq),
          static_cast<std::uint32_t>(timeline)};
}

bool append(SegmentIndex& index, TimelineKey timeline, std::uint64_t seq, std::int64_t time_ms,
            SegmentRef ref) {
  SegmentTimeline* planned = index.plan(timeline, seq);
  if (planned == nullptr) return false;
  index.add(*planned, time_ms, ref);
  return true;
}

TEST_CASE("segment index: each row of each timeline, from one to many") {
  SegmentIndex index(1, 0, 0);
  // Rows per timeline around the ends of the inline refs and of each block.
  const std::uint64_t counts[] = {1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 29, 30, 31, 1000, 40'000};
  for (std::uint64_t timeline = 0; timeline < std::size(counts); ++timeline) {
    for (std::uint64_t at = 0; at < counts[timeline]; ++at) {
      REQUIRE(append(index, {7, timeline}, 100 + at, static_cast<std::int64_t>(at),
                     ref_of(timeline, at)));
    }
  }
  for (std::uint64_t timeline = 0; timeline < std::size(counts); ++timeline) {
    const SegmentTimeline* found = index.find({7, timeline});
    REQUIRE(found != nullptr);
    CHECK(found->first_seq == 100);
    REQUIRE(found->rows() == counts[timeline]);
    CHECK(found->last_time_ms == static_cast<std::int64_t>(counts[timeline] - 1));
    bool same = true;
    for (std::uint32_t at = 0; at < counts[timeline]; ++at) {
      const SegmentRef ref = found->ref(at);
      same = same && ref.offset == ref_of(timeline, at).offset && ref.bytes == at;
    }
    CHECK(same);
  }
  CHECK(index.find({8, 0}) == nullptr);
  CHECK(index.find({7, 99}) == nullptr);
  CHECK(index.newest_ms() == 39'999);
}

TEST_CASE("segment index: only the next seq of a timeline is taken") {
  SegmentIndex index(1, 0, 0);
  CHECK(append(index, {1, 1}, 10, 0, {}));
  CHECK_FALSE(append(index, {1, 1}, 10, 0, {}));
  CHECK_FALSE(append(index, {1, 1}, 12, 0, {}));
  CHECK_FALSE(append(index, {1, 1}, 9, 0, {}));
  CHECK(append(index, {1, 1}, 11, 0, {}));
  CHECK(append(index, {2, 1}, 5, 0, {}));  // another timeline: the partition is part of it
  CHECK(index.find({1, 1})->rows() == 2);
}

TEST_CASE("segment index: planned rows are not there until they are added") {
  SegmentIndex index(1, 0, 0);
  SegmentTimeline* first = index.plan({1, 1}, 10);
  SegmentTimeline* second = index.plan({1, 1}, 11);
  CHECK(index.plan({1, 1}, 13) == nullptr);
  REQUIRE(first != nullptr);
  CHECK(first == second);
  CHECK(index.find({1, 1})->rows() == 0);
  index.add(*first, 5, {1, 0, 0});
  CHECK(index.find({1, 1})->rows() == 1);
  index.add(*second, 4, {2, 0, 0});
  CHECK(index.find({1, 1})->rows() == 2);
  CHECK(index.find({1, 1})->ref(1).offset == 2);
  CHECK(index.find({1, 1})->last_time_ms == 5);
}

TEST_CASE("segment index: a point's newest place; its table is part of its key") {
  SegmentIndex index(1, 0, 0);
  for (std::uint32_t round = 1; round <= 3; ++round) {
    for (std::uint32_t at = 0; at < 2000; ++at) {
      const std::string key = "k" + std::to_string(at);
      index.put_point(SegmentIndex::hash_point(key), key, {at * round, 9, at});
    }
  }
  CHECK(index.points() == 2000);
  for (std::uint32_t at = 0; at < 2000; ++at) {
    const std::string key = "k" + std::to_string(at);
    const SegmentPoint* point = index.find_point(SegmentIndex::hash_point(key), key);
    REQUIRE(point != nullptr);
    CHECK(point->key() == key);
    CHECK(point->ref().offset == 3 * at);
    CHECK(point->ref().hash == at);
  }
  CHECK(index.find_point(SegmentIndex::hash_point("k2000"), "k2000") == nullptr);
  CHECK(index.memory_bytes() > 2000 * sizeof(SegmentPoint));
}

TEST_CASE("segment index: readers beside the writer see a prefix of each timeline, whole") {
  SegmentIndex index(1, 0, 0);
  constexpr std::uint64_t kTimelines = 3000;
  constexpr std::uint64_t kRows = 40;
  std::atomic<bool> stop{false};
  std::atomic<bool> wrong{false};
  std::atomic<std::uint64_t> seen{0};
  std::vector<std::thread> readers;
  for (int thread = 0; thread < 2; ++thread) {
    readers.emplace_back([&] {
      while (!stop) {
        for (std::uint64_t timeline = 0; timeline < kTimelines; timeline += 7) {
          const SegmentTimeline* found = index.find({1, timeline});
          if (found == nullptr) continue;
          const std::uint32_t rows = found->rows();
          for (std::uint32_t at = 0; at < rows; ++at) {
            if (found->ref(at).offset != ref_of(timeline, at).offset) wrong = true;
          }
          seen += rows;
        }
      }
    });
  }
  for (std::uint64_t row = 0; row < kRows; ++row) {
    for (std::uint64_t timeline = 0; timeline < kTimelines; ++timeline) {
      REQUIRE(append(index, {1, timeline}, 1 + row, 0, ref_of(timeline, row)));
    }
  }
  while (seen < 1000) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK_FALSE(wrong);
}

TEST_CASE("segment views: a pinned view keeps what was dropped since; then it goes") {
  SegmentViews views;
  for (std::uint32_t number = 1; number <= 3; ++number) {
    views.add(std::make_unique<SegmentIndex>(number, 0, 0));
  }
  {
    const SegmentViews::Pin pin(views);
    REQUIRE((*pin).size() == 3);
    CHECK((*pin).first_number() == 1);
    CHECK(views.drop_oldest());
    views.add(std::make_unique<SegmentIndex>(4, 0, 0));
    CHECK((*pin).size() == 3);
    CHECK((*pin)[0].number() == 1);
    CHECK((*pin)[0].find({1, 1}) == nullptr);  // it is still there
    const SegmentViews::Pin later(views);
    REQUIRE((*later).size() == 3);
    CHECK((*later).first_number() == 2);
    CHECK((*later)[2].number() == 4);
  }
  while (!views.segments().empty()) CHECK(views.drop_oldest());
  const SegmentViews::Pin none(views);
  CHECK((*none).size() == 0);
  CHECK((*none).first_number() == UINT32_MAX);
}

TEST_CASE("segment views: nothing is dropped where every other view is still read") {
  SegmentViews views;
  std::vector<std::unique_ptr<SegmentViews::Pin>> pins;
  for (std::uint32_t number = 1; number <= SegmentViews::kSlots + 1; ++number) {
    views.add(std::make_unique<SegmentIndex>(number, 0, 0));
  }
  for (std::size_t at = 0; at + 1 < SegmentViews::kSlots; ++at) {
    pins.push_back(std::make_unique<SegmentViews::Pin>(views));
    CHECK(views.drop_oldest());
  }
  pins.push_back(std::make_unique<SegmentViews::Pin>(views));
  CHECK_FALSE(views.drop_oldest());
  pins.erase(pins.begin());
  CHECK(views.drop_oldest());
}

TEST_CASE("segment views: readers come and go while segments do") {
  SegmentViews views;
  views.add(std::make_unique<SegmentIndex>(1, 0, 0));
  std::atomic<bool> stop{false};
  std::atomic<bool> wrong{false};
  std::atomic<std::uint64_t> entered{0};
  std::vector<std::thread> readers;
  for (int thread = 0; thread < 3; ++thread) {
    readers.emplace_back([&] {
      while (!stop) {
        const SegmentViews::Pin pin(views);
        for (std::size_t at = 1; at < (*pin).size(); ++at) {
          if ((*pin)[at].number() != (*pin)[at - 1].number() + 1) wrong = true;
        }
        if ((*pin).size() == 0 || (*pin)[0].find({1, 1}) != nullptr) wrong = true;
        ++entered;
      }
    });
  }
  std::uint32_t number = 1;
  for (int round = 0; round < 3000 || entered < 1000; ++round) {
    if (views.has_room()) views.add(std::make_unique<SegmentIndex>(++number, 0, 0));
    if (views.segments().size() > 1) views.drop_oldest();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK_FALSE(wrong);
}

}  // namespace
}  // namespace ims::logic
