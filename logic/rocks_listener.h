// What RocksDB's background threads and writes ran into, as the store's two bad states.
//
//   good --- no space, not fatal ---> full    until the store resumed: RocksDB refuses writes
//        --- anything else ---------> broken  for ever
//
// Where the store never resumes but closes its database (SegmentStore), any lack of space is full.
// The rest of this is for RocksStore, which resumes.
//
// RocksDB's own recovery is switched off: it would resume on a timer and thread of its own, and a
// resume that meets a full disk again is fatal.
//
// Some errors can be waited out but not resumed from in 7.8.3, they end as broken too:
//   - a WAL that refused its first record while all memtables are empty (RocksStore::fill_sealed)
//   - a flush that was scheduled before the error and starts after it: BackgroundFlush() gives up
//     without its request, which is never counted again, and the resume waits for ever. So an
//     error is held back here until flushes that were scheduled have started.
//   - a flush during which a compaction's error begins to count: it does not give its memtables
//     back. That error is held back until no flush runs.
//   - a resume that failed: it may leave the same behind
//
// Threads  Any.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace ims::logic {

// Called on RocksDB's threads before what memtables hold becomes files, for who keeps the log.
class BeforeFlush {
 public:
  virtual void before_flush() = 0;

 protected:
  ~BeforeFlush() = default;
};

class RocksListener final : public rocksdb::EventListener {
 public:
  // Before the database is opened; `hook` outlives it.
  void set_before_flush(BeforeFlush* hook) noexcept { before_flush_ = hook; }

  // Before the database is opened: its store has no use for a database that met an error.
  void never_resume() noexcept { resumes_ = false; }

  // Once the database is open, before any write. Errors of the opening itself are returned by it.
  void set_database(rocksdb::DB* database, std::vector<rocksdb::ColumnFamilyHandle*> tables) {
    tables_ = std::move(tables);
    // release: pairs with the acquire in flushes_started(); the tables are complete.
    database_.store(database, std::memory_order_release);
  }
  // Before the tables are let go: later errors wait for nothing.
  void clear_database() noexcept { database_.store(nullptr, std::memory_order_release); }

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnFlushBegin(rocksdb::DB* database, const rocksdb::FlushJobInfo& flush) override;
  void OnMemTableSealed(const rocksdb::MemTableInfo& memtable) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;

  // relaxed, all: flags without data behind them.
  bool full() const noexcept { return full_.load(std::memory_order_relaxed); }
  bool broken() const noexcept { return broken_.load(std::memory_order_relaxed); }
  void set_full() noexcept { full_.store(true, std::memory_order_relaxed); }
  void set_broken() noexcept { broken_.store(true, std::memory_order_relaxed); }
  void clear_full() noexcept {
    full_.store(false, std::memory_order_relaxed);
    flush_failed_.store(false, std::memory_order_relaxed);
  }

  // A flush may still be failing on the full disk that was: not the moment to resume.
  bool flush_running() const;

  // The error that was reported last counts for RocksDB too: a resume before it does nothing, and
  // the error would then stay. Waited for at most kCountWaitMs.
  bool counted() const;

  // The tables were sealed for a flush since clear_sealed(), or never filled: memtables may be
  // empty.
  bool sealed() const noexcept { return sealed_.load(std::memory_order_relaxed); }
  void clear_sealed() noexcept { sealed_.store(false, std::memory_order_relaxed); }

 private:
  bool can_resume(rocksdb::BackgroundErrorReason reason, const rocksdb::Status& error);
  bool flushes_started() const;
  void wait_for_flush() const;
  std::uint64_t errors() const;

  BeforeFlush* before_flush_ = nullptr;
  bool resumes_ = true;
  std::atomic<rocksdb::DB*> database_{nullptr};
  std::vector<rocksdb::ColumnFamilyHandle*> tables_;
  std::atomic<bool> full_{false};
  std::atomic<std::uint64_t> errors_expected_{0};  // of RocksDB's own count
  std::atomic<std::int64_t> reported_ms_{0};
  std::atomic<bool> broken_{false};
  std::atomic<bool> sealed_{true};
  std::atomic<bool> flush_failed_{false};  // flushing has stopped until the store resumes
};

}  // namespace ims::logic
