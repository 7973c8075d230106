// A segment log that is damaged: what was synced and cannot be read is said, what is torn is not;
// a row that is damaged is lost alone.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "logic/durable_store.h"
#include "tests/support/segment_rows.h"
#include "tests/support/temp_dir.h"

namespace ims::logic {
namespace {

using testing::append;
using testing::count_rows;
using testing::file_bytes;
using testing::flip_byte;
using testing::kTimeline;
using testing::read;
using testing::row_at;
using testing::seal;
using testing::segment_paths;
using testing::small_segments;
using testing::TempDir;

TEST_CASE("segments: a flipped bit in a sealed row is kCorrupt, for that row alone") {
  const TempDir directory(TempDir::Place::kInMemory);
  SegmentStore store(directory.path(), small_segments());
  for (std::uint64_t seq = 1; seq <= 3; ++seq) {
    REQUIRE(append(store, seq, row_at(1)) == StoreStatus::kOk);
  }
  seal(store);
  const std::string path = directory.path() + "/segments/" +
                           segment_name(list_segments(directory.path() + "/segments").front());
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const std::size_t second = bytes.find(row_key(kTimeline, 2));
    REQUIRE(second != std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(second + kRowKeyBytes + 40));
    file.put('R');
  }
  CHECK(read(store, 1) == StoreStatus::kOk);
  CHECK(read(store, 2) == StoreStatus::kCorrupt);
  CHECK(read(store, 3) == StoreStatus::kOk);
  CHECK(count_rows(store, StoreStatus::kCorrupt) == 1);
}

TEST_CASE("segments: a sealed segment that is missing or short is said at the start") {
  for (const bool removed : {true, false}) {
    INFO("removed: " << removed);
    const TempDir directory(TempDir::Place::kInMemory);
    {
      SegmentStore store(directory.path(), small_segments());
      REQUIRE(append(store, 1, row_at(1)) == StoreStatus::kOk);
      seal(store);
      REQUIRE(append(store, 2, row_at(1)) == StoreStatus::kOk);
    }
    const std::string path = directory.path() + "/segments/" +
                             segment_name(list_segments(directory.path() + "/segments").front());
    if (removed) {
      std::filesystem::remove(path);
    } else {
      std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
    }
    CHECK_THROWS_WITH_AS(SegmentStore(directory.path(), small_segments()),
                         doctest::Contains("missing or too short"), StoreError);
  }
}

TEST_CASE("segments: one that is missing in the middle of the log is commits that are lost") {
  const TempDir directory(TempDir::Place::kInMemory);
  std::vector<std::uint32_t> numbers;
  {
    StoreOptions options = small_segments();
    options.segment_bytes = 8 * kMiB;
    SegmentStore store(directory.path(), options);
    for (std::uint64_t seq = 1; seq <= 10; ++seq) {
      REQUIRE(append(store, seq, row_at(1)) == StoreStatus::kOk);
    }
  }
  numbers = list_segments(directory.path() + "/segments");
  REQUIRE(numbers.size() == 1);
  std::filesystem::remove(directory.path() + "/segments/" + segment_name(numbers.front()));
  CHECK_THROWS_WITH_AS(SegmentStore(directory.path(), small_segments()),
                       doctest::Contains("lost at least 11 commits"), StoreError);
  StoreOptions options = small_segments();
  options.accept_loss = true;
  SegmentStore store(directory.path(), options);
  CHECK(store.lost_commits() == 11);
  CHECK(count_rows(store) == 0);
  CHECK(append(store, 1, row_at(1)) == StoreStatus::kOk);
}


// Ten rows, each synced, in one segment; no note of how many commits there were.
std::string write_ten(const std::string& directory, bool sync = true) {
  {
    SegmentStore store(directory, small_segments());
    for (std::uint64_t seq = 1; seq <= 10; ++seq) {
      StoreBatch batch;
      batch.append(row_key(kTimeline, seq), row_at(1));
      const StoreBatch* const batches[] = {&batch};
      REQUIRE(store.write(batches, 1, sync) == StoreStatus::kOk);
    }
  }
  std::filesystem::remove(directory + "/commit_floor");
  REQUIRE(segment_paths(directory).size() == 1);
  return segment_paths(directory).front();
}

std::uint64_t place_of(const std::string& path, std::uint64_t seq) {
  const std::size_t at = file_bytes(path).find(row_key(kTimeline, seq));
  REQUIRE(at != std::string::npos);
  return at;
}

TEST_CASE("damage: of a record that others followed is refused, and accepted when told to") {
  for (const std::uint64_t seq : {2u, 5u, 9u}) {
    INFO("seq: " << seq);
    const TempDir directory(TempDir::Place::kInMemory);
    const std::string path = write_ten(directory.path());
    flip_byte(path, place_of(path, seq) + 30);
    for (int tries = 0; tries < 2; ++tries) {
      CHECK_THROWS_WITH_AS(SegmentStore(directory.path(), small_segments()),
                           doctest::Contains("commits that were durable"), StoreError);
    }
    CHECK(std::filesystem::exists(path));
    StoreOptions options = small_segments();
    options.accept_loss = true;
    {
      SegmentStore store(directory.path(), options);
      CHECK(store.lost_commits() >= 10 - seq);  // the last proves those before it alone
      CHECK(count_rows(store) == seq - 1);
      CHECK(append(store, seq, row_at(1)) == StoreStatus::kOk);
    }
    SegmentStore store(directory.path(), small_segments());
    CHECK(store.lost_commits() == 0);
    CHECK(count_rows(store) == seq);
  }
}

TEST_CASE("damage: at the log's end is a torn tail, nobody can tell") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = write_ten(directory.path());
  flip_byte(path, place_of(path, 10) + 30);
  SegmentStore store(directory.path(), small_segments());
  CHECK(store.lost_commits() == 0);
  CHECK(count_rows(store) == 9);
}

