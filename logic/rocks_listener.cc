// Which errors a store comes back from (rocks_listener.h).
#include "logic/rocks_listener.h"

#include <chrono>
#include <thread>

#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr int kStartWaitMs = 10'000;  // a flush starts once the one before it has ended

// This thread runs flushes: no other flush is scheduled while it reports an error.
thread_local bool runs_flushes = false;

}  // namespace

// Waits until every flush that was asked for has started, or flushing has stopped by an error of its
// own. RocksDB calls us without its mutex and before the error counts.
bool RocksListener::flushes_started() const {
  // acquire: pairs with the release in set_database().
  rocksdb::DB* const database = database_.load(std::memory_order_acquire);
  if (database == nullptr) return true;
  for (int waited_ms = 0; waited_ms < kStartWaitMs; ++waited_ms) {
    std::uint64_t pending = 0;
    for (rocksdb::ColumnFamilyHandle* table : tables_) {
      std::uint64_t of_table = 0;
      database->GetIntProperty(table, rocksdb::DB::Properties::kMemTableFlushPending, &of_table);
      pending += of_table;
    }
    if (pending == 0 || flush_failed_.load(std::memory_order_relaxed)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

bool RocksListener::flush_running() const {
  rocksdb::DB* const database = database_.load(std::memory_order_acquire);
  std::uint64_t running = 0;
  database->GetIntProperty(rocksdb::DB::Properties::kNumRunningFlushes, &running);
  return running > 0;
}

void RocksListener::OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) {
  runs_flushes = true;
}

void RocksListener::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                      rocksdb::Status* error) {
  if (error->IsShutdownInProgress()) return;
  using Reason = rocksdb::BackgroundErrorReason;
  bool stuck = false;
  if (reason == Reason::kFlush || reason == Reason::kFlushNoWAL || runs_flushes) {
    flush_failed_.store(true, std::memory_order_relaxed);
  } else {
    stuck = !flushes_started();
  }
  // A WAL that refused its first record, with empty memtables: a resume would keep it.
  stuck = stuck || (reason == Reason::kWriteCallback && sealed());
  const bool recoverable = error->IsNoSpace() && !stuck &&
                           error->severity() <= rocksdb::Status::Severity::kHardError;
  if (recoverable) {
    set_full();
  } else {
    set_broken();
  }
  IMS_LOG(kError, recoverable ? "store_full" : "store_broken",
          {{"reason", static_cast<int>(reason)}, {"error", error->ToString()}});
}

void RocksListener::OnMemTableSealed(const rocksdb::MemTableInfo&) {
  sealed_.store(true, std::memory_order_relaxed);
}

void RocksListener::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                                         bool* auto_recovery) {
  *auto_recovery = false;
}

}  // namespace ims::logic
