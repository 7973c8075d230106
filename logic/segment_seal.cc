// Sealing: an index into RocksDB (segment_sealer.h).
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <vector>

#include "logic/rocks_write.h"
#include "logic/segment_extents.h"
#include "logic/segment_points.h"
#include "logic/segment_sealer.h"
#include "logic/sys_keys.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr int kSliceOps = 128;

}  // namespace

// What it means for the store that RocksDB or a file said `status`.
StoreStatus SegmentSealer::note(StoreStatus status) {
  if (status == StoreStatus::kNoSpace && !listener_.broken()) {
    listener_.set_full();
  } else if (status != StoreStatus::kOk) {
    listener_.set_broken();
  }
  return status;
}

StoreStatus SegmentSealer::write_slice(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status status = tables_.database->Write(options, &batch);
  batch.Clear();
  if (status.ok()) return flush_full();
  if (status.IsShutdownInProgress()) return StoreStatus::kNoSpace;  // it is being closed
  IMS_LOG(kError, "segment_seal_failed", {{"error", status.ToString()}});
  return note(write_status(status));
}

StoreStatus SegmentSealer::flush_full() {
  return tables_.buffers_full() ? flush() : StoreStatus::kOk;
}

StoreStatus SegmentSealer::flush() {
  const rocksdb::Status status = tables_.database->Flush(rocksdb::FlushOptions(), tables_.tables);
  if (status.ok()) return StoreStatus::kOk;
  if (status.IsShutdownInProgress()) return StoreStatus::kNoSpace;  // it is being closed
  IMS_LOG(kError, "segment_flush_failed", {{"error", status.ToString()}});
  return note(write_status(status));
}

StoreStatus SegmentSealer::write_extents(const FullSegment& full, rocksdb::WriteBatch& batch) {
  std::vector<const SegmentTimeline*> timelines;
  full.index->for_each_timeline([&](const SegmentTimeline& each) { timelines.push_back(&each); });
  std::ranges::sort(timelines, [](const SegmentTimeline* a, const SegmentTimeline* b) {
    return a->partition != b->partition ? a->partition < b->partition : a->id < b->id;
  });
  std::string key;
  std::string value;
  int ops = 0;
  for (const SegmentTimeline* timeline : timelines) {
    const std::uint32_t rows = timeline->rows();
    for (std::uint32_t at = 0; at < rows; at += kExtentRowsMax) {
      // Time ascends with seq: the newest of the timeline is an upper bound for all its extents.
      encode_extent(*timeline, full.index->number(), at, std::min(kExtentRowsMax, rows - at),
                    timeline->last_time_ms, key, value);
      batch.Put(tables_.extents(), slice_of(key), slice_of(value)).PermitUncheckedError();
      if (++ops % kSliceOps != 0) continue;
      if (const StoreStatus status = write_slice(batch); status != StoreStatus::kOk) return status;
      make_next();
    }
  }
  return StoreStatus::kOk;
}

StoreStatus SegmentSealer::write_points(const FullSegment& full, rocksdb::WriteBatch& batch) {
  std::vector<const SegmentPoint*> points;
  full.index->for_each_point([&](const SegmentPoint& each) { points.push_back(&each); });
  std::ranges::sort(
      points, [](const SegmentPoint* a, const SegmentPoint* b) { return a->key() < b->key(); });
  std::string buffer;
  StoreBatch::OpView op;
  int ops = 0;
  for (const SegmentPoint* point : points) {
    const StoreStatus read =
        tables_.files->read(full.index->number(), point->ref(), ReadTier::kMayBlock, buffer, op);
    if (read != StoreStatus::kOk) {
      IMS_LOG(kError, "segment_seal_failed",
              {{"segment", full.index->number()}, {"read", static_cast<int>(read)}});
      return note(StoreStatus::kIoError);
    }
    add_op(batch, tables_.of(op.table), op.op, op.key, op.value).PermitUncheckedError();
    if (++ops % kSliceOps != 0) continue;
    if (const StoreStatus status = write_slice(batch); status != StoreStatus::kOk) return status;
    make_next();
  }
  return StoreStatus::kOk;
}

StoreStatus SegmentSealer::seal_now(FullSegment& full) {
  rocksdb::WriteBatch batch;
  StoreStatus status = write_extents(full, batch);
  if (status == StoreStatus::kOk) status = write_points(full, batch);
  if (status != StoreStatus::kOk) return status;
  const SegmentFacts facts{full.index->number(), full.index->newest_ms(), full.bytes,
                           full.last_commit};
  batch.Put(tables_.of(Table::kMeta), segment_facts_key(facts.number), encode_segment_facts(facts))
      .PermitUncheckedError();
  status = write_slice(batch);
  if (status == StoreStatus::kOk) status = flush();
  if (status != StoreStatus::kOk) return status;
  // What was made for it and not used, and what a write that failed may have left. (Not needed: its
  // bytes are known.)
  if (full.file.fd >= 0 && full.bytes < full.file.bytes) {
    if (io_.truncate(full.file.path, full.file.fd, full.bytes) == StoreStatus::kIoError) {
      return note(StoreStatus::kIoError);
    }
  }
  close_segment(full.file);
  facts_.push_back(facts);
  facts_bytes_ += facts.bytes;
  note_facts();
  sealed_.store(facts.number, std::memory_order_release);
  return StoreStatus::kOk;
}

}  // namespace ims::logic
