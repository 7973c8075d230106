// What is SegmentStore's own: segments that are cold, old, large, many; its bounds.
#include "logic/store_segments.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "logic/retention_clock.h"
#include "logic/segment_io.h"
#include "logic/segment_replay.h"
#include "shared/counters.h"
#include "shared/limits.h"
#include "tests/support/segment_rows.h"
#include "tests/support/temp_dir.h"

namespace ims::logic {
namespace {

using testing::append;
using testing::count_rows;
using testing::kTimeline;
using testing::read;
using testing::row_at;
using testing::seal;
using testing::small_segments;
using testing::TempDir;

TEST_CASE("segments: rows that are not in memory: kIncomplete, then kMayBlock brings them") {
  const TempDir directory;  // a file system on a disk
  StoreOptions options = small_segments();
  options.block_cache_bytes = 8 * kMiB;
  SegmentStore store(directory.path(), options);
  for (std::uint64_t seq = 1; seq <= 100; ++seq) {
    REQUIRE(append(store, seq, row_at(1, 1000)) == StoreStatus::kOk);
  }
  seal(store);
  std::string number = segment_name(list_segments(directory.path() + "/segments").front());
  const int fd = open((directory.path() + "/segments/" + number).c_str(), O_RDONLY);
  REQUIRE(fd >= 0);
  CHECK(read(store, 1) == StoreStatus::kOk);
  CHECK(read(store, 1, ReadTier::kCacheOnly) == StoreStatus::kOk);
  REQUIRE(fdatasync(fd) == 0);
  REQUIRE(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  close(fd);
  const StoreStatus cold = read(store, 1, ReadTier::kCacheOnly);
  if (cold == StoreStatus::kOk) {
    MESSAGE("SKIPPED: the file system keeps its pages");
  } else {
    CHECK(cold == StoreStatus::kIncomplete);
  }
  CHECK(read(store, 1) == StoreStatus::kOk);
  CHECK(read(store, 1, ReadTier::kCacheOnly) == StoreStatus::kOk);
}

TEST_CASE("segments: a write larger than a segment has one of its own") {
  const TempDir directory(TempDir::Place::kInMemory);
  for (const int reopens : {0, 1}) {
    SegmentStore store(directory.path(), small_segments());
    if (reopens == 0) {
      REQUIRE(append(store, 1, row_at(1)) == StoreStatus::kOk);
      REQUIRE(append(store, 2, row_at(1, 300 * kKiB)) == StoreStatus::kOk);
      REQUIRE(append(store, 3, row_at(1)) == StoreStatus::kOk);
    }
    CHECK(count_rows(store) == 3);
    std::string value;
    REQUIRE(store.get(Table::kRows, row_key(kTimeline, 2), &value, ReadTier::kMayBlock) ==
            StoreStatus::kOk);
    CHECK(value.size() == 300 * kKiB);
  }
}

TEST_CASE("segments: gone as files once all their rows are past retention, the newest stays") {
  constexpr std::int64_t kNow = 1'700'000'000'000;
  constexpr std::int64_t kKeep = 1'000'000;
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string folder = directory.path() + "/segments";
  RetentionClock clock(true);
  StoreOptions options = small_segments();
  options.retention_ms = kKeep;
  options.clock = &clock;
  std::uint32_t second = 0;
  {
    SegmentStore store(directory.path(), options);
    REQUIRE(clock.open(store, kNow) == StoreStatus::kOk);
    REQUIRE(append(store, 1, row_at(kNow - kKeep)) == StoreStatus::kOk);
    seal(store);
    // One old row, one that is kept: the file stays.
    REQUIRE(append(store, 2, row_at(kNow - kKeep)) == StoreStatus::kOk);
    second = store.number();
    REQUIRE(append(store, 3, row_at(kNow)) == StoreStatus::kOk);
    seal(store);
    REQUIRE(append(store, 4, row_at(kNow)) == StoreStatus::kOk);
    seal(store);
    REQUIRE(append(store, 5, row_at(kNow)) == StoreStatus::kOk);
    CHECK(count_rows(store) == 5);

    REQUIRE(clock.advance(kNow + 1));
    for (int waits = 0; list_segments(folder).front() < second; ++waits) {
      REQUIRE(waits < 1000);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(read(store, 1) == StoreStatus::kNotFound);
    CHECK(count_rows(store) == 4);
  }
  SegmentStore store(directory.path(), options);
  CHECK(list_segments(folder).front() == second);
  CHECK(count_rows(store) == 4);
  CHECK(store.compact() == StoreStatus::kOk);
  CHECK(count_rows(store) == 4);
}

// Lets the test decide when a segment's seal ends.
class HeldIo final : public SegmentIo {
 public:
  StoreStatus truncate(const std::string& path, int fd, std::uint64_t bytes) override {
    while (held.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return SegmentIo::truncate(path, fd, bytes);
  }
  std::atomic<bool> held{false};
};

TEST_CASE("segments: a point is read although its segment was removed before a write drops it") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string folder = directory.path() + "/segments";
  RetentionClock clock(true);
  HeldIo io;
  StoreOptions options = small_segments();
  options.retention_ms = 1000;
  options.clock = &clock;
  options.segment_io = &io;
  SegmentStore store(directory.path(), options);
  const struct Release {
    ~Release() { io.held.store(false); }
    HeldIo& io;
  } release{io};
  REQUIRE(clock.open(store, 1'700'000'000'000) == StoreStatus::kOk);
  seal(store);
  StoreBatch batch;
  batch.put(Table::kMeta, "uann", "Ann");
  batch.put(Table::kMeta, "ugone", "");
  batch.erase(Table::kMeta, "ugone");
  const StoreBatch* const batches[] = {&batch};
  REQUIRE(store.write(batches, 1, true) == StoreStatus::kOk);
  const std::uint32_t first = store.number();
  for (int waits = 0; list_segments(folder).back() == first; ++waits) {  // for the next one's file
    REQUIRE(waits < 5000);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  io.held.store(true);
  REQUIRE(store.seal() == StoreStatus::kOk);
  batch.clear();
  batch.put(Table::kMeta, "ubob", "Bob");
  REQUIRE(store.write(batches, 1, true) == StoreStatus::kOk);
  REQUIRE(store.seal() == StoreStatus::kOk);
  io.held.store(false);
  // No row keeps it, and nothing is written that would drop it from what readers see.
  for (int waits = 0; std::filesystem::exists(folder + "/" + segment_name(first)); ++waits) {
    REQUIRE(waits < 5000);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const auto get = [&](std::string_view key, std::string& value) {
    return store.get(Table::kMeta, key, &value, ReadTier::kMayBlock);
  };
  std::string value;
  CHECK(get("uann", value) == StoreStatus::kOk);
  CHECK(value == "Ann");
  CHECK(get("ubob", value) == StoreStatus::kOk);
  CHECK(get("ugone", value) == StoreStatus::kNotFound);
  class Keys final : public RowVisitor {
   public:
    bool on_row(std::string_view key, std::string_view found) override {
      keys.append(key).append("=").append(found).append(" ");
      return true;
    }
    std::string keys;
  };
  for (const bool reverse : {false, true}) {
    Keys keys;
    CHECK(store.scan(Table::kMeta, "u", "v", reverse, ReadTier::kMayBlock, keys) ==
          StoreStatus::kOk);
    CHECK(keys.keys == (reverse ? "ubob=Bob uann=Ann " : "uann=Ann ubob=Bob "));
  }
}

TEST_CASE("segments: many starts without writes leave no files behind") {
  const TempDir directory(TempDir::Place::kInMemory);
  for (int start = 0; start < 6; ++start) {
    SegmentStore store(directory.path(), small_segments());
    CHECK(store.commits() == 1);
  }
  CHECK(list_segments(directory.path() + "/segments").size() == 1);
}

TEST_CASE("segments: more unsealed segments than a run may have are sealed by the next start") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = directory.path() + "/store";
  std::uint64_t seq = 0;
  for (int start = 0; start < 8; ++start) {
    SegmentStore store(path, small_segments());
    CHECK(count_rows(store) == seq);
    for (int rows = 0; rows < 300; ++rows) {
      REQUIRE(append(store, ++seq, row_at(1, 400)) == StoreStatus::kOk);
    }
  }
  SegmentStore store(path, small_segments());
  CHECK(count_rows(store) == seq);
}

TEST_CASE("segments: sealed by age too, so that retention finds whole ones") {
  constexpr std::int64_t kNow = 1'700'000'000'000;
  constexpr std::int64_t kHour = 3'600'000;
  const TempDir directory(TempDir::Place::kInMemory);
  RetentionClock clock(true);
  StoreOptions options = small_segments();
  options.retention_ms = 16 * kHour;  // an eighth: two hours
  options.clock = &clock;
  SegmentStore store(directory.path(), options);
  REQUIRE(clock.open(store, kNow) == StoreStatus::kOk);
  REQUIRE(append(store, 1, row_at(kNow)) == StoreStatus::kOk);
  REQUIRE(append(store, 2, row_at(kNow)) == StoreStatus::kOk);  // of a segment that knows the time
  seal(store);
  REQUIRE(append(store, 3, row_at(kNow)) == StoreStatus::kOk);
  const std::uint32_t number = store.number();
  REQUIRE(clock.advance(kNow + 2 * kHour));
  REQUIRE(append(store, 4, row_at(kNow)) == StoreStatus::kOk);
  CHECK(store.number() == number);
  REQUIRE(clock.advance(kNow + 2 * kHour + 1));
  REQUIRE(append(store, 5, row_at(kNow)) == StoreStatus::kOk);
  CHECK(store.number() > number);
  CHECK(count_rows(store) == 5);
}

TEST_CASE("segments: indexes stay within their part of the write buffers, whatever is written") {
  const TempDir directory(TempDir::Place::kInMemory);
  StoreOptions options = small_segments();
  options.segment_bytes = 64 * kMiB;  // never full
  options.block_cache_bytes = 16 * kMiB;
  options.write_buffer_bytes = 8 * kMiB;
  SegmentStore store(directory.path(), options);
  CounterBlock counters;
  std::uint64_t highest = 0;
  std::uint64_t id = 1000;
  const std::string row = row_at(1, 60);
  const std::uint32_t first = store.number();
  for (int batches = 0; batches < 400; ++batches) {
    StoreBatch batch;
    for (int rows = 0; rows < 500; ++rows) batch.append(row_key({1, ++id}, 1), row);
    const StoreBatch* const views[] = {&batch};
    REQUIRE(store.write(views, 1, false) == StoreStatus::kOk);
    store.report(counters);
    highest = std::max(highest, counters.get(Counter::kSegmentIndexBytes));
  }
  CHECK(store.number() > first + 3);  // 200,000 timelines are some 20 MB of index
  CHECK(highest > 2 * kMiB);
  CHECK(highest < 6 * kMiB + 512 * kKiB);  // three quarters, and what one write adds
  CHECK(counters.get(Counter::kSegmentsUnsealed) >= 1);
  REQUIRE(store.wait_sealed() == StoreStatus::kOk);
  store.report(counters);
  CHECK(counters.get(Counter::kSegmentsUnsealed) == 1);
  CHECK(counters.get(Counter::kSegmentFiles) >= store.number() - first);
  std::string value;
  for (std::uint64_t at = 1001; at <= id; at += 997) {
    CHECK(store.get(Table::kRows, row_key({1, at}, 1), &value, ReadTier::kMayBlock) ==
          StoreStatus::kOk);
  }
}

TEST_CASE("segments: the first files of a run are small, each twice the last") {
  const TempDir directory(TempDir::Place::kInMemory);
  StoreOptions options = small_segments();
  options.segment_bytes = 10 * kMiB;
  SegmentStore store(directory.path(), options);
  std::vector<std::uint64_t> sizes;
  std::uint64_t seq = 0;
  const std::string row = row_at(1, 1 * kMiB - 1000);
  for (std::uint32_t last = 0; sizes.size() < 3;) {
    REQUIRE(append(store, ++seq, row) == StoreStatus::kOk);
    if (store.number() == last) continue;
    last = store.number();
    sizes.push_back(std::filesystem::file_size(testing::segment_path(directory.path(), last)));
  }
  CHECK(sizes == std::vector<std::uint64_t>{4 * kMiB, 8 * kMiB, 10 * kMiB});
}

}  // namespace
}  // namespace ims::logic
