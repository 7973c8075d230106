// The store on disk: one RocksDB, one column family per table, one WAL.
//
//   <directory>/   RocksDB's files | commit_floor (commit_floor.h) | ballast (disk_space.h)
//
// Threads   write() and sync() on one thread at a time; the rest from any.
// Durable   write(sync) puts the batches as one record into the WAL, fsyncs it, inserts them into
//           the memtables, and only then moves the sequence number by which readers see (WriteImpl
//           in db/db_impl/db_impl_write.cc). So with durability = "sync" a reader sees nothing that
//           a power cut could take back; with "interval" and "os" it sees what was written.
// No space  A write fails with kNoSpace and so does every one after it, untried, until sync() finds
//           room: then RocksDB flushes what it holds and begins a new WAL (DB::Resume). Reads go
//           on. A crash before that may bring the failed write back, as a whole; all tables are
//           flushed together, so never a part of it.
// Errors    EIO, a failed fsync, damage met by a write or a compaction: kIoError for ever. Opening
//           throws StoreError.
#pragma once

#include <array>
#include <cstdint>
#include <future>
#include <memory>
#include <string>

#include "logic/commit_floor.h"
#include "logic/disk_space.h"
#include "logic/durable_store.h"
#include "logic/key_order.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace ims::logic {

class RocksListener;
struct RocksOptions;

class RocksStore final : public DurableStore {
 public:
  // Makes the directory and the store where there is none. Recovery of the WAL happens here.
  RocksStore(const std::string& directory, const StoreOptions& options);
  ~RocksStore() override;
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  StoreStatus write(const StoreBatch* const* batches, std::size_t count, bool sync) override;
  StoreStatus sync() override;
  StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) override;
  StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                   ReadTier tier, RowVisitor& visitor) override;
  bool has_space() override;

  StoreEngine engine() const noexcept override { return StoreEngine::kRocksdb; }
  std::uint64_t commits() const noexcept override { return commits_; }
  std::uint64_t lost_commits() const noexcept override { return lost_commits_; }
  StoreStatus compact() override;
  // The last WAL is copied, at most some hundred MiB.
  StoreStatus checkpoint(const std::string& directory) override;

 private:
  void open_database(const std::string& directory);
  void check_format(const std::string& directory);
  void write_format();
  void check_commits(const StoreOptions& options, const std::string& directory);
  void fill_sealed();
  StoreStatus resume();
  rocksdb::ColumnFamilyHandle* handle(Table table) const noexcept {
    return handles_[static_cast<std::size_t>(table)];
  }

  const std::uint64_t reserve_bytes_;
  const std::uint64_t resume_bytes_;  // free space from which a resume is tried

  std::shared_ptr<RocksListener> listener_;
  std::unique_ptr<RocksOptions> options_;
  DiskSpace space_;
  Ballast ballast_;
  CommitFloor floor_;
  std::unique_ptr<rocksdb::DB> database_;
  std::array<rocksdb::ColumnFamilyHandle*, kTableCount> handles_{};

  // DB::Resume on a thread of its own: valid from its start until its end is seen.
  std::future<bool> resuming_;

  KeyOrder key_order_;  // of one write
  std::unique_ptr<rocksdb::WriteBatch> batch_;
  std::string commits_value_;
  std::uint64_t commits_ = 0;
  std::uint64_t durable_commits_ = 0;
  std::uint64_t lost_commits_ = 0;
};

}  // namespace ims::logic
