// Copies of a store that is being written: each is the store as of one moment, in whole batches,
// and neither knows of the other afterwards.
#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "logic/durable_store.h"
#include "logic/store_identity.h"
#include "logic/sys_keys.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_store.h"

namespace ims::logic {
namespace {

using testing::TempDir;
using testing::tiny_store_options;

constexpr StoreEngine kEngines[] = {StoreEngine::kRocksdb, StoreEngine::kSegments};

StoreOptions copy_options() {
  StoreOptions options = tiny_store_options();
  options.segment_bytes = 256 * kKiB;
  return options;
}

StoreStatus put_all(Store& store, const std::string& key, const std::string& value) {
  StoreBatch batch;
  for (const Table table : {Table::kMeta, Table::kRows, Table::kCursors}) {
    batch.put(table, key, value);
  }
  const StoreBatch* const batches[] = {&batch};
  return store.write(batches, 1, true);
}

std::string value_of(Store& store, Table table, const std::string& key) {
  std::string value;
  const StoreStatus status = store.get(table, key, &value, ReadTier::kMayBlock);
  return status == StoreStatus::kOk ? value : status == StoreStatus::kNotFound ? "none" : "error";
}

std::uint64_t rows_below(Store& store, Table table, const std::string& to) {
  class Count final : public RowVisitor {
   public:
    bool on_row(std::string_view, std::string_view) override {
      ++rows;
      return true;
    }
    std::uint64_t rows = 0;
  };
  Count count;
  CHECK(store.scan(table, "k", to, false, ReadTier::kMayBlock, count) == StoreStatus::kOk);
  return count.rows;
}

TEST_CASE("a copy: what was written before it, in files and in the WAL, nothing that came later") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    const TempDir directory;
    const std::string path = directory.path() + "/copy";
    const auto made_store = open_store(engine, directory.path() + "/store", copy_options());
    DurableStore& store = *made_store;
    REQUIRE(put_all(store, "k1", "in files") == StoreStatus::kOk);
    REQUIRE(store.compact() == StoreStatus::kOk);
    REQUIRE(put_all(store, "k2", "in the WAL") == StoreStatus::kOk);
    REQUIRE(store.checkpoint(path) == StoreStatus::kOk);
    REQUIRE(put_all(store, "k1", "later") == StoreStatus::kOk);
    REQUIRE(put_all(store, "k3", "later") == StoreStatus::kOk);
    REQUIRE(store.compact() == StoreStatus::kOk);  // the store's own files of then are gone

    const auto opened = open_store_copy(path, copy_options());
    Store& copy = *opened;
    for (const Table table : {Table::kMeta, Table::kRows, Table::kCursors}) {
      CHECK(value_of(copy, table, "k1") == "in files");
      CHECK(value_of(copy, table, "k2") == "in the WAL");
      CHECK(value_of(copy, table, "k3") == "none");
      CHECK(rows_below(copy, table, "l") == 2);
      CHECK(value_of(store, table, "k1") == "later");
    }
    CHECK(put_all(copy, "k4", "x") == StoreStatus::kIoError);
    CHECK(copy.sync() == StoreStatus::kIoError);
    CHECK_FALSE(copy.has_space());
  }
}

TEST_CASE("a copy changes nothing: not the original's counters, not a file of its own") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    const TempDir directory;
    const std::string path = directory.path() + "/copy";
    const auto files = [&] {
      std::string names;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        names += entry.path().filename().string() + " " +
                 std::to_string(entry.is_directory() ? 0 : entry.file_size()) + "\n";
      }
      return names;
    };
    StoreIdentity before;
    {
      const auto made_store = open_store(engine, directory.path() + "/store", copy_options());
      DurableStore& store = *made_store;
      before = open_identity(store);
      const std::uint64_t commits = store.commits();
      REQUIRE(store.checkpoint(path) == StoreStatus::kOk);
      const std::string made = files();
      { const auto copy = open_store_copy(path, copy_options()); }
      { const auto copy = open_store_copy(path, copy_options()); }  // and it can be opened again
      CHECK(files() == made);
      CHECK(store.commits() == commits);
      std::filesystem::remove_all(path);
      CHECK(put_all(store, "k1", "x") == StoreStatus::kOk);
    }
    const auto made_store = open_store(engine, directory.path() + "/store", copy_options());
    DurableStore& store = *made_store;
    const StoreIdentity after = open_identity(store);
    CHECK(after.boot == before.boot + 1);
    CHECK(after.epoch == before.epoch);
    CHECK(value_of(store, Table::kRows, "k1") == "x");
  }
}

