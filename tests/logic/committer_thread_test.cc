// The committer's thread, with workers on theirs. Built for tsan too.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "logic/committer.h"
#include "logic/store_memory.h"
#include "tests/support/committer_bench.h"

namespace ims::logic {
namespace {

TEST_CASE("committer: its thread answers all workers in order and ends when told") {
  constexpr int kWorkers = 2;
  constexpr std::uint64_t kBatches = 3000;
  MemoryStore store;
  Bench bench(store, kWorkers);
  Wakeup own(Wakeup::Kind::kFutex);
  std::vector<std::unique_ptr<Wakeup>> wakeups;
  std::vector<Wakeup*> wakeup_views;
  for (int at = 0; at < kWorkers; ++at) {
    wakeups.push_back(std::make_unique<Wakeup>(Wakeup::Kind::kFutex));
    wakeup_views.push_back(wakeups.back().get());
  }
  std::atomic<bool> stop{false};
  std::thread committer(
      [&] { run_committer(*bench.committer, own, wakeup_views, nullptr, stop); });

  std::vector<std::thread> workers;
  std::vector<std::uint64_t> acknowledged(kWorkers, 0);
  std::vector<int> order_errors(kWorkers, 0);
  for (int index = 0; index < kWorkers; ++index) {
    workers.emplace_back([&, index] {
      CommitPort& port = *bench.ports[static_cast<std::size_t>(index)];
      Wakeup& wakeup = *wakeups[static_cast<std::size_t>(index)];
      std::vector<CommitBatch> pool(32);
      std::vector<CommitBatch*> free;
      for (CommitBatch& batch : pool) free.push_back(&batch);
      std::uint64_t next = 1;
      std::uint64_t& done = acknowledged[static_cast<std::size_t>(index)];
      while (done < kBatches) {
        bool pushed = false;
        while (!free.empty() && next <= kBatches) {
          CommitBatch* batch = free.back();
          free.pop_back();
          batch->worker = static_cast<WorkerIndex>(index);
          batch->messages = 1;
          batch->number = next++;
          batch->batch.clear();
          batch->batch.put(Table::kMeta, "head" + std::to_string(index),
                           std::to_string(batch->number));
          if (!port.submitted.try_push(batch)) std::abort();
          pushed = true;
        }
        if (pushed) own.notify();
        bool took = false;
        while (const auto batch = port.done.try_pop()) {
          took = true;
          const bool in_order = (*batch)->number == done + 1;
          std::string value;
          const bool visible = store.get(Table::kMeta, "head" + std::to_string(index), &value,
                                         ReadTier::kCacheOnly) == StoreStatus::kOk &&
                               std::stoull(value) >= (*batch)->number;
          if (!in_order || !visible || (*batch)->result != StoreStatus::kOk) {
            ++order_errors[static_cast<std::size_t>(index)];
          }
          ++done;
          free.push_back(*batch);
        }
        if (took) continue;
        wakeup.prepare_sleep();
        if (port.done.empty()) {
          wakeup.sleep(1000);
        } else {
          wakeup.cancel_sleep();
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  stop.store(true);
  own.notify();
  committer.join();
  for (int index = 0; index < kWorkers; ++index) {
    CHECK(acknowledged[static_cast<std::size_t>(index)] == kBatches);
    CHECK(order_errors[static_cast<std::size_t>(index)] == 0);
  }
}

TEST_CASE("committer: its thread tells the supervisor once that the store failed") {
  RecordingStore store;
  store.next = StoreStatus::kIoError;
  Bench bench(store, 1);
  bench.submit(0);
  Wakeup own(Wakeup::Kind::kFutex);
  Wakeup supervisor(Wakeup::Kind::kFutex);
  supervisor.prepare_sleep();
  Wakeup* const none[] = {nullptr};
  std::atomic<bool> stop{false};
  std::thread committer(
      [&] { run_committer(*bench.committer, own, none, &supervisor, stop); });
  supervisor.sleep(5000);
  CHECK(bench.committer->failed());
  stop.store(true);
  own.notify();
  committer.join();
  CHECK(bench.take_done(0).size() == 1);
}

}  // namespace
}  // namespace ims::logic
