// The store on disk as a log of segments, for many rows a second: a write is one record, appended
// and synced; rows stay where they were appended, RocksDB holds where that is.
//
//   <directory>/   as RocksStore's | segments/ (segment_format.h)
//
//   write   record -> active segment, fdatasync -> RocksDB without WAL (what is neither row nor
//           point) -> the segment's index: rows, then points
//   full    the next segment; the sealer moves the old one's index into RocksDB (segment_sealer.h).
//           Also once it is old (seal_after_ms_): retention takes whole segments
//   read    segment_tables.h
//   open    RocksDB holds all of some commit and before (a flush takes all tables together), at
//           least up to the last sealed segment; the records behind are applied again
//
// Threads   write() and sync() on one thread at a time; the rest from any. Reads enter a view
//           without a lock (segment_views.h); RocksDB and the table of open files have theirs,
//           held briefly. A sealer thread of its own.
// Durable   As RocksStore: a reader sees nothing that a power cut could take back ("sync"). Within
//           one write rows are seen before the user or group row that counts them. What was written
//           without sync is synced before RocksDB makes files of it: it is never ahead of the log.
// No space  A segment's file is made ahead, in full: mostly its making fails, and nothing was
//           written. Else the segment is given up, and the record that may be in it is void once
//           the next segment begins with the same commit (segment_format.h). Writes are refused
//           until sync() got a file. Where it is RocksDB that met the full disk, no sync() helps:
//           the store is stuck, reads go on, and it has to be opened again (store_reopening.h).
// Memory    Block cache, write buffers and the indexes of segments that are not sealed stay within
//           block_cache_bytes together: an index is sealed early, a write waits for the sealer
//           (rotate()), and the cache gives way (note_memory()). Rows are in the kernel's cache.
// Errors    EIO, a failed fsync: kIoError for ever. A row that is damaged is kCorrupt, alone.
//           Damage of what was durable but is not sealed, seen at the start: refused, as in
//           RocksStore. Opening throws StoreError.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "logic/commit_floor.h"
#include "logic/disk_space.h"
#include "logic/durable_store.h"
#include "logic/rocks_listener.h"
#include "logic/segment_apply.h"
#include "logic/segment_log.h"
#include "logic/segment_sealer.h"
#include "logic/segment_tables.h"
#include "logic/segment_views.h"

namespace ims::logic {

inline constexpr const char* kSegmentsFolder = "segments";

class RetentionClock;
struct RocksOptions;

class SegmentStore final : public DurableStore, private BeforeFlush {
 public:
  static constexpr std::uint64_t kUnknownCommit = UINT64_MAX - 1;

  // Makes the directory and the store where there is none; takes over one of RocksStore's.
  // `last_commit`, where it is known: what the log holds behind it is void; less than it throws.
  SegmentStore(const std::string& directory, const StoreOptions& options,
               std::uint64_t last_commit = kUnknownCommit);
  ~SegmentStore() override;
  SegmentStore(const SegmentStore&) = delete;
  SegmentStore& operator=(const SegmentStore&) = delete;

