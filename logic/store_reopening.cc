// Opening again; letting readers through (store_reopening.h).
#include "logic/store_reopening.h"

#include <chrono>
#include <thread>

#include "shared/clock.h"
#include "shared/counters.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr std::chrono::milliseconds kGateWait{1000};  // for readers to leave
constexpr std::chrono::milliseconds kReaderPause{1};

}  // namespace

// In the store while it exists; not in where the gate is closed and the reader may not wait.
class ReopeningStore::Visit {
 public:
  Visit(ReopeningStore& store, ReadTier tier) : gate_(store.gate_) {
    while (!(is_in_ = gate_.enter())) {
      refused_ = store.broken_.load(std::memory_order_acquire) ? StoreStatus::kIoError
                                                               : StoreStatus::kIncomplete;
      if (refused_ == StoreStatus::kIoError || tier == ReadTier::kCacheOnly) return;
      std::this_thread::sleep_for(kReaderPause);
    }
  }
  ~Visit() {
    if (is_in_) gate_.leave();
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  bool is_in() const noexcept { return is_in_; }
  StoreStatus refused() const noexcept { return refused_; }

 private:
  StoreGate& gate_;
  bool is_in_ = false;
  StoreStatus refused_ = StoreStatus::kIncomplete;
};

ReopeningStore::ReopeningStore(const std::string& directory, const StoreOptions& options)
    : directory_(directory),
      options_(options),
      store_(std::make_unique<SegmentStore>(directory, options)),
      lost_commits_(store_->lost_commits()) {
  options_.accept_loss = false;  // what is lost from now on is a defect
}

// ---- the committer ----

StoreStatus ReopeningStore::write(const StoreBatch* const* batches, std::size_t count, bool sync) {
  return store_ ? store_->write(batches, count, sync) : StoreStatus::kIoError;
}

StoreStatus ReopeningStore::sync() {
  if (!store_) return StoreStatus::kIoError;
  if (store_->is_stuck()) return reopen();
  return store_->sync();
}

StoreStatus ReopeningStore::reopen() {
  if (!store_->has_room_to_open()) return StoreStatus::kNoSpace;
  const std::int64_t began_ms = read_clock().mono_ms;
  gate_.close();
  if (!gate_.wait_empty(kGateWait)) {
    gate_.open();
    return StoreStatus::kNoSpace;
  }
  const std::uint64_t commits = store_->commits();
  try {
    store_.reset();
    store_ = std::make_unique<SegmentStore>(directory_, options_, commits);
  } catch (const StoreError& error) {
    IMS_LOG(kError, "store_reopen_failed",
            {{"error", error.what()}, {"effect", "recovery at the next start"}});
    broken_.store(true, std::memory_order_release);  // pairs with the acquire in Visit
    return StoreStatus::kIoError;
  }
  gate_.open();
  ++reopenings_;
  IMS_LOG(kWarn, "store_reopened",
          {{"commits", commits}, {"took_ms", read_clock().mono_ms - began_ms}});
  return StoreStatus::kOk;
}

StoreStatus ReopeningStore::compact() {
  return store_ ? store_->compact() : StoreStatus::kIoError;
}

void ReopeningStore::report(CounterBlock& counters) const {
  counters.set(Counter::kStoreReopened, reopenings_);
  if (store_) store_->report(counters);
}

// ---- any thread ----

bool ReopeningStore::has_space() {
  const Visit visit(*this, ReadTier::kCacheOnly);
  return visit.is_in() && store_->has_space();
}

StoreStatus ReopeningStore::get(Table table, std::string_view key, std::string* value,
                                ReadTier tier) {
  const Visit visit(*this, tier);
  return visit.is_in() ? store_->get(table, key, value, tier) : visit.refused();
}

StoreStatus ReopeningStore::scan(Table table, std::string_view from, std::string_view to,
                                 bool reverse, ReadTier tier, RowVisitor& visitor) {
  const Visit visit(*this, tier);
  return visit.is_in() ? store_->scan(table, from, to, reverse, tier, visitor) : visit.refused();
}

StoreStatus ReopeningStore::checkpoint(const std::string& directory) {
  const Visit visit(*this, ReadTier::kCacheOnly);
  if (!visit.is_in()) return StoreStatus::kNoSpace;
  return store_->checkpoint(directory);
}

}  // namespace ims::logic
