// A store of segments whose RocksDB met a full disk: opened again in place (store_reopening.h).
// That this holds at every append of a workload is store_fault_test.cc's.
#include "logic/store_reopening.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "shared/counters.h"
#include "tests/support/fault_files.h"
#include "tests/support/store_engines.h"
#include "tests/support/store_oracle.h"

namespace ims::logic {
namespace {

using testing::FaultFiles;
using testing::StoreOracle;
using testing::TempDir;

constexpr std::size_t kValueBytes = 1 * kKiB;

struct Disk {
  StoreOptions options() {
    StoreOptions options = testing::small_options();
    options.write_buffer_bytes = 256 * kKiB;
    options.block_cache_bytes = 1 * kMiB;
    options.segment_bytes = 64 * kKiB;
    options.env = files.env();
    options.segment_io = files.segment_io();
    return options;
  }
  void fill() {
    files.arm({.op = FaultFiles::Op::kAppend,
               .nth = 1,
               .error = FaultFiles::Error::kNoSpace,
               .stays = true});
  }
  void fail() { files.arm({.op = FaultFiles::Op::kAny, .nth = 1, .stays = true}); }
  void heal() { files.arm({}); }

  TempDir directory{TempDir::Place::kInMemory};
  FaultFiles files;
};

// Rows in the log and RocksDB in need of a flush that the disk refuses.
void run_full(Disk& disk, ReopeningStore& store, StoreOracle& oracle) {
  for (int at = 0; at < 20; ++at) REQUIRE(oracle.write_next(store, "before") == StoreStatus::kOk);
  disk.fill();
  REQUIRE(store.compact() == StoreStatus::kNoSpace);
  CHECK_FALSE(store.has_space());
  CHECK(oracle.write_next(store, "untried") == StoreStatus::kNoSpace);
  CHECK(oracle.check(store, false) == "");
}

TEST_CASE("reopening: once there is room, sync() opens the store again and all of it is there") {
  Disk disk;
  StoreOracle oracle(kValueBytes);
  {
    ReopeningStore store(disk.directory.path(), disk.options());
    run_full(disk, store, oracle);
    const std::uint64_t commits = store.commits();
    CHECK(store.reopenings() == 0);
    disk.heal();
    REQUIRE(store.sync() == StoreStatus::kOk);
    CHECK(store.reopenings() == 1);
    CHECK(store.commits() == commits);
    CHECK(store.has_space());
    CHECK(oracle.check(store, false) == "");
    CHECK(oracle.write_next(store, "after") == StoreStatus::kOk);
    CHECK(store.commits() == commits + 1);
    CHECK(store.sync() == StoreStatus::kOk);
    CHECK(store.reopenings() == 1);  // once is enough
    run_full(disk, store, oracle);   // and it can happen again
    disk.heal();
    REQUIRE(store.sync() == StoreStatus::kOk);
    CHECK(store.reopenings() == 2);
    CHECK(store.lost_commits() == 0);
    CHECK(oracle.check(store, false) == "");
  }
  disk.files.lose_power(7);
  ReopeningStore store(disk.directory.path(), disk.options());
  CHECK(oracle.check(store, false) == "");
}

TEST_CASE("reopening: each is counted, and the counter outlives the store that it counts") {
  Disk disk;
  StoreOracle oracle(kValueBytes);
  ReopeningStore store(disk.directory.path(), disk.options());
  CounterBlock counters;
  const auto counted = [&] {
    store.report(counters);
    return counters.get(Counter::kStoreReopened);
  };
  CHECK(counted() == 0);
  for (std::uint64_t round = 1; round <= 2; ++round) {
    run_full(disk, store, oracle);
    CHECK(counted() == round - 1);
    disk.heal();
    REQUIRE(store.sync() == StoreStatus::kOk);
    CHECK(counted() == round);
    CHECK(store.sync() == StoreStatus::kOk);
    CHECK(counted() == round);
  }
  run_full(disk, store, oracle);
  disk.fail();
  CHECK(store.sync() == StoreStatus::kIoError);
  CHECK(counted() == 2);
}

TEST_CASE("reopening: what was written without sync is there afterwards too, and durable") {
  Disk disk;
  StoreOracle oracle(kValueBytes);
  {
    ReopeningStore store(disk.directory.path(), disk.options());
    for (int at = 0; at < 9; ++at) {
      REQUIRE(oracle.write_next(store, "unsynced", false) == StoreStatus::kOk);
    }
    run_full(disk, store, oracle);
    disk.heal();
    REQUIRE(store.sync() == StoreStatus::kOk);
  }
  disk.files.lose_power(3);
  ReopeningStore store(disk.directory.path(), disk.options());
  CHECK(oracle.check(store, false) == "");
}

TEST_CASE("reopening: not without room; the reserve counts") {
  Disk disk;
  StoreOracle oracle(kValueBytes);
  StoreOptions options = disk.options();
  options.store_reserve_bytes = UINT64_MAX / 2;  // no disk has it
  ReopeningStore store(disk.directory.path(), options);
  disk.fill();
  REQUIRE(store.compact() == StoreStatus::kNoSpace);
  disk.heal();
  for (int at = 0; at < 3; ++at) CHECK(store.sync() == StoreStatus::kNoSpace);
  CHECK(store.reopenings() == 0);
}

TEST_CASE("reopening: one that fails is an error for ever, for who writes and for who reads") {
  Disk disk;
  StoreOracle oracle(kValueBytes);
  {
    ReopeningStore store(disk.directory.path(), disk.options());
    run_full(disk, store, oracle);
    disk.fail();
    CHECK(store.sync() == StoreStatus::kIoError);
    disk.heal();
    CHECK(store.sync() == StoreStatus::kIoError);
    CHECK(oracle.write_next(store, "after") == StoreStatus::kIoError);
    CHECK_FALSE(store.has_space());
    std::string value;
    CHECK(store.get(Table::kMeta, "uhead", &value, ReadTier::kMayBlock) == StoreStatus::kIoError);
    CHECK(store.get(Table::kMeta, "uhead", &value, ReadTier::kCacheOnly) == StoreStatus::kIoError);
    testing::Collector rows;
    CHECK(store.scan(Table::kRows, "a", "z", false, ReadTier::kMayBlock, rows) ==
          StoreStatus::kIoError);
    CHECK(store.checkpoint(disk.directory.path() + "-copy") != StoreStatus::kOk);
  }
  ReopeningStore store(disk.directory.path(), disk.options());
  CHECK(oracle.check(store, false) == "");
  CHECK(oracle.write_next(store, "again") == StoreStatus::kOk);
}

TEST_CASE("reopening: put off while a reader is in") {
  Disk disk;
  StoreOracle oracle(kValueBytes);
  ReopeningStore store(disk.directory.path(), disk.options());
  run_full(disk, store, oracle);
  disk.heal();
  class Stays final : public RowVisitor {
   public:
    explicit Stays(ReopeningStore& inside) : store_(inside) {}
    bool on_row(std::string_view, std::string_view) override {
      synced = store_.sync();
      std::string value;
      read = store_.get(Table::kMeta, "uhead", &value, ReadTier::kMayBlock);
      return false;
    }
    StoreStatus synced = StoreStatus::kCorrupt;
    StoreStatus read = StoreStatus::kCorrupt;

   private:
    ReopeningStore& store_;
  } stays(store);
  REQUIRE(store.scan(Table::kRows, "a", "z", false, ReadTier::kMayBlock, stays) ==
          StoreStatus::kOk);
  CHECK(stays.synced == StoreStatus::kNoSpace);
  CHECK(stays.read == StoreStatus::kOk);  // the gate is open again
  CHECK(store.reopenings() == 0);
  CHECK(store.sync() == StoreStatus::kOk);
  CHECK(store.reopenings() == 1);
}

TEST_CASE("reopening: readers beside it wait or ask again, and miss nothing") {
  Disk disk;
  StoreOracle oracle(kValueBytes);
  ReopeningStore store(disk.directory.path(), disk.options());
  for (int at = 0; at < 20; ++at) REQUIRE(oracle.write_next(store, "first") == StoreStatus::kOk);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> reads{0};
  std::vector<std::thread> readers;
  for (int at = 0; at < 4; ++at) {
    readers.emplace_back([&, tier = at % 2 == 0 ? ReadTier::kMayBlock : ReadTier::kCacheOnly] {
      const bool waits = tier == ReadTier::kMayBlock;
      std::uint64_t last = 0;
      while (!stop.load()) {
        std::string value;
        const StoreStatus got = store.get(Table::kMeta, "uhead", &value, tier);
        if (got == StoreStatus::kIncomplete && !waits) continue;
        const std::uint64_t head =
            got == StoreStatus::kOk ? read_big_endian<std::uint64_t>(value) : 0;
        if (head < 20 || head < last) ++wrong;
        last = head;
        testing::Collector rows;
        const StoreStatus scanned = store.scan(Table::kRows, "a", "z", false, tier, rows);
        if (scanned == StoreStatus::kIncomplete && !waits) continue;
        if (scanned != StoreStatus::kOk || rows.rows.size() < head) ++wrong;
        ++reads;
      }
    });
  }
  for (int round = 0; round < 3; ++round) {
    const int before = reads.load();
    while (reads.load() == before && wrong.load() == 0) std::this_thread::yield();
    disk.fill();
    CHECK(store.compact() == StoreStatus::kNoSpace);
    disk.heal();
    // Readers leave within its patience; where one does not, the next sync() does it.
    StoreStatus synced = StoreStatus::kNoSpace;
    for (int tries = 0; tries < 20 && synced == StoreStatus::kNoSpace; ++tries) {
      synced = store.sync();
    }
    CHECK(synced == StoreStatus::kOk);
    CHECK(oracle.write_next(store, "more") == StoreStatus::kOk);
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(store.reopenings() == 3);
  CHECK(oracle.check(store, false) == "");
}

}  // namespace
}  // namespace ims::logic
