// Which errors a store comes back from (rocks_listener.h).
#include "logic/rocks_listener.h"

#include <chrono>
#include <thread>

#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr int kStartWaitMs = 2000;  // a scheduled flush starts as soon as its thread runs

}  // namespace

// Waits until no flush is between its scheduling and its start. RocksDB calls us without its mutex
// and before the error counts.
bool RocksListener::flushes_started() const {
  // acquire: pairs with the release in set_database().
  rocksdb::DB* const database = database_.load(std::memory_order_acquire);
  if (database == nullptr) return true;
  for (int waited_ms = 0; waited_ms < kStartWaitMs; ++waited_ms) {
    std::uint64_t pending = 0;
    std::uint64_t running = 0;
    for (rocksdb::ColumnFamilyHandle* table : tables_) {
      std::uint64_t of_table = 0;
      database->GetIntProperty(table, rocksdb::DB::Properties::kMemTableFlushPending, &of_table);
      pending += of_table;
    }
    database->GetIntProperty(rocksdb::DB::Properties::kNumRunningFlushes, &running);
    // One flush runs at a time (max_background_jobs): behind a running one none is scheduled.
    if (pending == 0 || running > 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

void RocksListener::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                      rocksdb::Status* error) {
  if (error->IsShutdownInProgress()) return;
  // A WAL that refused its first record, with empty memtables: a resume would keep it.
  const bool stuck =
      (reason == rocksdb::BackgroundErrorReason::kWriteCallback && sealed()) || !flushes_started();
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
