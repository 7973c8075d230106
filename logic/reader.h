// Reads that may wait for a disk, on their own thread: what a worker did not find in memory
// (kIncomplete) comes here as a job and goes back with the answer.
//
//   worker w                       reader
//     fill a ReadJob
//     submitted.try_push  ------>  one job of each port in turn: gets, then the scan
//     done.try_pop        <------  values, rows, status
//
// Ownership  A ReadJob belongs to its worker's pool. It is the reader's from submitted to done.
// Threads    run_once() on one thread; each port has one worker at its other end.
// Limits     A scan ends at rows_max rows, or with the row that reaches bytes_max. `done` has room
//            for every job in flight.
// Errors     By status, in each get and in the scan; kIncomplete never comes back.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "logic/store.h"
#include "shared/counters.h"
#include "shared/ids.h"
#include "shared/spsc_ring.h"
#include "shared/wakeup.h"

namespace ims::logic {

struct ReadJob {
  struct Get {
    Table table = Table::kMeta;
    std::string key;
    std::string value;
    StoreStatus status{};  // kOk, kNotFound, kIoError, kCorrupt
  };

  // ---- the question ----
  std::uint64_t ticket = 0;  // the worker's own
  WorkerIndex worker = 0;
  std::vector<Get> gets;
  bool has_scan = false;
  Table scan_table = Table::kRows;
  std::string scan_from;  // [from, to), as Store::scan
  std::string scan_to;
  bool scan_reverse = false;
  std::uint32_t rows_max = 0;
  std::size_t bytes_max = 0;  // keys and values; at least one row comes however large it is

  // Where set, it runs instead of gets and scan: a read in several steps (logic/load.h). It may
  // come back with kIncomplete only where `tier` is kCacheOnly.
  StoreStatus (*program)(Store& store, ReadJob& job, ReadTier tier) = nullptr;

  // ---- the answer ----
  std::string rows;     // | key bytes u32 | value bytes u32 | key | value | ...
  std::uint32_t row_count = 0;
  bool more = false;    // the range holds at least one row beyond the last one in `rows`
  StoreStatus status{};  // the scan's: kOk, kIoError, kCorrupt; kOk where there is no scan

  // Calls visit(key, value) for each row in the scan's order; views into `rows`.
  template <typename Visit>
  void for_each_row(Visit&& visit) const {
    const std::string_view all = rows;
    for (std::size_t at = 0; at < all.size();) {
      std::uint32_t sizes[2];
      std::memcpy(sizes, all.data() + at, sizeof sizes);
      at += sizeof sizes;
      visit(all.substr(at, sizes[0]), all.substr(at + sizes[0], sizes[1]));
      at += sizes[0] + sizes[1];
    }
  }

  // An empty question and answer; keeps the memory of the strings it can.
  void clear() noexcept;
};

// Runs a job's gets and scan. The reader calls it with kMayBlock; a worker may call it with
// kCacheOnly first and submit the same job where it returns kIncomplete (any part of it then is).
StoreStatus run_read(Store& store, ReadJob& job, ReadTier tier);

// One per worker.
struct ReadPort {
  // `capacity`: a power of two, at least the jobs that the worker may have in flight.
  explicit ReadPort(std::size_t capacity) : submitted(capacity), done(capacity) {}

  SpscRing<ReadJob*> submitted;  // worker -> reader
  SpscRing<ReadJob*> done;       // reader -> worker
};

class Reader {
 public:
  // `ports` by worker; they outlive the reader.
  Reader(Store& store, std::span<ReadPort* const> ports, CounterBlock& counters);

  // At most one job of each port. True when there was one.
  bool run_once();

  // Calls visit(worker) for every port that got an answer since the last call: whom to wake.
  template <typename Visit>
  void take_answered(Visit&& visit) {
    for (std::size_t worker = 0; worker < lanes_.size(); ++worker) {
      if (!lanes_[worker].answered) continue;
      lanes_[worker].answered = false;
      visit(static_cast<WorkerIndex>(worker));
    }
  }

  // Nothing is queued (the re-check before a sleep).
  bool idle() const noexcept;

 private:
  struct Lane {
    ReadPort* port = nullptr;
    bool answered = false;
  };

  Store& store_;
  CounterBlock& counters_;
  std::vector<Lane> lanes_;  // by worker
};

// The reader thread's life: run, wake whom it answered, sleep. Returns once `stop` was set (then
// notify `own`) and every queued job is answered. `workers` by worker, null for one that polls.
void run_reader(Reader& reader, Wakeup& own, std::span<Wakeup* const> workers,
                const std::atomic<bool>& stop);

}  // namespace ims::logic
