// Opening, writing, resuming, reading (store_rocks.h).
#include "logic/store_rocks.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "logic/rocks_listener.h"
#include "logic/rocks_open.h"
#include "logic/rocks_options.h"
#include "logic/rocks_read.h"
#include "logic/rocks_write.h"
#include "logic/sys_keys.h"
#include "shared/assert.h"
#include "shared/clock.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

// A resume flushes the memtables; it must not meet a full disk again, for then it is fatal.
constexpr std::uint64_t kResumeSpareBytes = 4 * kMiB;

// For a flush of the memtables; longer than any disk that is of use takes.
constexpr std::chrono::seconds kResumeWait{30};

}  // namespace

// ---- opening ----

RocksStore::RocksStore(const std::string& directory, const StoreOptions& options)
    : reserve_bytes_(options.store_reserve_bytes),
      resume_bytes_(std::max(options.store_reserve_bytes,
                             options.write_buffer_bytes + kResumeSpareBytes)),
      listener_(std::make_shared<RocksListener>()),
      options_(std::make_unique<RocksOptions>(options, listener_)),
      space_(make_store_directory(directory)),
      ballast_(directory, options.ballast_bytes),
      floor_(directory),
      batch_(std::make_unique<rocksdb::WriteBatch>()) {
  ballast_.make_room(space_, reserve_bytes_);
  open_database(directory);
  try {
    check_format(directory);
    check_commits(options, directory);
  } catch (...) {
    rocksdb::CancelAllBackgroundWork(database_.get(), true);
    for (rocksdb::ColumnFamilyHandle* family : handles_) delete family;
    throw;
  }
  ballast_.keep(space_, reserve_bytes_);
}

void RocksStore::open_database(const std::string& directory) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  database_ = open_rocks(directory, *options_, handles);
  IMS_ASSERT(handles.size() == handles_.size());
  std::copy(handles.begin(), handles.end(), handles_.begin());
  listener_->set_database(database_.get(), std::move(handles));
}

void RocksStore::check_format(const std::string& directory) {
  std::string value;
  switch (get(Table::kMeta, kSysFormat, &value, ReadTier::kMayBlock)) {
    case StoreStatus::kOk:
      if (read_store_format(value, directory) < kStoreFormat) write_format();
      return;
    case StoreStatus::kNotFound:
      check_empty(*database_, handle(Table::kMeta), directory);
      if (floor_.read() > 0) return;  // emptied, not new: check_commits() says so
      return write_format();
    default:
      throw StoreError("store: cannot read from " + directory +
                       "; see the log for the disk's error");
  }
}

void RocksStore::write_format() {
  std::string value;
  append_big_endian(value, kStoreFormat);
  StoreBatch batch;
  batch.put(Table::kMeta, kSysFormat, value);
  const StoreBatch* const batches[] = {&batch};
  if (write(batches, 1, true) == StoreStatus::kOk) return;
  throw StoreError("store: cannot write to its directory; see the log for the disk's error");
}

void RocksStore::check_commits(const StoreOptions& options, const std::string& directory) {
  std::string value;
  const StoreStatus status = get(Table::kMeta, kSysCommits, &value, ReadTier::kMayBlock);
  if (status == StoreStatus::kOk && value.size() == sizeof commits_) {
    commits_ = read_big_endian<std::uint64_t>(value);
  } else if (status != StoreStatus::kNotFound) {
    throw StoreError("store: the commit counter in " + directory + " cannot be read");
  }
  durable_commits_ = commits_;
  lost_commits_ = check_commit_floor(floor_, commits_, options.accept_loss, directory);
  if (lost_commits_ > 0 && commits_ == 0) check_format(directory);
}

RocksStore::~RocksStore() {
  if (!listener_->broken() && !listener_->full()) {
    if (durable_commits_ != commits_ && database_->SyncWAL().ok()) durable_commits_ = commits_;
    floor_.write(durable_commits_);
  }
  listener_->clear_database();
  rocksdb::CancelAllBackgroundWork(database_.get(), true);  // the listener may hold our handles
  if (resuming_.valid()) resuming_.wait();  // ended by the line above
  for (rocksdb::ColumnFamilyHandle* family : handles_) delete family;
  database_->Close().PermitUncheckedError();
}

// ---- writing ----

// Lets every table's memtable hold something and have been sealed, if that was due, before our
// record goes into the WAL. A resume begins a new WAL only where a memtable holds something: where
// all are empty the WAL that refused a write stays the current one, and touching it again aborts
// the process. And a table that no flush moves on keeps old WALs alive; if one of them has the torn
// record of a full disk, recovery takes what came after it for damage. The marker is in memory
// alone and worth nothing after a crash.
void RocksStore::fill_sealed() {
  rocksdb::WriteOptions memory_only;
  memory_only.disableWAL = true;
  batch_->Clear();
  // An empty write does what is due: seal the memtables, begin a WAL. What makes these writes fail
  // makes the one that follows fail.
  database_->Write(memory_only, batch_.get()).PermitUncheckedError();
  if (!listener_->sealed()) return;
  for (rocksdb::ColumnFamilyHandle* family : handles_) {
    batch_->Put(family, slice_of(kLastKey), {}).PermitUncheckedError();
  }
  database_->Write(memory_only, batch_.get()).PermitUncheckedError();
  listener_->clear_sealed();
}

