// Writing and reading (store_segments.h).
#include "logic/store_segments.h"

#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <utility>

#include "logic/retention_clock.h"
#include "logic/rocks_listener.h"
#include "logic/rocks_options.h"
#include "logic/rocks_slice.h"
#include "logic/segment_points.h"
#include "logic/sys_keys.h"
#include "shared/assert.h"
#include "shared/clock.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr std::chrono::microseconds kSealerWait{200};

}  // namespace

// ---- writing ----

StoreStatus SegmentStore::write(const StoreBatch* const* batches, std::size_t count, bool sync) {
  if (listener_->broken()) return StoreStatus::kIoError;
  if (listener_->full() || full_.load(std::memory_order_relaxed)) return StoreStatus::kNoSpace;
  drop_sealed();

  std::uint64_t body_bytes = 0;
  parts_.assign(1, iovec{});
  for (std::size_t at = 0; at < count; ++at) {
    const std::string_view bytes = batches[at]->bytes();
    if (bytes.empty()) continue;
    parts_.push_back({const_cast<char*>(bytes.data()), bytes.size()});
    body_bytes += bytes.size();
  }
  if (index_ == nullptr || given_up_ || !log_.fits(body_bytes) || is_due()) {
    if (const StoreStatus rotated = rotate(body_bytes); rotated != StoreStatus::kOk) {
      return fail(rotated);
    }
  }
  std::uint64_t offset = 0;
  const StoreStatus appended = log_.append(commits_ + 1, parts_, body_bytes, sync, offset);
  if (appended != StoreStatus::kOk) return fail(appended);
  if (!sync) unsynced_.store(true, std::memory_order_release);
  const StoreStatus applied = apply(batches, count, offset);
  if (applied != StoreStatus::kOk) return fail(applied);
  ++commits_;
  publish_end();
  note_memory();
  if (sync) note_durable();
  return StoreStatus::kOk;
}

// The record is in the log.
StoreStatus SegmentStore::apply(const StoreBatch* const* batches, std::size_t count,
                                std::uint64_t offset) {
  bool any = false;
  batch_->Clear();
  apply_.begin();
  for (std::size_t at = 0; at < count; ++at) {
    any = apply_.others(*index_, batches[at]->bytes(), *batch_) || any;
  }
  if (any) {
    if (const StoreStatus written = write_rocks(); written != StoreStatus::kOk) return written;
  }
  for (std::size_t at = 0; at < count; ++at) {
    apply_.index(*index_, batches[at]->bytes(), offset);
    offset += batches[at]->size_bytes();
  }
  return StoreStatus::kOk;
}

// What of this write is RocksDB's, with the commit that it is of.
StoreStatus SegmentStore::write_rocks() {
  put_commits(commits_ + 1);
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status status = database_->Write(options, batch_.get());
  if (status.ok()) {
    if (tables_.buffers_full()) sealer_->wake();
    return StoreStatus::kOk;
  }
  IMS_LOG(kError, "store_write_failed", {{"error", status.ToString()}});
  if (!status.IsNoSpace() || listener_->broken()) return StoreStatus::kIoError;
  listener_->set_full();
  return StoreStatus::kNoSpace;
}

void SegmentStore::put_commits(std::uint64_t commits) {
  commits_value_.clear();
  append_big_endian(commits_value_, commits);
  batch_->Put(tables_.of(Table::kMeta), slice_of(kSysCommits), commits_value_)
      .PermitUncheckedError();
}

// Nothing of this write is kept: the record that may be in the active segment is void.
StoreStatus SegmentStore::fail(StoreStatus status) {
  if (status == StoreStatus::kNoSpace && !listener_->broken()) {
    given_up_ = true;
    full_.store(true, std::memory_order_relaxed);
    return StoreStatus::kNoSpace;
  }
  if (!listener_->broken()) {
    IMS_LOG(kError, "store_write_failed", {{"segment", log_.number()}});
    listener_->set_broken();
  }
  return StoreStatus::kIoError;
}

// All of the log is synced.
void SegmentStore::note_durable() noexcept {
  unsynced_.store(false, std::memory_order_release);
  durable_commits_ = commits_;
  floor_.write_lazily(durable_commits_, read_clock().mono_ms);
}

