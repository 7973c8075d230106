// Gathering, writing, answering (committer.h).
#include "logic/committer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "logic/retention_clock.h"
#include "shared/assert.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "shared/probes.h"

namespace ims::logic {
namespace {

constexpr std::int64_t kSecondMs = 1000;

}  // namespace

Committer::Committer(Store& store, std::span<CommitPort* const> ports, Durability durability,
                     std::int64_t interval_ms, CounterBlock& counters, RetentionClock* clock)
    : store_(store),
      counters_(counters),
      durability_(durability),
      interval_ms_(interval_ms),
      clock_(clock) {
  IMS_ASSERT(!ports.empty());
  IMS_ASSERT(durability != Durability::kInterval || interval_ms > 0);
  for (CommitPort* port : ports) {
    Lane lane;
    lane.port = port;
    lanes_.push_back(lane);
  }
}

bool Committer::run_once(Now now) {
  const bool took = gather();
  if (!taken_.empty()) write_gathered();
  run_timers(now);
  return took;
}

// ---- gathering ----

CommitBatch* Committer::next_batch(Lane& lane) {
  if (lane.held != nullptr) return std::exchange(lane.held, nullptr);
  const auto popped = lane.port->submitted.try_pop();
  return popped ? *popped : nullptr;
}

// Answers a batch that must not be written: it builds on one that failed, or the store is lost.
bool Committer::answer_doomed(Lane& lane, CommitBatch& batch) {
  if (failed()) {
    answer(batch, StoreStatus::kIoError);
    return true;
  }
  if (!lane.failed_epoch) return false;
  if (batch.epoch <= *lane.failed_epoch) {
    answer(batch, lane.failed_status);
    return true;
  }
  lane.failed_epoch.reset();
  return false;
}

// Takes one batch of each port per round until nothing is queued or the write is full. True when it
// took any, also one that was answered at once.
bool Committer::gather() {
  bool took = false;
  bool full = false;
  // What is already queued bounds the work: doomed batches do not fill a write.
  for (bool again = true; again && !full;) {
    again = false;
    for (std::size_t count = 0; count < lanes_.size() && !full; ++count) {
      Lane& lane = lanes_[next_lane_];
      if (CommitBatch* batch = next_batch(lane); batch != nullptr) {
        const std::size_t bytes = batch->batch.size_bytes();
        if (answer_doomed(lane, *batch)) {
          took = true;
        } else if (!taken_.empty() && (messages_ + batch->messages > kBatchMessagesMax ||
                                       bytes_ + bytes > kBatchBytesMax)) {
          lane.held = batch;  // first in the next write: next_lane_ stays here
          full = true;
          break;
        } else {
          taken_.push_back(batch);
          messages_ += batch->messages;
          bytes_ += bytes;
          took = true;
          again = true;
        }
      }
      next_lane_ = (next_lane_ + 1) % lanes_.size();
    }
  }
  return took;
}

// ---- writing ----

StoreStatus Committer::write_views() {
  const bool sync = durability_ == Durability::kSync;
  const StoreStatus status = store_.write(views_.data(), views_.size(), sync);
  if (status == StoreStatus::kOk) {
    unsynced_ = unsynced_ || !sync;
    return status;
  }
  counters_.add(Counter::kCommitFailures);
  if (status == StoreStatus::kNoSpace) {
    recovering_ = true;
    return status;
  }
  enter_failed();
  return StoreStatus::kIoError;
}

void Committer::write_gathered() {
  views_.clear();
  for (const CommitBatch* batch : taken_) views_.push_back(&batch->batch);

  const std::uint64_t begin_ns = read_clock().ticks;
  IMS_PROBE(commit_begin, messages_, bytes_);
  const StoreStatus status = write_views();
  const std::uint64_t took_ns = read_clock().ticks - begin_ns;
  counters_.add(Counter::kCommitNs, took_ns);
  IMS_PROBE(commit_end, messages_, bytes_, took_ns);

  if (status == StoreStatus::kOk) {
    counters_.add(Counter::kCommits);
    counters_.add(Counter::kBatchMessages, messages_);
    counters_.add(Counter::kBatchBytes, bytes_);
  } else {
    std::uint32_t epoch_max = 0;
    for (const CommitBatch* batch : taken_) {
      Lane& lane = lanes_[batch->worker];
      lane.failed_epoch = std::max(lane.failed_epoch.value_or(0), batch->epoch);
      lane.failed_status = status;
      epoch_max = std::max(epoch_max, batch->epoch);
    }
    counters_.set(Counter::kStoreFailureEpoch, epoch_max + 1);
  }
  for (CommitBatch* batch : taken_) answer(*batch, status);
  taken_.clear();
  messages_ = 0;
  bytes_ = 0;
}

void Committer::answer(CommitBatch& batch, StoreStatus result) {
  IMS_ASSERT(batch.worker < lanes_.size());
  batch.result = result;
  Lane& lane = lanes_[batch.worker];
  const bool pushed = lane.port->done.try_push(&batch);
  IMS_ASSERT(pushed);  // capacity covers what is in flight
  lane.answered = true;
}

// ---- time ----

void Committer::run_timers(Now now) {
  if (failed()) return;
  if (durability_ == Durability::kInterval && unsynced_ && now.mono_ms >= sync_due_ms_) {
    sync_due_ms_ = now.mono_ms + interval_ms_;
    finish();
  }
  if (now.mono_ms < second_due_ms_) return;
  second_due_ms_ = now.mono_ms + kSecondMs;

  if (recovering_) {
    const StoreStatus status = store_.sync();
    if (status == StoreStatus::kOk) {
      recovering_ = false;
    } else if (status != StoreStatus::kNoSpace) {
      enter_failed();
      return;
    }
  }
  counters_.set(Counter::kStoreReadOnly, recovering_ || !store_.has_space() ? 1 : 0);
  store_.report(counters_);
  if (clock_ != nullptr) {
    clock_->advance(now.wall_ms);
    if (clock_->due() && !recovering_) store_clock();
  }
}

void Committer::store_clock() {
  clock_batch_.clear();
  clock_->append_to(clock_batch_);
  views_.assign(1, &clock_batch_);
  if (write_views() == StoreStatus::kOk) clock_->on_stored();
}

StoreStatus Committer::finish() {
  if (failed()) return StoreStatus::kIoError;
  if (!unsynced_) return StoreStatus::kOk;
  const StoreStatus status = store_.sync();
  if (status == StoreStatus::kOk) {
    unsynced_ = false;
  } else if (status == StoreStatus::kNoSpace) {
    recovering_ = true;  // the store still holds what it acknowledged, and makes it durable later
  } else {
    enter_failed();
  }
  return status;
}

bool Committer::idle() const noexcept {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return lane.held == nullptr && lane.port->submitted.empty();
  });
}