StoreStatus RocksStore::write(const StoreBatch* const* batches, std::size_t count, bool sync) {
  if (listener_->broken()) return StoreStatus::kIoError;
  if (listener_->full()) return StoreStatus::kNoSpace;

  fill_sealed();
  batch_->Clear();
  key_order_.clear();
  for (std::size_t at = 0; at < count; ++at) key_order_.add(*batches[at]);
  rocksdb::Status status;
  key_order_.for_each([&](Table table, StoreBatch::Op op, std::string_view key,
                          std::string_view value) {
    status = add_op(*batch_, handle(table), op, key, value);
    IMS_ASSERT(status.ok());
  });
  commits_value_.clear();
  append_big_endian(commits_value_, commits_ + 1);
  status = batch_->Put(handle(Table::kMeta), slice_of(kSysCommits), commits_value_);
  IMS_ASSERT(status.ok());

  rocksdb::WriteOptions options;
  options.sync = sync;
  status = database_->Write(options, batch_.get());
  if (status.ok()) {
    ++commits_;
    if (sync) {
      durable_commits_ = commits_;
      floor_.write_lazily(durable_commits_, read_clock().mono_ms);
    }
    return StoreStatus::kOk;
  }
  if (status.IsNoSpace() && !listener_->broken()) {
    listener_->set_full();
    return StoreStatus::kNoSpace;
  }
  IMS_LOG(kError, "store_write_failed", {{"error", status.ToString()}});
  listener_->set_broken();
  return StoreStatus::kIoError;
}

StoreStatus RocksStore::sync() {
  if (listener_->broken()) return StoreStatus::kIoError;
  if (listener_->full()) {
    if (const StoreStatus resumed = resume(); resumed != StoreStatus::kOk) return resumed;
  }
  const rocksdb::Status status = database_->SyncWAL();
  if (status.ok()) {
    durable_commits_ = commits_;
    floor_.write_lazily(durable_commits_, read_clock().mono_ms);
    return StoreStatus::kOk;
  }
  if (status.IsNoSpace() && !listener_->broken()) {
    listener_->set_full();  // the memtables hold all of it: a resume makes it durable
    return StoreStatus::kNoSpace;
  }
  IMS_LOG(kError, "store_sync_failed", {{"error", status.ToString()}});
  listener_->set_broken();
  return StoreStatus::kIoError;
}

StoreStatus RocksStore::resume() {
  if (space_.refresh() < resume_bytes_ || listener_->flush_running() || !listener_->counted()) {
    return StoreStatus::kNoSpace;
  }
  // A resume can wait for ever (rocks_listener.h), the committer may not.
  resuming_ = std::async(std::launch::async, [this] {
    const rocksdb::Status status = database_->Resume();
    if (!status.ok()) IMS_LOG(kError, "store_resume_failed", {{"error", status.ToString()}});
    return status.ok();
  });
  if (resuming_.wait_for(kResumeWait) != std::future_status::ready) {
    IMS_LOG(kError, "store_resume_hangs", {{"effect", "recovery at the next start"}});
    listener_->set_broken();
  } else if (!resuming_.get()) {
    listener_->set_broken();
  }
  if (listener_->broken()) return StoreStatus::kIoError;
  listener_->clear_full();
  IMS_LOG(kWarn, "store_resumed", {{"free_bytes", space_.refresh()}});
  ballast_.keep(space_, reserve_bytes_);
  return StoreStatus::kOk;
}

bool RocksStore::has_space() {
  return !listener_->full() && !listener_->broken() && space_.free_bytes() >= reserve_bytes_;
}

StoreStatus RocksStore::compact() {
  return compact_rocks(*database_, handles_);
}

StoreStatus RocksStore::checkpoint(const std::string& directory) {
  if (listener_->broken()) return StoreStatus::kIoError;
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(database_.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Never a flush, however long the WAL is: one that meets a full disk would be the store's error.
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory, UINT64_MAX);
  if (status.ok()) return StoreStatus::kOk;
  IMS_LOG(kWarn, "store_copy_failed", {{"directory", directory}, {"error", status.ToString()}});
  return write_status(status);
}

// ---- reading ----

StoreStatus RocksStore::get(Table table, std::string_view key, std::string* value, ReadTier tier) {
  return rocks_get(*database_, handle(table), key, value, tier);
}

StoreStatus RocksStore::scan(Table table, std::string_view from, std::string_view to, bool reverse,
                             ReadTier tier, RowVisitor& visitor) {
  return rocks_scan(*database_, handle(table), from, to, reverse, tier, visitor);
}

}  // namespace ims::logic
