// The one writer of the store: gathers the workers' batches into one atomic write, waits until it
// is durable, and hands every batch back with its result.
//
//   worker w                          committer
//     fill a CommitBatch
//     submitted.try_push  --------->  take from all ports in turn, one batch each, until full
//                                     Store::write(sync)         the next batches queue meanwhile
//     done.try_pop        <---------  result, in the order of submission
//
// Ownership  A CommitBatch belongs to its worker's pool. It is the committer's from submitted to
//            done.
// Threads    run_once() on one thread; each port has one worker at its other end. failed() from
//            any.
// Limits     One write holds at most kBatchMessagesMax messages and kBatchBytesMax bytes; a batch
//            that is larger by itself is written alone. `done` has room for every batch in flight.
// Fairness   Ports are served round-robin, one batch each; a batch that did not fit comes first in
//            the next write.
// Timers     Each second: the retention clock, the store's space, and after kNoSpace a
//            Store::sync(), by which the store recovers. With kInterval a sync each interval.
// Errors     A failed write fails all batches in it. Batches that the worker queued behind it build
//            on what was lost, so they are failed without being written: all of that worker whose
//            epoch is at most the failed one, until it submits the next epoch. kIoError is for
//            ever.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "logic/store.h"
#include "shared/clock.h"
#include "shared/codes.h"
#include "shared/counters.h"
#include "shared/ids.h"
#include "shared/spsc_ring.h"
#include "shared/wakeup.h"

namespace ims::logic {

class RetentionClock;

// What a worker wants durable as one unit. The committer writes `result` only.
struct CommitBatch {
  StoreBatch batch;
  std::uint32_t epoch = 0;     // the worker's failure epoch; +1 after each failure that it saw
  std::uint32_t messages = 0;  // what counts against kBatchMessagesMax
  WorkerIndex worker = 0;
  StoreStatus result{};      // kOk, kNoSpace, kIoError
  std::uint64_t number = 0;  // the worker's own
};

// One per worker.
struct CommitPort {
  // `capacity`: a power of two, at least the batches that the worker may have in flight.
  explicit CommitPort(std::size_t capacity) : submitted(capacity), done(capacity) {}

  SpscRing<CommitBatch*> submitted;  // worker -> committer
  SpscRing<CommitBatch*> done;       // committer -> worker
};

class Committer {
 public:
  // `ports` by worker; they outlive the committer. `interval_ms` matters for kInterval alone.
  // `clock`, where not null, is moved on and stored by this thread.
  Committer(Store& store, std::span<CommitPort* const> ports, Durability durability,
            std::int64_t interval_ms, CounterBlock& counters, RetentionClock* clock = nullptr);

  // One write at most, and the periodic work that is due. True when it took a batch.
  bool run_once(Now now);

  // Makes what was written durable; before the thread ends. kOk where there was nothing to do.
  StoreStatus finish();

  // Calls visit(worker) for every port that got results since the last call: whom to wake.
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

  // When run_once() wants to be called although no batch came (mono_ms).
  std::int64_t next_deadline_ms() const noexcept;

  // True for ever from the first kIoError on: the process ends with exit code 75.
  bool failed() const noexcept;

 private:
  // What the committer knows of one port.
  struct Lane {
    CommitPort* port = nullptr;
    CommitBatch* held = nullptr;  // taken from the ring, did not fit into the last write
    // The failed epoch, and what its followers are told, exactly while batches of it may come.
    std::optional<std::uint32_t> failed_epoch;
    StoreStatus failed_status = StoreStatus::kOk;
    bool answered = false;
  };

  CommitBatch* next_batch(Lane& lane);
  bool answer_doomed(Lane& lane, CommitBatch& batch);
  bool gather();
  void write_gathered();
  StoreStatus write_views();
  void answer(CommitBatch& batch, StoreStatus result);
  void run_timers(Now now);
  void store_clock();
  void enter_failed();

  Store& store_;
  CounterBlock& counters_;
  const Durability durability_;
  const std::int64_t interval_ms_;
  RetentionClock* const clock_;

  std::vector<Lane> lanes_;  // by worker
  std::size_t next_lane_ = 0;

  // The write that is being gathered.
  std::vector<CommitBatch*> taken_;
  std::vector<const StoreBatch*> views_;
  std::uint32_t messages_ = 0;
  std::size_t bytes_ = 0;

  StoreBatch clock_batch_;
  bool unsynced_ = false;    // something was written without sync since the last one
  bool recovering_ = false;  // the store refused for lack of space and has not resumed
  std::int64_t sync_due_ms_ = 0;
  std::int64_t second_due_ms_ = 0;
  std::atomic<bool> failed_{false};  // the only member that other threads read
};

// The committer thread's life: run, wake whom it answered, sleep. Returns once `stop` was set (then
// notify `own`) and every queued batch is answered; what was written is durable then, unless
// failed(). `workers` by worker, null for one that shares this thread or polls; `supervisor`, where
// not null, is notified once when the committer fails.
void run_committer(Committer& committer, Wakeup& own, std::span<Wakeup* const> workers,
                   Wakeup* supervisor, const std::atomic<bool>& stop);

}  // namespace ims::logic
