// Which engine a store is opened with: the one that made it, a new one's, the next one's; and what
// stores of earlier formats bring along.
#include <doctest/doctest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "logic/durable_store.h"
#include "logic/rocks_options.h"
#include "logic/store_rocks.h"
#include "tests/support/segment_rows.h"
#include "tests/support/temp_dir.h"

namespace ims::logic {
namespace {

using testing::append;
using testing::count_rows;
using testing::row_at;
using testing::small_segments;
using testing::TempDir;

TEST_CASE("segments: take over what RocksStore left, which then refuses it") {
  const TempDir directory;
  {
    RocksStore store(directory.path(), small_segments());
    for (std::uint64_t seq = 1; seq <= 20; ++seq) {
      REQUIRE(append(store, seq, row_at(1)) == StoreStatus::kOk);
    }
    CHECK(store.commits() == 21);
  }
  CHECK(engine_of_store(directory.path()) == StoreEngine::kRocksdb);
  for (std::uint64_t seq = 21; seq <= 40; seq += 10) {
    SegmentStore store(directory.path(), small_segments());
    CHECK(count_rows(store) == seq - 1);
    for (std::uint64_t at = seq; at < seq + 10; ++at) {
      REQUIRE(append(store, at, row_at(1)) == StoreStatus::kOk);
    }
    CHECK(count_rows(store) == seq + 9);
    CHECK(store.commits() == seq + 10);
  }
  CHECK(engine_of_store(directory.path()) == StoreEngine::kSegments);
  CHECK_THROWS_WITH_AS(RocksStore(directory.path(), small_segments()),
                       doctest::Contains("extents"), StoreError);
  SegmentStore store(directory.path(), small_segments());
  CHECK(count_rows(store) == 40);
}

// That of an imsd to come.
void write_later_format(Store& store) {
  StoreBatch batch;
  std::string number;
  append_big_endian(number, kStoreFormat + 1);
  batch.put(Table::kMeta, kSysFormat, number);
  const StoreBatch* const batches[] = {&batch};
  REQUIRE(store.write(batches, 1, true) == StoreStatus::kOk);
}

TEST_CASE("segments: a format that is not known is refused") {
  const TempDir directory;
  {
    SegmentStore store(directory.path(), small_segments());
    write_later_format(store);
  }
  CHECK_THROWS_WITH_AS(SegmentStore(directory.path(), small_segments()),
                       doctest::Contains("has format 4"), StoreError);
}

TEST_CASE("engine: a new store is of RocksDB, a store keeps its own, and only one way is open") {
  const TempDir directory(TempDir::Place::kInMemory);
  const std::string fresh = directory.path() + "/new";
  const std::string old = directory.path() + "/old";
  CHECK(engine_of_store(fresh) == StoreEngine::kAuto);
  for (int opens = 0; opens < 2; ++opens) {
    const StoreEngine engine = opens == 0 ? StoreEngine::kSegments : StoreEngine::kAuto;
    const auto store = open_store(engine, fresh, small_segments());
    CHECK(store->engine() == StoreEngine::kSegments);
    CHECK(append(*store, static_cast<std::uint64_t>(opens) + 1, row_at(1)) == StoreStatus::kOk);
  }
  CHECK(engine_of_store(fresh) == StoreEngine::kSegments);
  CHECK_THROWS_WITH_AS(open_store(StoreEngine::kRocksdb, fresh, small_segments()),
                       doctest::Contains("start with that, or with \"auto\""), StoreError);

  for (const std::uint64_t seq : {1u, 2u}) {
    const auto store = open_store(StoreEngine::kAuto, old, small_segments());
    CHECK(store->engine() == StoreEngine::kRocksdb);
    CHECK(append(*store, seq, row_at(1)) == StoreStatus::kOk);
  }
  {
    const auto store = open_store(StoreEngine::kSegments, old, small_segments());
    CHECK(count_rows(*store) == 2);
  }
  const auto store = open_store(StoreEngine::kAuto, old, small_segments());
  CHECK(store->engine() == StoreEngine::kSegments);
  CHECK(count_rows(*store) == 2);
}

TEST_CASE("engine: what RocksStore refuses is not taken over, and is as it was") {
  const TempDir directory(TempDir::Place::kInMemory);
  {
    RocksStore store(directory.path(), small_segments());
    write_later_format(store);
  }
  for (const StoreEngine engine : {StoreEngine::kSegments, StoreEngine::kAuto}) {
    CHECK_THROWS_WITH_AS(open_store(engine, directory.path(), small_segments()),
                         doctest::Contains("has format 4"), StoreError);
    CHECK(engine_of_store(directory.path()) == StoreEngine::kRocksdb);
  }
}

std::vector<std::string> tables_of(const std::string& directory) {
  std::vector<std::string> names;
  REQUIRE(rocksdb::DB::ListColumnFamilies({}, directory, &names).ok());
  return names;
}

// As every store of the formats up to 3 was made.
void add_old_table(const std::string& directory) {
  const RocksOptions options(small_segments(), nullptr);
  std::vector<rocksdb::ColumnFamilyDescriptor> tables = options.tables;
  tables.emplace_back("dedupe", rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  REQUIRE(rocksdb::DB::Open(options.database, directory, tables, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> database(opened);
  CHECK(database->Put({}, handles.back(), "in a file", "x").ok());
  CHECK(database->Flush({}, handles.back()).ok());
  CHECK(database->Put({}, handles.back(), "in the WAL", "x").ok());
  for (rocksdb::ColumnFamilyHandle* handle : handles) delete handle;
}

TEST_CASE("engine: the table of client_ids of earlier stores is dropped, all else stays") {
  for (const StoreEngine engine : {StoreEngine::kRocksdb, StoreEngine::kSegments}) {
    INFO("engine: " << static_cast<int>(engine));
    const TempDir directory(TempDir::Place::kInMemory);
    {
      RocksStore store(directory.path(), small_segments());
      REQUIRE(append(store, 1, row_at(1)) == StoreStatus::kOk);
    }
    add_old_table(directory.path());
    CHECK(std::ranges::count(tables_of(directory.path()), "dedupe") == 1);
    for (std::uint64_t opens = 0; opens < 2; ++opens) {
      const auto store = open_store(engine, directory.path(), small_segments());
      CHECK(std::ranges::count(tables_of(directory.path()), "dedupe") == 0);
      CHECK(count_rows(*store) == opens + 1);
      CHECK(append(*store, opens + 2, row_at(1)) == StoreStatus::kOk);
    }
  }
}

}  // namespace
}  // namespace ims::logic
