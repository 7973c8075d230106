// Coming back from a full disk, memory, upkeep (store_segments.h).
#include <rocksdb/db.h>

#include <algorithm>

#include "logic/retention_clock.h"
#include "logic/rocks_listener.h"
#include "logic/rocks_open.h"
#include "logic/rocks_options.h"
#include "logic/store_segments.h"
#include "shared/counters.h"
#include "shared/limits.h"
#include "shared/log.h"

namespace ims::logic {

StoreStatus SegmentStore::sync() {
  if (listener_->broken()) return StoreStatus::kIoError;
  if (listener_->full() || full_.load(std::memory_order_relaxed)) {
    if (const StoreStatus resumed = resume(); resumed != StoreStatus::kOk) return resumed;
  }
  if (log_.sync() != StoreStatus::kOk) return fail(StoreStatus::kIoError);
  note_durable();
  return StoreStatus::kOk;
}

StoreStatus SegmentStore::resume() {
  if (listener_->full()) return StoreStatus::kNoSpace;
  if (full_.load(std::memory_order_relaxed)) {
    if (space_.refresh() < reserve_bytes_) return StoreStatus::kNoSpace;
    sealer_->retry();
    const StoreStatus rotated = rotate(0);
    if (rotated != StoreStatus::kOk)
      return rotated == StoreStatus::kNoSpace ? rotated : fail(rotated);
    full_.store(false, std::memory_order_relaxed);
  }
  IMS_LOG(kWarn, "store_resumed", {{"free_bytes", space_.refresh()}});
  ballast_.keep(space_, reserve_bytes_);
  return StoreStatus::kOk;
}

bool SegmentStore::has_space() {
  return !listener_->full() && !listener_->broken() && !full_.load(std::memory_order_relaxed) &&
         space_.free_bytes() >= reserve_bytes_;
}

// ---- memory ----

std::uint64_t SegmentStore::index_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const auto& segment : views_.segments()) bytes += segment->memory_bytes();
  return bytes;
}

void SegmentStore::note_memory() {
  const std::uint64_t bytes = (index_bytes() + kMiB - 1) / kMiB * kMiB;
  if (bytes == reserved_bytes_) return;
  reserved_bytes_ = bytes;
  options_->reserve(bytes);
}

// ---- upkeep ----

// Is the active segment to be sealed before it is full?
bool SegmentStore::is_due() const noexcept {
  if (index_->memory_bytes() > index_bytes_max_) return true;
  return seal_after_ms_ > 0 && clock_->now_ms() - opened_ms_ > seal_after_ms_;
}

void SegmentStore::report(CounterBlock& counters) const {
  counters.set(Counter::kSegmentFiles, sealer_->files() + views_.segments().size());
  counters.set(Counter::kSegmentBytes, sealer_->bytes() + log_.end());
  counters.set(Counter::kSegmentsUnsealed, views_.segments().size());
  counters.set(Counter::kSegmentIndexBytes, index_bytes());
  counters.set(Counter::kSegmentWaits, waits_);
}

StoreStatus SegmentStore::compact() {
  StoreStatus status = seal();
  if (status == StoreStatus::kOk) status = wait_sealed();
  if (status != StoreStatus::kOk) return status;
  return compact_rocks(*database_, tables_.tables);
}

}  // namespace ims::logic
