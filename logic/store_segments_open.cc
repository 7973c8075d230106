// Opening (store_segments.h).
#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "logic/rocks_listener.h"
#include "logic/rocks_open.h"
#include "logic/rocks_options.h"
#include "logic/rocks_read.h"
#include "logic/segment_replay.h"
#include "logic/store_segments.h"
#include "logic/sys_keys.h"
#include "shared/assert.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

// Opening flushes what it applies; it should not meet a full disk again.
constexpr std::uint64_t kOpeningSpareBytes = 4 * kMiB;

// A row may stay this part of the retention longer, and the time it takes to fill a segment.
constexpr std::int64_t kSegmentsInRetention = 8;
constexpr std::int64_t kSealAfterMsMin = 3'600'000;
constexpr std::int64_t kSealAfterMsMax = 86'400'000;

constexpr std::size_t kSegmentIndexBytesMin = 256 * kKiB;  // two arenas and their slots

}  // namespace

// ---- opening ----

SegmentStore::SegmentStore(const std::string& directory, const StoreOptions& options,
                           std::uint64_t last_commit)
    : directory_(directory),
      folder_(directory + "/" + kSegmentsFolder),
      reserve_bytes_(options.store_reserve_bytes),
      opening_bytes_(
          std::max(options.store_reserve_bytes, options.write_buffer_bytes + kOpeningSpareBytes)),
      // Of what write buffers may take; a quarter is left to them (rocks_options.cc).
      indexes_bytes_max_(std::min(options.write_buffer_bytes, options.block_cache_bytes / 2) / 4 *
                         3),
      index_bytes_max_(std::max<std::uint64_t>(indexes_bytes_max_ / 2, kSegmentIndexBytesMin)),
      seal_after_ms_(options.clock != nullptr && options.retention_ms > 0
                         ? std::clamp(options.retention_ms / kSegmentsInRetention, kSealAfterMsMin,
                                      kSealAfterMsMax)
                         : 0),
      clock_(options.clock),
      io_(options.segment_io != nullptr ? *options.segment_io : SegmentIo::real()),
      listener_(std::make_shared<RocksListener>()),
      options_(std::make_unique<RocksOptions>(options, listener_, RocksOptions::Use::kSegments)),
      space_(make_store_directory(directory)),
      ballast_(directory, options.ballast_bytes),
      floor_(directory),
      files_(folder_),
      log_(io_),
      apply_(tables_),
      batch_(std::make_unique<rocksdb::WriteBatch>()),
      last_commit_(last_commit) {
  ballast_.make_room(space_, reserve_bytes_);
  listener_->set_before_flush(this);
  listener_->never_resume();
  database_ = open_rocks(directory, *options_, tables_.tables);
  listener_->set_database(database_.get(), tables_.tables);
  tables_.database = database_.get();
  tables_.files = &files_;
  tables_.buffers = options_->database.write_buffer_manager.get();
  tables_.buffers_max = options_->write_buffers_max;
  try {
    open(options);
  } catch (...) {
    close_database();
    throw;
  }
  ballast_.keep(space_, reserve_bytes_);
}

void SegmentStore::open(const StoreOptions& options) {
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    throw StoreError("store: cannot make the directory " + folder_);
  }
  if (sync_directory(directory_) != StoreStatus::kOk) {
    throw StoreError("store: cannot sync the directory " + directory_);
  }
  sealer_ = std::make_unique<SegmentSealer>(folder_, tables_, *listener_, space_, options);
  check_format();
  read_facts();
  replay(options.accept_loss);
  durable_commits_ = commits_;
  lost_commits_ = check_commit_floor(floor_, commits_, options.accept_loss, directory_);
  refuse_loss(options);
  drop_tail();
  sealer_->set_next_number(last_number_ + 1);
  // Few are left to the background: it starts with room for what comes.
  std::size_t left = recovered_.size();
  for (Recovered& recovered : recovered_) {
    FullSegment full{recovered.index.get(), {}, recovered.bytes, recovered.last_commit};
    if (left-- < kUnsealedSegmentsFull) {
      sealer_->seal({&views_.add(std::move(recovered.index)), {}, full.bytes, full.last_commit});
    } else if (sealer_->seal_now(full) != StoreStatus::kOk) {
      throw StoreError("store: cannot move segments into tables in " + directory_ +
                       "; see the log for the disk's error");
    }
  }
  // For a copy before the first write: nothing is being written, all of these are whole.
  published_.store(std::uint64_t{last_number_ + 1} << 32, std::memory_order_release);
  recovered_.clear();
  sealer_->start();
  if (!check_format()) write_format();
}