std::int64_t Committer::next_deadline_ms() const noexcept {
  if (failed()) return std::numeric_limits<std::int64_t>::max();
  if (durability_ != Durability::kInterval || !unsynced_) return second_due_ms_;
  return std::min(second_due_ms_, sync_due_ms_);
}

bool Committer::failed() const noexcept {
  // relaxed: it is never unset, and what led to it is in the log.
  return failed_.load(std::memory_order_relaxed);
}

void Committer::enter_failed() {
  IMS_LOG(kError, "store_failed", {{"effect", "nothing is acknowledged any more; exit 75"}});
  failed_.store(true, std::memory_order_relaxed);
}

// ---- the thread ----

void run_committer(Committer& committer, Wakeup& own, std::span<Wakeup* const> workers,
                   Wakeup* supervisor, const std::atomic<bool>& stop) {
  const auto wake = [&](WorkerIndex worker) {
    if (workers[worker] != nullptr) workers[worker]->notify();
  };
  for (bool told = false;;) {
    const bool worked = committer.run_once(read_clock());
    committer.take_answered(wake);
    if (committer.failed() && !told) {
      told = true;
      if (supervisor != nullptr) supervisor->notify();
    }
    if (worked) continue;
    // acquire: what was queued before `stop` was set is seen by the idle() that follows.
    if (stop.load(std::memory_order_acquire) && committer.idle()) break;
    own.prepare_sleep();
    if (!committer.idle() || stop.load(std::memory_order_acquire)) {
      own.cancel_sleep();
      continue;
    }
    const std::int64_t wait_ms = committer.next_deadline_ms() - read_clock().mono_ms;
    own.sleep(static_cast<int>(std::clamp<std::int64_t>(wait_ms, 0, kSecondMs)));
  }
  committer.finish();
}

}  // namespace ims::logic