TEST_CASE("damage: among records that were not synced may be a power cut, and is no refusal") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = write_ten(directory.path(), false);
  flip_byte(path, place_of(path, 5) + 30);
  SegmentStore store(directory.path(), small_segments());
  CHECK(count_rows(store) == 4);
}

TEST_CASE("damage: of a segment before the last one's is refused, by where that one begins") {
  for (const bool header : {true, false}) {
    INFO("the header, or a record: " << header);
    const TempDir directory(TempDir::Place::kInMemory);
    const std::string copy = directory.path() + "/copy";
    {
      SegmentStore store(directory.path() + "/store", small_segments());
      for (std::uint64_t seq = 1; seq <= 150; ++seq) {  // two segments and a part of a third
        REQUIRE(append(store, seq, row_at(1, 1000)) == StoreStatus::kOk);
      }
      // As a crash leaves it, whatever the sealer did by now.
      REQUIRE(store.checkpoint(copy) == StoreStatus::kOk);
    }
    const std::vector<std::string> paths = segment_paths(copy);
    REQUIRE(paths.size() >= 2);
    const std::string& before_last = paths[paths.size() - 2];
    // A hard link to the original's: one of its own.
    std::filesystem::copy_file(before_last, before_last + ".copy");
    std::filesystem::rename(before_last + ".copy", before_last);
    flip_byte(before_last, header ? 20 : std::filesystem::file_size(before_last) / 2);
    try {
      // Where it was sealed by then it is not read at the start: its rows say so.
      SegmentStore store(copy, small_segments());
      CHECK(count_rows(store, header ? StoreStatus::kOk : StoreStatus::kCorrupt) > 0);
    } catch (const StoreError& error) {
      CHECK(std::string(error.what()).find("commits that were durable") != std::string::npos);
      CHECK(segment_paths(copy) == paths);
    }
  }
}

TEST_CASE("damage: a file that is no segment of this format is refused, not removed") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string path = write_ten(directory.path());
  flip_byte(path, 3);
  CHECK_THROWS_WITH_AS(SegmentStore(directory.path(), small_segments()),
                       doctest::Contains("is not of this imsd's format"), StoreError);
  CHECK(std::filesystem::exists(path));
  StoreOptions options = small_segments();
  options.accept_loss = true;
  SegmentStore store(directory.path(), options);
  CHECK(count_rows(store) == 0);
}

}  // namespace
}  // namespace ims::logic
