// The thread, its files and its removals (segment_sealer.h).
#include "logic/segment_sealer.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "logic/segment_format.h"
#include "shared/assert.h"
#include "shared/limits.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr int kIdleMs = 1000;
constexpr int kFullDiskMs = 20;
constexpr std::chrono::microseconds kFileWait{100};
constexpr std::uint64_t kFirstSegmentBytes = 4 * kMiB;
constexpr std::uint64_t kFreeParts = 16;

}  // namespace

SegmentSealer::SegmentSealer(std::string directory, SegmentTables& tables, RocksListener& listener,
                             DiskSpace& space, const StoreOptions& options)
    : directory_(std::move(directory)),
      tables_(tables),
      listener_(listener),
      space_(space),
      io_(options.segment_io != nullptr ? *options.segment_io : SegmentIo::real()),
      clock_(options.clock),
      retention_ms_(options.retention_ms),
      segment_bytes_(options.segment_bytes),
      full_(2 * kUnsealedSegmentsMax),
      growing_bytes_(std::min(segment_bytes_, kFirstSegmentBytes)) {}

SegmentSealer::~SegmentSealer() {
  stop();
  if (next_.load(std::memory_order_acquire) == Next::kReady) remove_segment(made_);
}

void SegmentSealer::add_sealed(const SegmentFacts& facts) {
  facts_.push_back(facts);
  facts_bytes_ += facts.bytes;
  note_facts();
  sealed_.store(facts.number, std::memory_order_release);
}

void SegmentSealer::note_facts() {
  tables_.first_live.store(facts_.front().number, std::memory_order_relaxed);
  files_.store(facts_.size(), std::memory_order_relaxed);
  bytes_.store(facts_bytes_, std::memory_order_relaxed);
}

void SegmentSealer::start() {
  thread_ = std::thread([this] { run(); });
}

void SegmentSealer::stop() {
  if (!thread_.joinable()) return;
  // release: pairs with the acquire in run().
  stop_.store(true, std::memory_order_release);
  wakeup_.notify();
  thread_.join();
  do {
    if (sealing_ != nullptr) close_segment(sealing_->file);
    sealing_ = take_queued();
  } while (sealing_ != nullptr);
}

std::unique_ptr<FullSegment> SegmentSealer::take_queued() {
  const auto queued = full_.try_pop();
  return std::unique_ptr<FullSegment>(queued ? *queued : nullptr);
}

void SegmentSealer::run() {
  while (!stop_.load(std::memory_order_acquire)) {
    bool worked = make_next();
    bool full_disk = listener_.full();
    if (!full_disk && !listener_.broken()) {
      if (sealing_ == nullptr) sealing_ = take_queued();
      if (sealing_ != nullptr) {
        if (seal_now(*sealing_) == StoreStatus::kOk) {
          sealing_.reset();
          queued_.fetch_sub(1, std::memory_order_release);
          worked = true;
        } else {
          full_disk = true;
        }
      }
      if (!full_disk) full_disk = flush_full() != StoreStatus::kOk;
      if (!full_disk) worked = remove_old() || worked;
    }
    if (worked && !full_disk) continue;
    wakeup_.prepare_sleep();
    const bool wanted = next_.load(std::memory_order_acquire) == Next::kWanted;
    const bool queued =
        (sealing_ != nullptr || !full_.empty()) && !full_disk && !listener_.broken();
    if (stop_.load(std::memory_order_acquire) || wanted || queued) {
      wakeup_.cancel_sleep();
    } else {
      wakeup_.sleep(full_disk ? kFullDiskMs : kIdleMs);
    }
  }
}

// ---- files ----

bool SegmentSealer::make_next() {
  if (next_.load(std::memory_order_acquire) != Next::kWanted) return false;
  if (listener_.broken()) {
    next_.store(Next::kBroken, std::memory_order_release);
    return true;
  }
  const StoreStatus status = make_segment(directory_, io_, next_number_++, bytes_to_make(), made_);
  if (status == StoreStatus::kOk) {
    tables_.files->open(made_.number);
    next_bytes_.store(0, std::memory_order_relaxed);
    growing_bytes_ = std::min(2 * growing_bytes_, segment_bytes_);
    // release: pairs with the acquire in take_file(); the file is the committer's.
    next_.store(Next::kReady, std::memory_order_release);
  } else if (status == StoreStatus::kNoSpace) {
    next_.store(Next::kNoSpace, std::memory_order_release);
  } else {
    note(status);
    next_.store(Next::kBroken, std::memory_order_release);
  }
  return true;
}