void SegmentStore::publish_end() noexcept {
  // release: pairs with the acquire in copy_segments(); the bytes below it are written.
  published_.store(std::uint64_t{log_.number()} << 32 | log_.end(), std::memory_order_release);
}

// Of the last record in the active segment that was not void; 0: there is none.
std::uint64_t SegmentStore::active_end() const noexcept {
  const std::uint64_t published = published_.load(std::memory_order_relaxed);  // ours
  return published >> 32 == log_.number() ? published & UINT32_MAX : 0;
}

// Segments before the active one were synced when it began.
void SegmentStore::before_flush() {
  if (!unsynced_.load(std::memory_order_acquire)) return;
  const std::string path =
      folder_ + "/" + segment_name(active_number_.load(std::memory_order_acquire));
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const bool synced = fd >= 0 && io_.sync(path, fd) == StoreStatus::kOk;
  if (fd >= 0) ::close(fd);
  if (!synced) fail(StoreStatus::kIoError);
}

// ---- segments ----

// Takes the indexes of sealed segments out of the view.
void SegmentStore::drop_sealed() {
  const auto& segments = views_.segments();
  while (!segments.empty() && segments.front()->number() <= sealer_->sealed()) {
    if (!views_.drop_oldest()) return;
  }
}

StoreStatus SegmentStore::seal() {
  if (log_.sync() != StoreStatus::kOk) return StoreStatus::kIoError;
  if (index_ == nullptr) return StoreStatus::kOk;
  const std::uint64_t bytes = active_end();
  SegmentFile file = log_.activate(SegmentFile());
  last_timelines_ = index_->timelines();
  last_points_ = index_->points();
  // commits_ is the last one in it even where its last record is void.
  sealer_->seal({index_, std::move(file), bytes, commits_});
  index_ = nullptr;
  return StoreStatus::kOk;
}

StoreStatus SegmentStore::rotate(std::uint64_t body_bytes) {
  if (const StoreStatus sealed = seal(); sealed != StoreStatus::kOk) return sealed;
  // Memory is bounded: the sealer has to keep up.
  const auto too_many = [this] {
    return views_.segments().size() >= kUnsealedSegmentsFull ||
           index_bytes() + index_bytes_max_ > indexes_bytes_max_;
  };
  drop_sealed();
  if (too_many()) ++waits_;
  while (!views_.segments().empty() && too_many()) {
    drop_sealed();
    if (!too_many()) break;
    if (listener_->broken()) return StoreStatus::kIoError;
    if (listener_->full()) return StoreStatus::kNoSpace;
    std::this_thread::sleep_for(kSealerWait);
  }
  SegmentFile file;
  const StoreStatus made = sealer_->take_file(segment_bytes_for(body_bytes), file);
  if (made != StoreStatus::kOk) return made;
  auto index = std::make_unique<SegmentIndex>(file.number, last_timelines_, last_points_);
  log_.activate(std::move(file));
  active_number_.store(log_.number(), std::memory_order_release);
  index_ = &views_.add(std::move(index));
  opened_ms_ = clock_ != nullptr ? clock_->now_ms() : 0;
  given_up_ = false;
  return StoreStatus::kOk;
}

StoreStatus SegmentStore::wait_sealed() {
  while (!sealer_->idle()) {
    if (listener_->broken()) return StoreStatus::kIoError;
    if (listener_->full()) return StoreStatus::kNoSpace;
    std::this_thread::sleep_for(kSealerWait);
  }
  drop_sealed();
  return StoreStatus::kOk;
}

// ---- reading ----

StoreStatus SegmentStore::get(Table table, std::string_view key, std::string* value,
                              ReadTier tier) {
  const SegmentViews::Pin view(views_);
  return segments_get(tables_, *view, table, key, value, tier);
}

StoreStatus SegmentStore::scan(Table table, std::string_view from, std::string_view to,
                               bool reverse, ReadTier tier, RowVisitor& visitor) {
  const SegmentViews::Pin view(views_);
  return segments_scan(tables_, *view, table, from, to, reverse, tier, visitor);
}

}  // namespace ims::logic
