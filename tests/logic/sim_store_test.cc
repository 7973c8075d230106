// The simulated store's own promises: chance by seed, crashes that lose, writes that fail.
#include "tests/support/sim_store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace ims::logic {
namespace {

StoreStatus write_one(Store& store, const StoreBatch& batch, bool sync = true) {
  const StoreBatch* const batches[] = {&batch};
  return store.write(batches, 1, sync);
}

StoreStatus put(Store& store, Table table, std::string_view key, std::string_view value) {
  StoreBatch batch;
  batch.put(table, key, value);
  return write_one(store, batch);
}

std::string get(Store& store, Table table, std::string_view key) {
  std::string value;
  const StoreStatus status = store.get(table, key, &value, ReadTier::kMayBlock);
  return status == StoreStatus::kOk ? value : "(none)";
}

struct KeyCollector final : RowVisitor {
  bool on_row(std::string_view key, std::string_view) override {
    keys.emplace_back(key);
    return true;
  }
  std::vector<std::string> keys;
};

TEST_CASE("sim: kIncomplete comes by chance and only for kCacheOnly") {
  testing::SimStore store(7);
  REQUIRE(put(store, Table::kRows, "k", "v") == StoreStatus::kOk);
  store.set_faults({.incomplete_percent = 50});
  int incomplete = 0;
  std::string value;
  for (int at = 0; at < 1000; ++at) {
    if (store.get(Table::kRows, "k", &value, ReadTier::kCacheOnly) == StoreStatus::kIncomplete) {
      ++incomplete;
    }
    CHECK(store.get(Table::kRows, "k", &value, ReadTier::kMayBlock) == StoreStatus::kOk);
  }
  CHECK(incomplete > 400);
  CHECK(incomplete < 600);
}

TEST_CASE("sim: a crash keeps the synced writes and a prefix of the others, the same for a seed") {
  std::vector<int> kept;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    int survivors[2];
    for (int& survived : survivors) {
      testing::SimStore store(seed);
      REQUIRE(put(store, Table::kMeta, "durable", "1") == StoreStatus::kOk);
      for (int at = 0; at < 9; ++at) {
        StoreBatch batch;
        batch.put(Table::kRows, std::to_string(at), "v");
        REQUIRE(write_one(store, batch, false) == StoreStatus::kOk);
      }
      store.crash();
      CHECK(get(store, Table::kMeta, "durable") == "1");
      KeyCollector rows;
      CHECK(store.scan(Table::kRows, "0", ":", false, ReadTier::kMayBlock, rows) ==
            StoreStatus::kOk);
      survived = static_cast<int>(rows.keys.size());
      for (int at = 0; at < survived; ++at) {
        CHECK(rows.keys[static_cast<std::size_t>(at)] == std::to_string(at));
      }
    }
    CHECK(survivors[0] == survivors[1]);
    kept.push_back(survivors[0]);
  }
  for (int count = 0; count <= 9; ++count) {
    INFO("survivors: " << count);
    CHECK(std::count(kept.begin(), kept.end(), count) > 0);
  }
}

TEST_CASE("sim: a failed write is invisible; a crash may bring it back, whole or not at all") {
  int back = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    testing::SimStore store(seed);
    store.set_faults({.fail_write = 2, .fail_status = StoreStatus::kNoSpace});
    REQUIRE(put(store, Table::kMeta, "a", "1") == StoreStatus::kOk);
    StoreBatch batch;
    batch.put(Table::kMeta, "b", "1");
    batch.put(Table::kRows, "b", "1");
    REQUIRE(write_one(store, batch) == StoreStatus::kNoSpace);
    CHECK(get(store, Table::kMeta, "b") == "(none)");
    CHECK_FALSE(store.has_space());
    CHECK(put(store, Table::kMeta, "c", "1") == StoreStatus::kNoSpace);
    store.crash();
    CHECK(get(store, Table::kMeta, "a") == "1");
    CHECK(get(store, Table::kMeta, "b") == get(store, Table::kRows, "b"));
    if (get(store, Table::kMeta, "b") == "1") ++back;
  }
  CHECK(back > 0);
  CHECK(back < 100);
}

}  // namespace
}  // namespace ims::logic
