// Every engine of the store behind one interface, and the words that tests of the contract use.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "logic/store_memory.h"
#include "logic/store_reopening.h"
#include "logic/store_rocks.h"
#include "logic/store_segments.h"
#include "tests/support/sim_store.h"
#include "tests/support/temp_dir.h"

namespace ims::testing {

using logic::MemoryStore;
using logic::ReadTier;
using logic::ReopeningStore;
using logic::RocksStore;
using logic::RowVisitor;
using logic::SegmentStore;
using logic::Store;
using logic::StoreBatch;
using logic::StoreOptions;
using logic::StoreStatus;
using logic::Table;

using Pairs = std::vector<std::pair<std::string, std::string>>;

class Collector final : public RowVisitor {
 public:
  explicit Collector(std::size_t rows_max = SIZE_MAX) : rows_max_(rows_max) {}
  bool on_row(std::string_view key, std::string_view value) override {
    rows.emplace_back(key, value);
    return rows.size() < rows_max_;
  }
  Pairs rows;

 private:
  std::size_t rows_max_;
};

inline StoreOptions small_options() {
  StoreOptions options;
  options.block_cache_bytes = 8 * kMiB;
  options.write_buffer_bytes = 4 * kMiB;
  options.store_reserve_bytes = 0;
  options.ballast_bytes = 0;
  options.segment_bytes = 256 * kKiB;  // some cases fill several
  return options;
}

struct Engine {
  virtual ~Engine() = default;
  virtual const char* name() const = 0;
  virtual Store& store() = 0;
  virtual void reopen() = 0;  // what was synced is there afterwards; nothing to do in memory
};

struct MemoryEngine final : Engine {
  const char* name() const override { return "memory"; }
  Store& store() override { return engine; }
  void reopen() override {}
  MemoryStore engine;
};

struct SimEngine final : Engine {
  const char* name() const override { return "sim"; }
  Store& store() override { return engine; }
  void reopen() override { engine.crash(); }
  SimStore engine{1};
};

struct RocksEngine final : Engine {
  RocksEngine() { open(); }
  const char* name() const override { return "rocks"; }
  Store& store() override { return *engine; }
  void reopen() override {
    engine.reset();
    open();
  }
  void open() { engine = std::make_unique<RocksStore>(directory.path(), small_options()); }
  TempDir directory;
  std::unique_ptr<RocksStore> engine;
};

struct SegmentEngine final : Engine {
  SegmentEngine() { open(); }
  const char* name() const override { return "segments"; }
  Store& store() override { return *engine; }
  void reopen() override {
    engine.reset();
    open();
  }
  void open() { engine = std::make_unique<SegmentStore>(directory.path(), small_options()); }
  TempDir directory;
  std::unique_ptr<SegmentStore> engine;
};

// As imsd has it: reads go through the gate.
struct ReopeningEngine final : Engine {
  ReopeningEngine() { open(); }
  const char* name() const override { return "segments, reopening"; }
  Store& store() override { return *engine; }
  void reopen() override {
    engine.reset();
    open();
  }
  void open() { engine = std::make_unique<ReopeningStore>(directory.path(), small_options()); }
  TempDir directory;
  std::unique_ptr<ReopeningStore> engine;
};

// Runs `body(engine)` on a fresh store of each engine.
template <typename Body>
void on_each_engine(Body&& body) {
  const auto run = [&](Engine& engine) {
    INFO("engine: " << engine.name());
    body(engine);
  };
  MemoryEngine memory;
  run(memory);
  SimEngine sim;
  run(sim);
  RocksEngine rocks;
  run(rocks);
  SegmentEngine segments;
  run(segments);
  ReopeningEngine reopening;
  run(reopening);
}

inline StoreStatus write_one(Store& store, const StoreBatch& batch, bool sync = true) {
  const StoreBatch* const batches[] = {&batch};
  return store.write(batches, 1, sync);
}

inline StoreStatus put(Store& store, Table table, std::string_view key, std::string_view value) {
  StoreBatch batch;
  batch.put(table, key, value);
  return write_one(store, batch);
}

inline std::string get(Store& store, Table table, std::string_view key) {
  std::string value = "stale";
  const StoreStatus status = store.get(table, key, &value, ReadTier::kMayBlock);
  if (status == StoreStatus::kNotFound) return "(none)";
  CHECK(status == StoreStatus::kOk);
  return value;
}

inline Pairs scan(Store& store, std::string_view from, std::string_view to, bool reverse,
                  std::size_t rows_max = SIZE_MAX) {
  Collector collector(rows_max);
  CHECK(store.scan(Table::kRows, from, to, reverse, ReadTier::kMayBlock, collector) ==
        StoreStatus::kOk);
  return collector.rows;
}

}  // namespace ims::testing