TEST_CASE("a copy that cannot be made or opened says so and leaves nothing") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    const TempDir directory;
    const std::string path = directory.path() + "/copy";
    const auto made_store = open_store(engine, directory.path() + "/store", copy_options());
    DurableStore& store = *made_store;
    std::filesystem::create_directory(path);
    CHECK(store.checkpoint(path) == StoreStatus::kIoError);  // it exists
    std::filesystem::remove_all(path);
    CHECK(store.checkpoint(path + "/no/parent") == StoreStatus::kIoError);
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(put_all(store, "k1", "x") == StoreStatus::kOk);  // the store itself is as it was

    CHECK_THROWS_WITH_AS(open_store_copy(path, copy_options()),
                         doctest::Contains("cannot open the copy"), StoreError);
    CHECK_FALSE(std::filesystem::exists(path));
    std::string newer;
    append_big_endian(newer, std::uint32_t{99});
    StoreBatch batch;
    batch.put(Table::kMeta, kSysFormat, newer);
    const StoreBatch* const batches[] = {&batch};
    REQUIRE(store.write(batches, 1, true) == StoreStatus::kOk);
    REQUIRE(store.checkpoint(path) == StoreStatus::kOk);
    CHECK_THROWS_WITH_AS(open_store_copy(path, copy_options()),
                         doctest::Contains("is not of format"), StoreError);
  }
}

// Batch n puts row n and the count n into every table: a copy that took a part of a batch, or one
// without the batch before it, shows a count that is not the number of rows, or two counts.
TEST_CASE("copies under load: whole batches, in order, through flushes") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    const TempDir directory;
    const auto made_store = open_store(engine, directory.path() + "/store", copy_options());
    DurableStore& store = *made_store;
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      const std::string filler(2'000, 'x');
      for (std::uint64_t n = 1; !stop; ++n) {
        std::string key;
        append_big_endian(key, n);
        StoreBatch batch;
        for (const Table table : {Table::kMeta, Table::kRows, Table::kCursors}) {
          batch.put(table, "k" + key, filler);
          batch.put(table, "last", std::to_string(n));
        }
        const StoreBatch* const batches[] = {&batch};
        if (store.write(batches, 1, n % 8 == 0) != StoreStatus::kOk) break;
      }
    });
    std::uint64_t last_count = 0;
    for (int i = 0; i < 20; ++i) {
      CAPTURE(i);
      const std::string path = directory.path() + "/copy" + std::to_string(i);
      CHECK(store.checkpoint(path) == StoreStatus::kOk);
      const auto opened = open_store_copy(path, copy_options());
      Store& copy = *opened;
      const std::string last = value_of(copy, Table::kMeta, "last");
      const std::uint64_t count = last == "none" ? 0 : std::stoull(last);
      CHECK(count >= last_count);
      for (const Table table : {Table::kMeta, Table::kRows, Table::kCursors}) {
        CHECK(value_of(copy, table, "last") == last);
        CHECK(rows_below(copy, table, "l") == count);
      }
      last_count = count;
      std::filesystem::remove_all(path);
    }
    stop = true;
    writer.join();
    CHECK(last_count > 100);  // else nothing ran beside the copies
  }
}

}  // namespace
}  // namespace ims::logic
