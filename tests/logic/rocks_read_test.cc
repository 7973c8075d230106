// Scans from the cache alone: over the edge of a file that is not in the cache they say so, in both
// directions. (RocksDB 7.8 ends there with OK where it looks for range deletions.)
#include "logic/rocks_read.h"

#include <doctest/doctest.h>
#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <vector>

#include "logic/keys.h"
#include "logic/rocks_options.h"
#include "logic/store_rocks.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_store.h"

namespace ims::logic {
namespace {

constexpr TimelineKey kTimeline{7, 0x1234};
constexpr std::uint64_t kRowsPerFile = 40;
constexpr std::uint64_t kFiles = 3;

class Seqs final : public RowVisitor {
 public:
  bool on_row(std::string_view key, std::string_view) override {
    seqs.push_back(seq_of_row_key(key));
    return true;
  }
  std::vector<std::uint64_t> seqs;
};

// One file after the other at the bottom: rows 1 to 40, 41 to 80, 81 to 120.
void write_files(const std::string& path) {
  { RocksStore store(path, testing::tiny_store_options()); }
  RocksOptions options(testing::tiny_store_options(), nullptr);
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  REQUIRE(rocksdb::DB::Open(options.database, path, options.tables, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> database(opened);
  rocksdb::ColumnFamilyHandle* const rows = handles[static_cast<std::size_t>(Table::kRows)];
  for (std::uint64_t file = 0; file < kFiles; ++file) {
    const std::uint64_t first = file * kRowsPerFile + 1;
    const std::string from = row_key(kTimeline, first);
    const std::string to = row_key(kTimeline, first + kRowsPerFile - 1);
    for (std::uint64_t seq = first; seq < first + kRowsPerFile; ++seq) {
      REQUIRE(database->Put({}, rows, row_key(kTimeline, seq), std::string(100, 'x')).ok());
    }
    REQUIRE(database->Flush({}, rows).ok());
    const rocksdb::Slice begin(from);
    const rocksdb::Slice end(to);
    rocksdb::CompactRangeOptions compact;
    compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kSkip;
    REQUIRE(database->CompactRange(compact, rows, &begin, &end).ok());
  }
  std::vector<rocksdb::LiveFileMetaData> files;
  database->GetLiveFilesMetaData(&files);
  std::size_t at_bottom = 0;
  for (const rocksdb::LiveFileMetaData& file : files) {
    at_bottom += file.column_family_name == "rows" && file.level > 0;
  }
  REQUIRE(at_bottom == kFiles);
  for (rocksdb::ColumnFamilyHandle* handle : handles) delete handle;
  REQUIRE(database->Close().ok());
}

TEST_CASE("rocks_read: a scan from the cache does not end where a file is missing there") {
  const testing::TempDir directory;
  const std::string path = directory.path() + "/store";
  write_files(path);
  const std::uint64_t last = kFiles * kRowsPerFile;
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse);
    RocksStore store(path, testing::tiny_store_options());
    const std::uint64_t warm_from = reverse ? last - kRowsPerFile + 1 : 1;
    const std::string from = row_key(kTimeline, warm_from);
    const std::string to = row_key(kTimeline, warm_from + kRowsPerFile);
    Seqs warmed;
    REQUIRE(store.scan(Table::kRows, from, to, reverse, ReadTier::kMayBlock, warmed) ==
            StoreStatus::kOk);
    REQUIRE(warmed.seqs.size() == kRowsPerFile);

    const std::string all_from = row_key(kTimeline, 1);
    const std::string all_to = row_key(kTimeline, last + 1);
    Seqs cached;
    CHECK(store.scan(Table::kRows, all_from, all_to, reverse, ReadTier::kCacheOnly, cached) ==
          StoreStatus::kIncomplete);
    CHECK(cached.seqs.size() >= kRowsPerFile - 1);  // backward the last one needs a look across
    for (std::uint64_t at = 0; at < cached.seqs.size(); ++at) {
      CHECK(cached.seqs[at] == (reverse ? last - at : 1 + at));
    }
    Seqs all;
    CHECK(store.scan(Table::kRows, all_from, all_to, reverse, ReadTier::kMayBlock, all) ==
          StoreStatus::kOk);
    CHECK(all.seqs.size() == last);
  }
}

}  // namespace
}  // namespace ims::logic
