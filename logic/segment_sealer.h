// The store's own thread behind the committer: makes the next segment's file before it is used,
// moves full segments' points and extents into RocksDB, removes segments whose rows are all past
// retention.
//
//   seal   index -> sorted extents, points and the segment's facts, in small writes without a WAL,
//          then a flush of all tables together. What a crash leaves of it is written again from the
//          log: the facts go last, and a segment without facts is replayed.
//   flush  of memtables that are full, here and by RocksDB itself only in need
//   remove facts deleted, flushed, then the file
//
// Threads  Its own; the committer calls take_file(), retry(), seal() and reads sealed(). The
//          store's checkpoint() sets hold_files() from any thread.
// Files    The first of a run is small and each twice the last, up to segment_bytes: a tool's
//          visit, a small store or a quick start writes no 128 MiB of zeros. On a small disk at
//          most 1/kFreeParts of what is free.
// Limits   kUnsealedSegmentsMax segments in its queue. Writes of kSliceOps, so that a commit that
//          needs RocksDB too waits for some 0.2 ms at most.
// Errors   A full disk that RocksDB met: nothing is sealed any more, the store is opened again
//          (store_reopening.h). A file that cannot be made is tried again when retry() says so.
//          All others end as RocksListener's broken.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "logic/disk_space.h"
#include "logic/retention_clock.h"
#include "logic/rocks_listener.h"
#include "logic/segment_facts.h"
#include "logic/segment_log.h"
#include "logic/segment_tables.h"
#include "logic/store_options.h"
#include "shared/spsc_ring.h"
#include "shared/wakeup.h"

namespace rocksdb {
class WriteBatch;
}

namespace ims::logic {

// A segment that is not written to any more. The index stays until sealed() says its number.
struct FullSegment {
  const SegmentIndex* index = nullptr;
  SegmentFile file;
  std::uint64_t bytes = 0;  // used of it
  std::uint64_t last_commit = 0;
};

class SegmentSealer {
 public:
  SegmentSealer(std::string directory, SegmentTables& tables, RocksListener& listener,
                DiskSpace& space, const StoreOptions& options);
  ~SegmentSealer();
  SegmentSealer(const SegmentSealer&) = delete;
  SegmentSealer& operator=(const SegmentSealer&) = delete;

  // ---- start-up, before start() ----
  void add_sealed(const SegmentFacts& facts);  // ascending
  void set_next_number(std::uint32_t number) noexcept { next_number_ = number; }
  StoreStatus seal_now(FullSegment& full);  // on the caller's thread
  void start();
  void stop();  // what is queued stays unsealed

  // ---- the committer ----

  // The next file, with room for `bytes` at least; waits while it is made. kNoSpace is repeated
  // until retry().
  StoreStatus take_file(std::uint64_t bytes, SegmentFile& file);
  void retry();
  void wake() noexcept { wakeup_.notify(); }  // memtables are full
  void seal(FullSegment full);
  std::uint32_t sealed() const noexcept {
    // acquire: pairs with the release in seal_now(); its extents are in RocksDB.
    return sealed_.load(std::memory_order_acquire);
  }
  // Of sealed segments, for the gauges.
  std::uint64_t files() const noexcept { return files_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  // Nothing is queued or being sealed.
  bool idle() const noexcept { return queued_.load(std::memory_order_acquire) == 0; }

  // ---- any thread ----
  // While held, no file is removed.
  void hold_files() noexcept { holds_.fetch_add(1, std::memory_order_seq_cst); }
  void release_files() noexcept { holds_.fetch_sub(1, std::memory_order_seq_cst); }

 private:
  enum class Next : std::uint8_t { kWanted, kReady, kNoSpace, kBroken };

  void run();
  std::unique_ptr<FullSegment> take_queued();
  bool make_next();
  std::uint64_t bytes_to_make();
  void note_facts();
  bool remove_old();
  StoreStatus write_slice(rocksdb::WriteBatch& batch);
  StoreStatus write_extents(const FullSegment& full, rocksdb::WriteBatch& batch);
  StoreStatus write_points(const FullSegment& full, rocksdb::WriteBatch& batch);
  StoreStatus flush();
  StoreStatus flush_full();
  StoreStatus note(StoreStatus status);

  const std::string directory_;
  SegmentTables& tables_;
  RocksListener& listener_;
  DiskSpace& space_;
  SegmentIo& io_;
  const RetentionClock* const clock_;
  const std::int64_t retention_ms_;
  const std::uint64_t segment_bytes_;

  std::atomic<bool> stop_{false};
  std::atomic<Next> next_{Next::kWanted};
  std::atomic<std::uint64_t> next_bytes_{0};  // at least; 0: as ever
  // relaxed, both: lone numbers for the gauges.
  std::atomic<std::uint64_t> files_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint32_t> sealed_{0};
  std::atomic<std::uint32_t> queued_{0};
  std::atomic<std::uint32_t> holds_{0};
  SpscRing<FullSegment*> full_;
  Wakeup wakeup_{Wakeup::Kind::kFutex};
  std::thread thread_;

  // The thread's.
  std::unique_ptr<FullSegment> sealing_;
  SegmentFile made_;  // the committer's exactly while next_ is kReady
  std::uint32_t next_number_ = 1;
  std::uint64_t growing_bytes_;  // of the next file: each twice the last, up to segment_bytes_
  std::deque<SegmentFacts> facts_;  // of sealed segments, ascending
  std::uint64_t facts_bytes_ = 0;   // of all of them
};

}  // namespace ims::logic
