// The committer: bounds of a write, fairness, durability modes, timers.
#include "logic/committer.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "logic/retention_clock.h"
#include "logic/sys_keys.h"
#include "shared/limits.h"
#include "tests/support/committer_bench.h"

namespace ims::logic {
namespace {

TEST_CASE("committer: a batch is written with sync, then handed back with kOk") {
  RecordingStore store;
  Bench bench(store, 2);
  CHECK(bench.committer->idle());
  CHECK_FALSE(bench.run());
  CommitBatch& batch = bench.submit(1);
  CHECK_FALSE(bench.committer->idle());
  batch.result = StoreStatus::kIoError;
  CHECK(bench.run());
  CHECK(bench.take_done(1) == std::vector<CommitBatch*>{&batch});
  CHECK(bench.take_done(0).empty());
  CHECK(batch.result == StoreStatus::kOk);
  CHECK(store.synced_writes == 1);
  CHECK(has(store, batch));
  CHECK(bench.counters.get(Counter::kCommits) == 1);
  CHECK(bench.counters.get(Counter::kBatchMessages) == 1);
  CHECK(bench.counters.get(Counter::kBatchBytes) == batch.batch.size_bytes());

  std::vector<int> woken;
  bench.committer->take_answered([&](WorkerIndex worker) { woken.push_back(worker); });
  CHECK(woken == std::vector<int>{1});
  bench.committer->take_answered([&](WorkerIndex worker) { woken.push_back(worker); });
  CHECK(woken.size() == 1);
}

TEST_CASE("committer: a write holds at most 1,024 messages and 1 MiB; a larger batch goes alone") {
  const std::size_t overhead = [] {
    StoreBatch batch;
    batch.put(Table::kRows, "1", "");
    return batch.size_bytes();
  }();
  struct Row {
    const char* rule;
    std::uint32_t first_messages, second_messages;
    std::size_t first_bytes, second_bytes;  // as size_bytes() counts
    std::size_t writes;
  };
  const Row rows[] = {
      {"messages below", 1023, 0, 100, 100, 1},
      {"messages at", 1023, 1, 100, 100, 1},
      {"messages above", 1023, 2, 100, 100, 2},
      {"a batch at the bound, then one", 1024, 1, 100, 100, 2},
      {"a batch above the bound is written", 1025, 1, 100, 100, 2},
      {"a batch above the bound does not join one", 1, 1025, 100, 100, 2},
      {"bytes below", 1, 1, kMiB - 101, 100, 1},
      {"bytes at", 1, 1, kMiB - 100, 100, 1},
      {"bytes above", 1, 1, kMiB - 99, 100, 2},
      {"a batch above 1 MiB is written", 1, 1, kMiB + 1, 100, 2},
  };
  for (const Row& row : rows) {
    INFO("rule: " << row.rule);
    RecordingStore store;
    Bench bench(store, 1);
    CommitBatch& first = bench.submit(0, row.first_messages, 0, row.first_bytes - overhead);
    CommitBatch& second = bench.submit(0, row.second_messages, 0, row.second_bytes - overhead);
    REQUIRE(first.batch.size_bytes() == row.first_bytes);
    REQUIRE(bench.run());
    CHECK(bench.take_done(0).size() == (row.writes == 1 ? 2 : 1));
    CHECK(bench.committer->idle() == (row.writes == 1));
    while (bench.run()) {
    }
    CHECK(store.writes.size() == row.writes);
    CHECK(has(store, first));
    CHECK(has(store, second));
    CHECK(bench.committer->idle());
  }
}

TEST_CASE("committer: ports are served in turn, each in its own order") {
  RecordingStore store;
  Bench bench(store, 3);
  std::vector<CommitBatch*> greedy;
  for (int at = 0; at < 8; ++at) greedy.push_back(&bench.submit(0, 400));
  CommitBatch& modest1 = bench.submit(1, 400);
  CommitBatch& modest2 = bench.submit(2, 400);

  REQUIRE(bench.run());  // 0, 1; 2 does not fit
  CHECK(store.writes[0] == std::vector<const StoreBatch*>{&greedy[0]->batch, &modest1.batch});
  REQUIRE(bench.run());  // 2 first
  CHECK(store.writes[1] == std::vector<const StoreBatch*>{&modest2.batch, &greedy[1]->batch});
  while (bench.run()) {
  }
  CHECK(store.writes.size() == 5);
  CHECK(bench.take_done(0) == greedy);
}

TEST_CASE("committer: interval syncs at most once an interval, and only after a write") {
  RecordingStore store;
  Bench bench(store, 1, Durability::kInterval, 100);
  bench.run(1000);
  CHECK(store.syncs == 0);
  bench.submit(0);
  bench.run(1010);
  CHECK(store.synced_writes == 0);
  CHECK(store.syncs == 1);  // none in the last interval
  bench.submit(0);
  bench.run(1050);
  CHECK(store.syncs == 1);
  CHECK(bench.committer->next_deadline_ms() == 1110);
  bench.run(1109);
  CHECK(store.syncs == 1);
  bench.run(1110);
  CHECK(store.syncs == 2);
  bench.run(1300);
  CHECK(store.syncs == 2);
  bench.submit(0);
  bench.run(1301);
  bench.submit(0);
  bench.run(1302);
  CHECK(bench.committer->finish() == StoreStatus::kOk);
  CHECK(store.syncs == 4);
  CHECK(bench.committer->finish() == StoreStatus::kOk);
  CHECK(store.syncs == 4);

  store.next_sync = StoreStatus::kIoError;
  bench.submit(0);
  bench.run(2000);
  CHECK(bench.committer->failed());
}

TEST_CASE("committer: os never syncs while it runs") {
  RecordingStore store;
  Bench bench(store, 1, Durability::kOs);
  for (int at = 0; at < 20; ++at) {
    bench.submit(0);
    bench.run(at * 1000);
  }
  CHECK(store.synced_writes == 0);
  CHECK(store.syncs == 0);
}

TEST_CASE("committer: after kNoSpace it lets the store recover once a second, and says so") {
  RecordingStore store;
  Bench bench(store, 1);
  bench.run(0);
  CHECK(bench.counters.get(Counter::kStoreReadOnly) == 0);
  bench.submit(0);
  store.next = StoreStatus::kNoSpace;
  store.next_sync = StoreStatus::kNoSpace;
  bench.run(10);
  bench.run(999);
  CHECK(store.syncs == 0);
  bench.run(1000);
  CHECK(store.syncs == 1);
  CHECK(bench.counters.get(Counter::kStoreReadOnly) == 1);
  bench.run(2000);
  CHECK(store.syncs == 2);
  store.next_sync = StoreStatus::kOk;
  store.next = StoreStatus::kOk;
  bench.run(3000);
  CHECK(store.syncs == 3);
  CHECK(bench.counters.get(Counter::kStoreReadOnly) == 0);
  bench.run(4000);
  CHECK(store.syncs == 3);
  store.space = false;
  bench.run(5000);
  CHECK(bench.counters.get(Counter::kStoreReadOnly) == 1);

  store.next = StoreStatus::kNoSpace;
  store.next_sync = StoreStatus::kIoError;  // a recovery that fails for good
  bench.submit(0, 1, 1);
  bench.run(5500);
  CHECK_FALSE(bench.committer->failed());
  bench.run(6000);
  CHECK(bench.committer->failed());
}

TEST_CASE("committer: moves the retention clock on and stores it every 10 s") {
  RecordingStore store;
  RetentionClock clock(false);
  REQUIRE(clock.open(store, 1'000'000) == StoreStatus::kOk);
  Bench bench(store, 1, Durability::kSync, 100, &clock);
  bench.run(0, 1'000'000);
  bench.run(1000, 1'000'000 + 9'999);
  CHECK(clock.now_ms() == 1'009'999);
  CHECK(store.writes.size() == 1);
  bench.run(2000, 1'000'000 + 10'000);
  CHECK(store.writes.size() == 2);
  bench.run(3000, 1'000'000 + 11'000);
  CHECK(store.writes.size() == 2);
  std::string value;
  REQUIRE(store.get(Table::kMeta, kSysClock, &value, ReadTier::kMayBlock) == StoreStatus::kOk);
  CHECK(read_big_endian<std::int64_t>(value) == 1'010'000);
}

}  // namespace
}  // namespace ims::logic
