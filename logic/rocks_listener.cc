// Which errors a store comes back from (rocks_listener.h).
#include "logic/rocks_listener.h"

#include <chrono>
#include <thread>

#include "shared/clock.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr int kFlushWaitMs = 10'000;
constexpr int kCountWaitMs = 5000;  // RocksDB counts it right behind the report
constexpr int kStartWaitMs = 2000;  // a scheduled flush starts as soon as its thread runs

// This thread runs flushes: no other flush is scheduled while it reports an error.
thread_local bool runs_flushes = false;

}  // namespace

// Waits until no flush is between its scheduling and its start. RocksDB calls us without its mutex
// and before the error counts.
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
    // A running one has taken its request, and may wait for the very write that called us. (That it
    // ends, and another is scheduled, before the error counts, is left to RocksStore's deadline.)
    if (pending == 0 || flush_running() || flush_failed_.load(std::memory_order_relaxed)) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

bool RocksListener::flush_running() const {
  rocksdb::DB* const database = database_.load(std::memory_order_acquire);
  if (database == nullptr) return false;  // it is being closed
  std::uint64_t running = 0;
  database->GetIntProperty(rocksdb::DB::Properties::kNumRunningFlushes, &running);
  return running > 0;
}

void RocksListener::OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) {
  runs_flushes = true;
  if (before_flush_ != nullptr) before_flush_->before_flush();
}

void RocksListener::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                      rocksdb::Status* error) {
  if (error->IsShutdownInProgress()) return;
  const bool recoverable = resumes_ ? can_resume(reason, *error) : error->IsNoSpace();
  if (recoverable) {
    set_full();
  } else {
    set_broken();
  }
  IMS_LOG(kError, recoverable ? "store_full" : "store_broken",
          {{"reason", static_cast<int>(reason)}, {"error", error->ToString()}});
}

// Holds the error back until a resume can come back from it.
bool RocksListener::can_resume(rocksdb::BackgroundErrorReason reason,
                               const rocksdb::Status& error) {
  using Reason = rocksdb::BackgroundErrorReason;
  if (reason == Reason::kCompaction || reason == Reason::kManifestWrite) wait_for_flush();
  const bool in_background = reason == Reason::kCompaction || reason == Reason::kFlush ||
                             reason == Reason::kFlushNoWAL || reason == Reason::kManifestWrite ||
                             reason == Reason::kManifestWriteNoWAL;
  if (in_background) {
    errors_expected_.store(errors() + 1, std::memory_order_relaxed);
    reported_ms_.store(read_clock().mono_ms, std::memory_order_relaxed);
  }
  bool stuck = false;
  if (reason == Reason::kFlush || reason == Reason::kFlushNoWAL || runs_flushes) {
    flush_failed_.store(true, std::memory_order_relaxed);
  } else {
    stuck = !flushes_started();
  }
  // A WAL that refused its first record, with empty memtables: a resume would keep it.
  stuck = stuck || (reason == Reason::kWriteCallback && sealed());
  return error.IsNoSpace() && !stuck && error.severity() <= rocksdb::Status::Severity::kHardError;
}

std::uint64_t RocksListener::errors() const {
  rocksdb::DB* const database = database_.load(std::memory_order_acquire);
  std::uint64_t errors = 0;
  if (database != nullptr) {
    database->GetIntProperty(rocksdb::DB::Properties::kBackgroundErrors, &errors);
  }
  return errors;
}

bool RocksListener::counted() const {
  return errors() >= errors_expected_.load(std::memory_order_relaxed) ||
         read_clock().mono_ms - reported_ms_.load(std::memory_order_relaxed) > kCountWaitMs;
}

// Until no flush runs. One during which another thread's error begins to count gives up without
// giving back its memtables (AtomicFlushMemTablesToOutputFiles), and a resume waits for them for
// ever.
void RocksListener::wait_for_flush() const {
  for (int waited_ms = 0; waited_ms < kFlushWaitMs && !runs_flushes; ++waited_ms) {
    if (!flush_running()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void RocksListener::OnMemTableSealed(const rocksdb::MemTableInfo&) {
  sealed_.store(true, std::memory_order_relaxed);
}

void RocksListener::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                                         bool* auto_recovery) {
  *auto_recovery = false;
}

}  // namespace ims::logic