std::uint64_t SegmentSealer::bytes_to_make() {
  const std::uint64_t sensible = std::max<std::uint64_t>(
      std::min(segment_bytes_, kFirstSegmentBytes / 4), space_.free_bytes() / kFreeParts);
  return std::max(next_bytes_.load(std::memory_order_relaxed), std::min(growing_bytes_, sensible));
}

StoreStatus SegmentSealer::take_file(std::uint64_t bytes, SegmentFile& file) {
  for (;;) {
    // acquire: pairs with the releases in make_next().
    switch (next_.load(std::memory_order_acquire)) {
      case Next::kReady:
        file = std::exchange(made_, SegmentFile());
        if (file.bytes < bytes) {  // made for ordinary writes
          tables_.files->forget(file.number);
          remove_segment(file);
          next_bytes_.store(bytes, std::memory_order_relaxed);
        }
        next_.store(Next::kWanted, std::memory_order_release);
        wakeup_.notify();
        if (file.fd >= 0) return StoreStatus::kOk;
        break;
      case Next::kNoSpace:
        return StoreStatus::kNoSpace;
      case Next::kBroken:
        return StoreStatus::kIoError;
      case Next::kWanted:
        if (!thread_.joinable()) {  // start-up
          make_next();
        } else {
          // It may wait for a flush that never ends.
          if (listener_.broken()) return StoreStatus::kIoError;
          if (listener_.full()) return StoreStatus::kNoSpace;
          wakeup_.notify();
          std::this_thread::sleep_for(kFileWait);
        }
        break;
    }
  }
}

void SegmentSealer::retry() {
  Next expected = Next::kNoSpace;
  next_.compare_exchange_strong(expected, Next::kWanted, std::memory_order_acq_rel);
  wakeup_.notify();
}

void SegmentSealer::seal(FullSegment full) {
  auto queued = std::make_unique<FullSegment>(std::move(full));
  queued_.fetch_add(1, std::memory_order_release);
  const bool pushed = full_.try_push(queued.release());
  IMS_ASSERT(pushed);  // the views have less room
  wakeup_.notify();
}

// ---- retention ----

bool SegmentSealer::remove_old() {
  if (clock_ == nullptr || retention_ms_ <= 0 || clock_->now_ms() == 0) return false;
  if (holds_.load(std::memory_order_seq_cst) != 0) return false;
  const std::int64_t cutoff_ms = clock_->now_ms() - retention_ms_;
  rocksdb::WriteBatch batch;
  std::vector<std::uint32_t> old;
  std::uint64_t old_bytes = 0;
  // The newest stays: it says how many commits there were.
  while (facts_.size() > old.size() + 1 && facts_[old.size()].newest_ms < cutoff_ms) {
    const std::uint32_t number = facts_[old.size()].number;
    batch.Delete(tables_.of(Table::kMeta), segment_facts_key(number)).PermitUncheckedError();
    old.push_back(number);
    old_bytes += facts_[old.size() - 1].bytes;
  }
  if (old.empty()) return false;
  if (write_slice(batch) != StoreStatus::kOk || flush() != StoreStatus::kOk) return false;
  facts_.erase(facts_.begin(), facts_.begin() + static_cast<std::ptrdiff_t>(old.size()));
  facts_bytes_ -= old_bytes;
  note_facts();
  if (holds_.load(std::memory_order_seq_cst) != 0) return true;  // a start removes what is left
  for (const std::uint32_t number : old) {
    tables_.files->forget(number);
    unlink((directory_ + "/" + segment_name(number)).c_str());
  }
  IMS_LOG(kInfo, "segments_removed", {{"count", old.size()}, {"up_to", old.back()}});
  return true;
}

}  // namespace ims::logic