  StoreStatus write(const StoreBatch* const* batches, std::size_t count, bool sync) override;
  StoreStatus sync() override;
  StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) override;
  StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                   ReadTier tier, RowVisitor& visitor) override;
  bool has_space() override;

  StoreEngine engine() const noexcept override { return StoreEngine::kSegments; }
  std::uint64_t commits() const noexcept override { return commits_; }
  std::uint64_t lost_commits() const noexcept override { return lost_commits_; }
  StoreStatus compact() override;
  StoreStatus checkpoint(const std::string& directory) override;
  void report(CounterBlock& counters) const override;

  // RocksDB met a full disk: nothing can be written before the store is opened again.
  bool is_stuck() const noexcept { return listener_->full() && !listener_->broken(); }
  bool has_room_to_open() { return space_.refresh() >= opening_bytes_; }

  // Hands the active segment to the sealer; the next write begins another.
  StoreStatus seal();
  // Everything handed to the sealer is sealed and out of the view. Blocks.
  StoreStatus wait_sealed();
  std::uint32_t number() const noexcept { return log_.number(); }  // of the active segment

 private:
  // ---- opening (store_segments_open.cc, store_segments_replay.cc) ----
  void open(const StoreOptions& options);
  void stop_sealer();
  void close_database();
  void read_facts();
  SegmentFacts begin_log(bool has_commits);
  void write_and_flush();
  void replay(bool accept_loss);
  void refuse_loss(const StoreOptions& options);
  bool check_format();
  void drop_tail();
  void write_format();
  void before_flush() override;

  void drop_sealed();
  bool is_due() const noexcept;
  std::uint64_t index_bytes() const noexcept;
  void note_memory();
  StoreStatus rotate(std::uint64_t body_bytes);
  StoreStatus apply(const StoreBatch* const* batches, std::size_t count, std::uint64_t offset);
  StoreStatus fail(StoreStatus status);
  StoreStatus write_rocks();
  void put_commits(std::uint64_t commits);
  StoreStatus resume();
  void publish_end() noexcept;
  std::uint64_t active_end() const noexcept;
  void note_durable() noexcept;
  StoreStatus copy_segments(const std::string& to);

  const std::string directory_;
  const std::string folder_;  // segments/
  const std::uint64_t reserve_bytes_;
  const std::uint64_t opening_bytes_;  // free space from which a stuck store is opened again
  const std::uint64_t indexes_bytes_max_;  // of all that are not sealed
  const std::uint64_t index_bytes_max_;    // of one: sealed early
  const std::int64_t seal_after_ms_;       // by the retention clock; 0: however old it is
  const RetentionClock* const clock_;
  SegmentIo& io_;

  std::shared_ptr<RocksListener> listener_;
  std::unique_ptr<RocksOptions> options_;
  DiskSpace space_;
  Ballast ballast_;
  CommitFloor floor_;
  std::unique_ptr<rocksdb::DB> database_;

  SegmentReader files_;
  SegmentTables tables_;
  SegmentViews views_;
  std::unique_ptr<SegmentSealer> sealer_;

  // ---- the committer's ----
  SegmentLog log_;
  SegmentApply apply_;
  SegmentIndex* index_ = nullptr;  // of the active segment; null: there is none
  std::vector<iovec> parts_;
  std::unique_ptr<rocksdb::WriteBatch> batch_;
  std::string commits_value_;
  std::uint64_t commits_ = 0;
  std::uint64_t durable_commits_ = 0;
  std::uint64_t lost_commits_ = 0;
  bool given_up_ = false;  // the active segment holds what must not be followed
  std::int64_t opened_ms_ = 0;       // the active segment
  std::uint64_t reserved_bytes_ = 0;  // of the cache
  std::uint64_t waits_ = 0;          // for the sealer
  std::size_t last_timelines_ = 0;
  std::size_t last_points_ = 0;

  // What replay() found; until the store is open.
  struct Recovered {
    std::unique_ptr<SegmentIndex> index;
    std::uint64_t bytes = 0;
    std::uint64_t last_commit = 0;
  };
  std::vector<Recovered> recovered_;
  std::vector<std::uint32_t> unused_;  // files that hold nothing
  std::uint64_t sealed_commits_ = 0;   // up to the last sealed segment's end
  std::uint64_t proven_commits_ = 0;   // that were durable, by what is there of the log and tables
  const std::uint64_t last_commit_;    // kUnknownCommit: as far as the log goes
  std::uint32_t last_number_ = 0;

  // relaxed: a flag without data behind it.
  std::atomic<bool> full_{false};  // no segment could be made, or one was given up
  // release and acquire: the flag is up before what it speaks of is in RocksDB.
  std::atomic<bool> unsynced_{false};  // RocksDB may hold what the log has not synced
  std::atomic<std::uint32_t> active_number_{0};
  // Number of the active segment << 32 | end of its last whole record, for copies.
  std::atomic<std::uint64_t> published_{0};
};

}  // namespace ims::logic