// Sealed segments: all there, and how far they went.
void SegmentStore::read_facts() {
  std::vector<SegmentFacts> sealed;
  const StoreStatus status =
      read_segment_facts(*database_, tables_.of(Table::kMeta), sealed);
  std::string value;
  const StoreStatus read =
      rocks_get(*database_, tables_.of(Table::kMeta), kSysCommits, &value, ReadTier::kMayBlock);
  if (status != StoreStatus::kOk || (read != StoreStatus::kOk && read != StoreStatus::kNotFound) ||
      (read == StoreStatus::kOk && value.size() != sizeof commits_)) {
    throw StoreError("store: the commit counter in " + directory_ + " cannot be read");
  }
  if (read == StoreStatus::kOk) commits_ = read_big_endian<std::uint64_t>(value);
  if (sealed.empty()) sealed.push_back(begin_log(read == StoreStatus::kOk));
  for (const SegmentFacts& each : sealed) {
    struct stat file {};
    const std::string path = folder_ + "/" + segment_name(each.number);
    const bool there =
        stat(path.c_str(), &file) == 0 && static_cast<std::uint64_t>(file.st_size) >= each.bytes;
    if (!there && each.number != 0) {
      throw StoreError("store: " + path + " is missing or too short; keep a copy of " + directory_ +
                       " and restore a backup");
    }
    sealer_->add_sealed(each);
    sealed_commits_ = each.last_commit;
    last_number_ = each.number;
  }
}

// A log that begins now, with a segment 0 that never was: a new store, or one without segments.
SegmentFacts SegmentStore::begin_log(bool has_commits) {
  if (!has_commits) check_empty(*database_, tables_.of(Table::kMeta), directory_);
  const SegmentFacts facts{0, INT64_MIN, 0, commits_};
  batch_->Clear();
  batch_->Put(tables_.of(Table::kMeta), segment_facts_key(0), encode_segment_facts(facts))
      .PermitUncheckedError();
  write_and_flush();
  return facts;
}

void SegmentStore::write_and_flush() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  if (database_->Write(options, batch_.get()).ok() &&
      database_->Flush(rocksdb::FlushOptions(), tables_.tables).ok()) {
    return;
  }
  throw StoreError("store: cannot write to " + directory_ + "; see the log for the disk's error");
}

// Of RocksDB's tables, before anything is changed, and once the log was applied to them. False:
// there is none yet, or an earlier one.
bool SegmentStore::check_format() {
  std::string value;
  const StoreStatus status = rocks_get(*database_, tables_.of(Table::kMeta), kSysFormat, &value,
                                       ReadTier::kMayBlock);
  if (status == StoreStatus::kNotFound) return false;
  if (status != StoreStatus::kOk) {
    throw StoreError("store: cannot read from " + directory_ +
                     "; see the log for the disk's error");
  }
  return read_store_format(value, directory_) == kStoreFormat;
}

// Into the tables' files at once: who opens the store looks there first.
void SegmentStore::write_format() {
  std::string value;
  append_big_endian(value, kStoreFormat);
  StoreBatch batch;
  batch.put(Table::kMeta, kSysFormat, value);
  const StoreBatch* const batches[] = {&batch};
  if (write(batches, 1, true) == StoreStatus::kOk &&
      database_->Flush(rocksdb::FlushOptions(), tables_.tables).ok()) {
    return;
  }
  throw StoreError("store: cannot write to its directory; see the log for the disk's error");
}

}  // namespace ims::logic
