// Sorting ops by where they go (segment_apply.h).
#include "logic/segment_apply.h"

#include "logic/rocks_write.h"
#include "logic/segment_extents.h"
#include "logic/segment_format.h"
#include "logic/segment_points.h"
#include "logic/sys_keys.h"
#include "shared/assert.h"

namespace ims::logic {

bool SegmentApply::is_point_op(const StoreBatch::OpView& op) const noexcept {
  return tables_.all_are_points || is_point(op.table, op.key);
}

void SegmentApply::add(const StoreBatch::OpView& op, rocksdb::WriteBatch& batch) const {
  const rocksdb::Status added = add_op(batch, tables_.of(op.table), op.op, op.key, op.value);
  IMS_ASSERT(added.ok());
}

bool SegmentApply::others(SegmentIndex& index, std::string_view body, rocksdb::WriteBatch& batch) {
  StoreBatch::OpView op;
  for (std::size_t at = 0; at < body.size(); at += op.bytes) {
    const bool whole = StoreBatch::read_op(body.substr(at), op);
    IMS_ASSERT(whole);
    if (is_row(op)) index.prefetch_timeline(parse_row_key(op.key)->timeline);
  }
  bool any = false;
  for (std::size_t at = 0; at < body.size(); at += op.bytes) {
    StoreBatch::read_op(body.substr(at), op);
    if (is_row(op)) {
      const auto key = parse_row_key(op.key);
      planned_.push_back(index.plan(key->timeline, key->seq));
      if (planned_.back() != nullptr) continue;
    }
    if (is_point_op(op)) continue;
    any = true;
    add(op, batch);
  }
  return any;
}

void SegmentApply::index(SegmentIndex& index, std::string_view body, std::uint64_t offset) {
  StoreBatch::OpView op;
  for (std::size_t at = 0; at < body.size(); at += op.bytes) {
    StoreBatch::read_op(body.substr(at), op);
    SegmentTimeline* timeline = is_row(op) ? planned_[next_row_++] : nullptr;
    if (timeline == nullptr && !is_point_op(op)) continue;
    const SegmentRef ref{static_cast<std::uint32_t>(offset + at),
                         static_cast<std::uint32_t>(op.bytes), hash_op(body.substr(at, op.bytes))};
    if (timeline != nullptr) {
      index.add(*timeline, read_big_endian<std::int64_t>(op.value), ref);
      continue;
    }
    make_point_key(op.table, op.key, key_);
    index.put_point(SegmentIndex::hash_point(key_), key_, ref);
  }
}

}  // namespace ims::logic
