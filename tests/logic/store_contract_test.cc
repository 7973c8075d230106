// What every engine promises (logic/store.h), one suite run against each.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/store_engines.h"

namespace ims::logic {
namespace {

using testing::Collector;
using testing::Engine;
using testing::get;
using testing::on_each_engine;
using testing::Pairs;
using testing::put;
using testing::scan;
using testing::small_options;
using testing::write_one;

TEST_CASE("store: get gives what the last put of the same table wrote") {
  on_each_engine([](Engine& engine) {
    Store& store = engine.store();
    CHECK(get(store, Table::kMeta, "k") == "(none)");
    REQUIRE(put(store, Table::kMeta, "k", "one") == StoreStatus::kOk);
    REQUIRE(put(store, Table::kRows, "k", "row") == StoreStatus::kOk);
    CHECK(get(store, Table::kMeta, "k") == "one");
    REQUIRE(put(store, Table::kMeta, "k", "two") == StoreStatus::kOk);
    CHECK(get(store, Table::kMeta, "k") == "two");
    CHECK(get(store, Table::kRows, "k") == "row");
    CHECK(get(store, Table::kCursors, "k") == "(none)");
    CHECK(get(store, Table::kCursors, "k") == "(none)");
  });
}

TEST_CASE("store: an empty value is a value; any byte may be in a key") {
  on_each_engine([](Engine& engine) {
    Store& store = engine.store();
    const std::string odd("\0\xff\n\0", 4);
    REQUIRE(put(store, Table::kCursors, odd, "") == StoreStatus::kOk);
    CHECK(get(store, Table::kCursors, odd) == "");
    CHECK(get(store, Table::kCursors, std::string_view(odd).substr(0, 3)) == "(none)");
  });
}

TEST_CASE("store: a batch's operations apply in order, deletes too") {
  on_each_engine([](Engine& engine) {
    Store& store = engine.store();
    StoreBatch batch;
    batch.put(Table::kMeta, "a", "1");
    batch.erase(Table::kMeta, "a");
    batch.put(Table::kMeta, "b", "1");
    batch.put(Table::kMeta, "b", "2");
    batch.erase(Table::kMeta, "c");
    batch.put(Table::kMeta, "c", "3");
    batch.erase(Table::kMeta, "never was");
    REQUIRE(write_one(store, batch) == StoreStatus::kOk);
    CHECK(get(store, Table::kMeta, "a") == "(none)");
    CHECK(get(store, Table::kMeta, "b") == "2");
    CHECK(get(store, Table::kMeta, "c") == "3");

    batch.clear();
    batch.erase(Table::kMeta, "b");
    REQUIRE(write_one(store, batch) == StoreStatus::kOk);
    CHECK(get(store, Table::kMeta, "b") == "(none)");
  });
}

TEST_CASE("store: many batches are one write, later batches win") {
  on_each_engine([](Engine& engine) {
    Store& store = engine.store();
    std::vector<StoreBatch> batches(300);
    std::vector<const StoreBatch*> views;
    for (std::size_t at = 0; at < batches.size(); ++at) {
      batches[at].put(Table::kMeta, "last", std::to_string(at));
      batches[at].put(Table::kRows, "row" + std::to_string(1000 + at), std::to_string(at));
      views.push_back(&batches[at]);
    }
    REQUIRE(store.write(views.data(), views.size(), true) == StoreStatus::kOk);
    CHECK(get(store, Table::kMeta, "last") == "299");
    const Pairs rows = scan(store, "row", "rox", false);
    REQUIRE(rows.size() == 300);
    for (std::size_t at = 0; at < rows.size(); ++at) CHECK(rows[at].second == std::to_string(at));
  });
}

TEST_CASE("store: a scan gives [from, to) in key order, either way, until told to stop") {
  struct Row {
    const char* rule;
    std::string from, to;
    bool reverse;
    std::size_t rows_max;
    std::string keys;
  };
  const Row rows[] = {
      {"all", "a", "z", false, 99, "bdfh"},
      {"all, reverse", "a", "z", true, 99, "hfdb"},
      {"from is in", "d", "z", false, 99, "dfh"},
      {"from between keys", "c", "z", false, 99, "dfh"},
      {"to is out", "a", "f", false, 99, "bd"},
      {"to is out, reverse", "a", "f", true, 99, "db"},
      {"to between keys, reverse", "a", "g", true, 99, "fdb"},
      {"from is in, reverse", "d", "z", true, 99, "hfd"},
      {"to past the last key, reverse", "f", "zzz", true, 99, "hf"},
      {"stop after one", "a", "z", false, 1, "b"},
      {"stop after two, reverse", "a", "z", true, 2, "hf"},
      {"nothing in the range", "g", "h", false, 99, ""},
      {"nothing in the range, reverse", "g", "h", true, 99, ""},
      {"empty range", "d", "d", false, 99, ""},
      {"bounds the wrong way round", "f", "b", false, 99, ""},
      {"bounds the wrong way round, reverse", "f", "b", true, 99, ""},
      {"single key", "d", std::string("d\0", 2), false, 99, "d"},
  };
  on_each_engine([&](Engine& engine) {
    Store& store = engine.store();
    for (const char* key : {"b", "d", "f", "h"}) {
      REQUIRE(put(store, Table::kRows, key, std::string("=") + key) == StoreStatus::kOk);
    }
    REQUIRE(put(store, Table::kRows, "e", "gone") == StoreStatus::kOk);
    StoreBatch batch;
    batch.erase(Table::kRows, "e");
    REQUIRE(write_one(store, batch) == StoreStatus::kOk);
    REQUIRE(put(store, Table::kMeta, "c", "other table") == StoreStatus::kOk);

    for (const Row& row : rows) {
      INFO("rule: " << row.rule);
      std::string keys;
      for (const auto& [key, value] : scan(store, row.from, row.to, row.reverse, row.rows_max)) {
        CHECK(value == "=" + key);
        keys += key;
      }
      CHECK(keys == row.keys);
    }
  });
}

TEST_CASE("store: keys order as unsigned bytes") {
  on_each_engine([](Engine& engine) {
    Store& store = engine.store();
    const std::string keys[] = {std::string("\x01", 1), std::string("\x01\x00", 2), "\x7f", "\x80",
                                "\xff"};
    for (const std::string& key : keys) {
      REQUIRE(put(store, Table::kRows, key, "v") == StoreStatus::kOk);
    }
    const Pairs rows = scan(store, "", "\xff\xff", false);
    REQUIRE(rows.size() == 5);
    for (std::size_t at = 0; at < rows.size(); ++at) CHECK(rows[at].first == keys[at]);
  });
}

TEST_CASE("store: values of 0 bytes to 1 MiB come back as they were, also after a reopen") {
  on_each_engine([](Engine& engine) {
    const std::size_t sizes[] = {0, 1, 4095, 4096, 65'536, kMiB};
    for (const std::size_t size : sizes) {
      std::string value(size, '\0');
      for (std::size_t at = 0; at < size; ++at) value[at] = static_cast<char>(at * 31 + size);
      REQUIRE(put(engine.store(), Table::kRows, "big" + std::to_string(size), value) ==
              StoreStatus::kOk);
    }
    for (const bool reopened : {false, true}) {
      if (reopened) engine.reopen();
      for (const std::size_t size : sizes) {
        const std::string value = get(engine.store(), Table::kRows, "big" + std::to_string(size));
        REQUIRE(value.size() == size);
        bool same = true;
        for (std::size_t at = 0; at < size; ++at) {
          same = same && value[at] == static_cast<char>(at * 31 + size);
        }
        CHECK(same);
      }
    }
  });
}

TEST_CASE("store: what was synced survives a reopen, and what a later sync() covered") {
  on_each_engine([](Engine& engine) {
    StoreBatch batch;
    batch.put(Table::kMeta, "synced", "1");
    batch.put(Table::kMeta, "deleted", "1");
    REQUIRE(write_one(engine.store(), batch, true) == StoreStatus::kOk);
    batch.clear();
    batch.put(Table::kCursors, "unsynced", "2");
    batch.erase(Table::kMeta, "deleted");
    REQUIRE(write_one(engine.store(), batch, false) == StoreStatus::kOk);
    CHECK(get(engine.store(), Table::kCursors, "unsynced") == "2");
    REQUIRE(engine.store().sync() == StoreStatus::kOk);
    engine.reopen();
    CHECK(get(engine.store(), Table::kMeta, "synced") == "1");
    CHECK(get(engine.store(), Table::kCursors, "unsynced") == "2");
    CHECK(get(engine.store(), Table::kMeta, "deleted") == "(none)");
    CHECK(engine.store().has_space());
  });
}

TEST_CASE("store: rows just written are answered from memory") {
  on_each_engine([](Engine& engine) {
    Store& store = engine.store();
    REQUIRE(put(store, Table::kRows, "k", "v") == StoreStatus::kOk);
    std::string value;
    CHECK(store.get(Table::kRows, "k", &value, ReadTier::kCacheOnly) == StoreStatus::kOk);
    CHECK(value == "v");
    Collector collector;
    CHECK(store.scan(Table::kRows, "a", "z", false, ReadTier::kCacheOnly, collector) ==
          StoreStatus::kOk);
    CHECK(collector.rows == Pairs{{"k", "v"}});
  });
}

TEST_CASE("rocks: kCacheOnly says kIncomplete for what is on disk alone, kMayBlock brings it") {
  const testing::TempDir directory;
  StoreOptions options = small_options();
  {
    RocksStore store(directory.path(), options);
    StoreBatch batch;
    for (int at = 0; at < 2000; ++at) {
      batch.put(Table::kRows, "row" + std::to_string(10'000 + at), std::string(200, 'x'));
      batch.put(Table::kMeta, "meta" + std::to_string(10'000 + at), "m");
    }
    REQUIRE(write_one(store, batch) == StoreStatus::kOk);
    REQUIRE(store.compact() == StoreStatus::kOk);
  }
  options.block_cache_bytes = 64 * kKiB;
  RocksStore store(directory.path(), options);
  std::string value;
  REQUIRE(store.get(Table::kMeta, "meta11000", &value, ReadTier::kCacheOnly) ==
          StoreStatus::kIncomplete);
  Collector cold;
  REQUIRE(store.scan(Table::kRows, "row10500", "row10600", false, ReadTier::kCacheOnly, cold) ==
          StoreStatus::kIncomplete);
  CHECK(cold.rows.size() < 100);

  CHECK(store.get(Table::kMeta, "meta11000", &value, ReadTier::kMayBlock) == StoreStatus::kOk);
  CHECK(value == "m");
  CHECK(store.get(Table::kMeta, "absent", &value, ReadTier::kMayBlock) == StoreStatus::kNotFound);
  Collector warm;
  CHECK(store.scan(Table::kRows, "row10500", "row10600", false, ReadTier::kMayBlock, warm) ==
        StoreStatus::kOk);
  CHECK(warm.rows.size() == 100);
}

TEST_CASE("rocks: a blocking read makes the next cache-only read complete") {
  const testing::TempDir directory;
  {
    RocksStore store(directory.path(), small_options());
    REQUIRE(put(store, Table::kRows, "k", "v") == StoreStatus::kOk);
    REQUIRE(store.compact() == StoreStatus::kOk);
  }
  RocksStore store(directory.path(), small_options());
  std::string value;
  CHECK(store.get(Table::kRows, "k", &value, ReadTier::kCacheOnly) == StoreStatus::kIncomplete);
  CHECK(store.get(Table::kRows, "k", &value, ReadTier::kMayBlock) == StoreStatus::kOk);
  CHECK(store.get(Table::kRows, "k", &value, ReadTier::kCacheOnly) == StoreStatus::kOk);
}

}  // namespace
}  // namespace ims::logic
