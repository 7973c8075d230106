// Stepping through both (segment_merge.h).
#include "logic/segment_merge.h"

#include <algorithm>

#include "logic/rocks_read.h"
#include "logic/rocks_slice.h"

namespace ims::logic {

MergedKeys::MergedKeys(const SegmentTables& tables, const SegmentView& view, Table table,
                       std::string_view from, std::string_view to, bool reverse, ReadTier tier)
    : tables_(tables),
      table_(table),
      reverse_(reverse),
      tier_(tier),
      lower_(slice_of(from)),
      upper_(slice_of(to)) {
  rocksdb::ReadOptions options = rocks_read_options(tier);
  options.iterate_lower_bound = &lower_;
  options.iterate_upper_bound = &upper_;
  rows_.reset(tables.database->NewIterator(options, tables.of(table)));
  if (tables.all_are_points || may_hold_points(table, from, to)) {
    points_ = collect_points(view, table, from, to);
    if (reverse) std::ranges::reverse(points_);
  }
  if (reverse) {
    rows_->SeekToLast();
  } else {
    rows_->Seek(lower_);
  }
  settle();
}

void MergedKeys::step() {
  if (in_points_) {
    ++at_;
  } else {
    step_rows();
  }
}

void MergedKeys::step_rows() {
  if (reverse_) {
    rows_->Prev();
  } else {
    rows_->Next();
  }
}

// The point is newer than RocksDB's row of the same key: past that. Its key is the point's own: the
// iterator moves. False: the iterator failed.
bool MergedKeys::skip_older(const PointPlace& place) {
  if (!rows_->Valid() || view_of(rows_->key()) != place.key) return true;
  step_rows();
  if (rows_->Valid() || rows_->status().ok()) return true;
  status_ = rocks_status(rows_->status());
  return false;
}

// Comes to rest on the next key that has a value.
void MergedKeys::settle() {
  for (;; step()) {
    if (!rows_->Valid()) {
      status_ = rocks_status(rows_->status());
      if (status_ != StoreStatus::kOk) return;
    }
    const bool point = at_ < points_.size();
    status_ = StoreStatus::kNotFound;
    if (!rows_->Valid() && !point) return;
    in_points_ = point && (!rows_->Valid() || !before(view_of(rows_->key()), points_[at_].key));
    if (!in_points_) {
      key_ = view_of(rows_->key());
      value_ = view_of(rows_->value());
      status_ = StoreStatus::kOk;
      return;
    }
    const PointPlace& place = points_[at_];
    if (!skip_older(place)) return;
    StoreBatch::OpView op;
    status_ = tables_.files->read(place.segment, place.ref, tier_, buffer_, op);
    if (status_ == StoreStatus::kNotFound && tables_.was_removed(place.segment)) {
      // Not by the iterator, which may be older than the seal.
      status_ = rocks_get(*tables_.database, tables_.of(table_), place.key, &buffer_, tier_);
      if (status_ == StoreStatus::kNotFound) continue;
      op.op = StoreBatch::Op::kPut;
      op.value = buffer_;
    } else if (status_ == StoreStatus::kNotFound) {
      status_ = StoreStatus::kCorrupt;
    }
    if (status_ != StoreStatus::kOk) return;
    if (op.op == StoreBatch::Op::kDelete) continue;
    key_ = place.key;
    value_ = op.value;
    return;
  }
}

}  // namespace ims::logic
