// A committer over some ports and a store that remembers, for the committer's tests.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "logic/committer.h"
#include "logic/store_memory.h"

namespace ims::logic {

// Memory that remembers what it was asked.
class RecordingStore final : public Store {
 public:
  StoreStatus write(const StoreBatch* const* batches, std::size_t count, bool sync) override {
    writes.emplace_back(batches, batches + count);
    synced_writes += sync ? 1 : 0;
    if (next != StoreStatus::kOk) return next;
    return rows.write(batches, count, sync);
  }
  StoreStatus sync() override {
    ++syncs;
    return next_sync;
  }
  StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) override {
    return rows.get(table, key, value, tier);
  }
  StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                   ReadTier tier, RowVisitor& visitor) override {
    return rows.scan(table, from, to, reverse, tier, visitor);
  }
  bool has_space() override { return space; }

  MemoryStore rows;
  std::vector<std::vector<const StoreBatch*>> writes;
  int synced_writes = 0;
  int syncs = 0;
  StoreStatus next = StoreStatus::kOk;
  StoreStatus next_sync = StoreStatus::kOk;
  bool space = true;
};

// A committer over some ports, and batches that live as long.
struct Bench {
  explicit Bench(Store& store, std::size_t workers, Durability durability = Durability::kSync,
                 std::int64_t interval_ms = 100, RetentionClock* clock = nullptr) {
    for (std::size_t at = 0; at < workers; ++at) {
      ports.push_back(std::make_unique<CommitPort>(64));
      views.push_back(ports.back().get());
    }
    committer = std::make_unique<Committer>(store, views, durability, interval_ms, counters, clock);
  }

  CommitBatch& submit(WorkerIndex worker, std::uint32_t messages = 1, std::uint32_t epoch = 0,
                      std::size_t value_bytes = 1) {
    CommitBatch& batch = batches.emplace_back();
    batch.worker = worker;
    batch.messages = messages;
    batch.epoch = epoch;
    batch.number = batches.size();
    batch.batch.put(Table::kRows, std::to_string(batch.number), std::string(value_bytes, 'v'));
    CommitBatch* view = &batch;
    REQUIRE(ports[worker]->submitted.try_push(view));
    return batch;
  }

  std::vector<CommitBatch*> take_done(WorkerIndex worker) {
    std::vector<CommitBatch*> done;
    while (const auto batch = ports[worker]->done.try_pop()) done.push_back(*batch);
    return done;
  }

  bool run(std::int64_t mono_ms = 0, std::int64_t wall_ms = 0) {
    return committer->run_once({mono_ms, wall_ms, 0});
  }

  CounterBlock counters;
  std::deque<CommitBatch> batches;
  std::vector<std::unique_ptr<CommitPort>> ports;
  std::vector<CommitPort*> views;
  std::unique_ptr<Committer> committer;
};

inline bool has(Store& store, const CommitBatch& batch) {
  std::string value;
  return store.get(Table::kRows, std::to_string(batch.number), &value, ReadTier::kMayBlock) ==
         StoreStatus::kOk;
}

}  // namespace ims::logic
