// The committer when writes fail: epochs, at every position of the failure.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "logic/committer.h"
#include "tests/support/committer_bench.h"
#include "tests/support/sim_store.h"

namespace ims::logic {
namespace {

// A worker as DESIGN.md section 5 has it: batch s says "head is s" and holds row s; at most
// `window` in flight; on a failure it drops what is pending and goes on from the durable head.
struct ModelWorker {
  WorkerIndex index;
  std::uint32_t epoch = 0;
  std::uint64_t durable = 0;  // acknowledged
  std::uint64_t next = 1;
  std::size_t in_flight = 0;
  std::deque<CommitBatch> pool;
  bool saw_failure = false;

  std::string key(std::uint64_t seq) const {
    return std::to_string(index) + "/" + std::to_string(1000 + seq);
  }
  void submit(CommitPort& port, std::uint32_t messages) {
    CommitBatch& batch = pool.emplace_back();
    batch.worker = index;
    batch.epoch = epoch;
    batch.messages = messages;
    batch.number = next++;
    batch.batch.put(Table::kRows, key(batch.number), "epoch " + std::to_string(epoch));
    batch.batch.put(Table::kMeta, "head" + std::to_string(index), std::to_string(batch.number));
    CommitBatch* view = &batch;
    REQUIRE(port.submitted.try_push(view));
    ++in_flight;
  }
  void drain(CommitPort& port) {
    while (const auto done = port.done.try_pop()) {
      const CommitBatch& batch = **done;
      --in_flight;
      if (batch.epoch < epoch) {
        CHECK(batch.result != StoreStatus::kOk);  // queued behind a failure
        continue;
      }
      if (batch.result == StoreStatus::kOk) {
        CHECK(batch.number == durable + 1);
        durable = batch.number;
      } else {
        saw_failure = true;
        ++epoch;
        next = durable + 1;
      }
    }
  }
};

TEST_CASE("committer: whichever write fails, what was acknowledged is there and nothing else") {
  constexpr std::uint64_t kBatches = 12;
  for (std::uint64_t fail_write = 1; fail_write <= 3 * kBatches; ++fail_write) {
    for (const std::uint32_t messages : {1u, 400u, 1024u}) {
      INFO("fail_write: " << fail_write << " messages: " << messages);
      testing::SimStore store(fail_write);
      store.set_faults({.fail_write = fail_write, .fail_status = StoreStatus::kNoSpace});
      Bench bench(store, 3);
      std::vector<ModelWorker> workers(3);
      for (std::size_t at = 0; at < 3; ++at) workers[at].index = static_cast<WorkerIndex>(at);

      std::int64_t now_ms = 0;
      const auto all_done = [&] {
        return std::all_of(workers.begin(), workers.end(), [&](const ModelWorker& worker) {
          return worker.durable == kBatches;
        });
      };
      for (int turn = 0; turn < 1000 && !all_done(); ++turn) {
        for (std::size_t at = 0; at < 3; ++at) {
          ModelWorker& worker = workers[at];
          worker.drain(*bench.ports[at]);
          for (int count = 0; count <= static_cast<int>(at) && worker.in_flight < 4 &&
                              worker.next <= kBatches;
               ++count) {
            worker.submit(*bench.ports[at], messages);
          }
        }
        bench.run(now_ms += 300);
        bench.run(now_ms += 300);
      }
      REQUIRE(all_done());
      const bool failed =
          std::any_of(workers.begin(), workers.end(),
                      [](const ModelWorker& worker) { return worker.saw_failure; });
      CHECK(failed == (store.failures() == 1));
      CHECK(bench.counters.get(Counter::kCommitFailures) >= store.failures());
      for (ModelWorker& worker : workers) {
        std::string value;
        REQUIRE(store.get(Table::kMeta, "head" + std::to_string(worker.index), &value,
                          ReadTier::kMayBlock) == StoreStatus::kOk);
        CHECK(value == std::to_string(kBatches));
        for (std::uint64_t seq = 1; seq <= kBatches; ++seq) {
          CHECK(store.get(Table::kRows, worker.key(seq), &value, ReadTier::kMayBlock) ==
                StoreStatus::kOk);
        }
      }
    }
  }
}

TEST_CASE("committer: batches behind a failure fail unwritten until the next epoch, per worker") {
  RecordingStore store;
  Bench bench(store, 2);
  CommitBatch& first = bench.submit(0, 1000);
  CommitBatch& held = bench.submit(0, 1000);
  CommitBatch& behind = bench.submit(0);
  store.next = StoreStatus::kNoSpace;
  REQUIRE(bench.run());
  store.next = StoreStatus::kOk;
  CommitBatch& other = bench.submit(1, 1, 0);  // not in the failed write
  CommitBatch& late = bench.submit(0, 1, 0);
  REQUIRE(bench.run());
  CommitBatch& fresh = bench.submit(0, 1, 1);
  CommitBatch& after = bench.submit(0, 1, 1);
  while (bench.run()) {
  }
  CHECK(bench.take_done(0) ==
        std::vector<CommitBatch*>{&first, &held, &behind, &late, &fresh, &after});
  for (const CommitBatch* batch : {&first, &held, &behind, &late}) {
    CHECK(batch->result == StoreStatus::kNoSpace);
    CHECK_FALSE(has(store, *batch));
  }
  for (const CommitBatch* batch : {&other, &fresh, &after}) {
    CHECK(batch->result == StoreStatus::kOk);
    CHECK(has(store, *batch));
  }
  CHECK(store.writes.size() == 3);
  CHECK(bench.counters.get(Counter::kStoreFailureEpoch) == 1);
}

TEST_CASE("committer: kIoError is for ever: every batch fails, nothing is written") {
  RecordingStore store;
  Bench bench(store, 2);
  bench.submit(0);
  store.next = StoreStatus::kIoError;
  REQUIRE(bench.run());
  CHECK(bench.committer->failed());
  store.next = StoreStatus::kOk;
  bench.submit(0, 1, 7);
  bench.submit(1);
  while (bench.run(10'000)) {
  }
  for (const CommitBatch& batch : bench.batches) {
    CHECK(batch.result == StoreStatus::kIoError);
    CHECK_FALSE(has(store, batch));
  }
  CHECK(store.writes.size() == 1);
  CHECK(store.syncs == 0);
  CHECK(bench.committer->finish() == StoreStatus::kIoError);
}

}  // namespace
}  // namespace ims::logic
