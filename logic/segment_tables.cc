// Merging (segment_tables.h).
#include "logic/segment_tables.h"

#include <rocksdb/write_buffer_manager.h>

#include "logic/rocks_read.h"
#include "logic/segment_extents.h"
#include "logic/segment_merge.h"
#include "logic/segment_points.h"
#include "logic/segment_rows.h"
#include "logic/segment_scout.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

StoreStatus scan_table(const SegmentTables& tables, const SegmentView& view, Table table,
                       std::string_view from, std::string_view to, bool reverse, ReadTier tier,
                       RowVisitor& visitor) {
  MergedKeys keys(tables, view, table, from, to, reverse, tier);
  for (; keys.status() == StoreStatus::kOk; keys.next()) {
    if (!visitor.on_row(keys.key(), keys.value())) return StoreStatus::kOk;
  }
  return keys.status() == StoreStatus::kNotFound ? StoreStatus::kOk : keys.status();
}

// A row of a segment. What is not there although an index has it was removed meanwhile, being old.
StoreStatus read_row(const SegmentTables& tables, std::uint32_t segment, const SegmentRef& ref,
                     std::string_view key, ReadTier tier, std::string& buffer,
                     StoreBatch::OpView& op) {
  const StoreStatus status = tables.files->read(segment, ref, tier, buffer, op);
  if (status == StoreStatus::kNotFound) {
    return tables.was_removed(segment) ? StoreStatus::kNotFound : StoreStatus::kCorrupt;
  }
  return status == StoreStatus::kOk && op.key != key ? StoreStatus::kCorrupt : status;
}

StoreStatus scan_rows(const SegmentTables& tables, const SegmentView& view, std::string_view from,
                      std::string_view to, bool reverse, ReadTier tier, RowVisitor& visitor) {
  SegmentRows rows(tables, view, from, to, reverse, tier);
  MergedKeys keys(tables, view, Table::kRows, from, to, reverse, tier);
  std::string buffer;
  StoreBatch::OpView op;
  SegmentScout scout(tables, view, from, to, reverse);
  for (std::uint64_t visited = 0;;) {
    const bool in_keys = keys.status() == StoreStatus::kOk;
    const bool in_rows = rows.status() == StoreStatus::kOk;
    if (!in_keys && keys.status() != StoreStatus::kNotFound) return keys.status();
    if (!in_rows && rows.status() != StoreStatus::kNotFound) return rows.status();
    if (!in_keys && !in_rows) return StoreStatus::kOk;
    const int order = in_keys && in_rows ? keys.key().compare(rows.key()) : 0;
    if (in_keys && (!in_rows || order == 0 || (order < 0) != reverse)) {
      if (in_rows && order == 0) rows.next();  // written again since
      if (!visitor.on_row(keys.key(), keys.value())) return StoreStatus::kOk;
      keys.next();
      continue;
    }
    if (tier == ReadTier::kMayBlock) scout.follow(rows.key(), visited++);
    const StoreStatus read =
        read_row(tables, rows.segment(), rows.ref(), rows.key(), tier, buffer, op);
    if (read == StoreStatus::kCorrupt) {
      IMS_LOG(kError, "segment_row_damaged",
              {{"segment", rows.segment()}, {"offset", rows.ref().offset}});
      if (!visitor.on_damaged(rows.key())) return read;
    } else if (read != StoreStatus::kNotFound) {
      if (read != StoreStatus::kOk) return read;
      if (!visitor.on_row(op.key, op.value)) return StoreStatus::kOk;
    }
    rows.next();
  }
}

StoreStatus get_row(const SegmentTables& tables, const SegmentView& view, std::string_view key,
                    std::string* value, ReadTier tier) {
  const auto parts = parse_row_key(key);
  if (!parts) return StoreStatus::kNotFound;
  std::string buffer;
  StoreBatch::OpView op;
  std::uint32_t segment = 0;
  SegmentRef ref;
  for (std::size_t at = view.size(); at-- > 0 && segment == 0;) {
    const SegmentTimeline* timeline = view[at].find(parts->timeline);
    if (timeline == nullptr || parts->seq < timeline->first_seq) continue;
    const std::uint64_t row = parts->seq - timeline->first_seq;
    if (row >= timeline->rows()) continue;
    segment = view[at].number();
    ref = timeline->ref(static_cast<std::uint32_t>(row));
  }
  if (segment == 0) {
    std::string to(key);
    to.push_back('\0');
    const SegmentRows rows(tables, view, key, to, false, tier);
    if (rows.status() != StoreStatus::kOk) return rows.status();
    segment = rows.segment();
    ref = rows.ref();
  }
  const StoreStatus read = read_row(tables, segment, ref, key, tier, buffer, op);
  if (read == StoreStatus::kOk) value->assign(op.value);
  return read;
}

}  // namespace

bool SegmentTables::buffers_full() const noexcept {
  return buffers != nullptr && buffers->mutable_memtable_memory_usage() > buffers_max;
}

StoreStatus segments_get(const SegmentTables& tables, const SegmentView& view, Table table,
                         std::string_view key, std::string* value, ReadTier tier) {
  if (tables.all_are_points || is_point(table, key)) {
    std::string buffer;
    make_point_key(table, key, buffer);
    const std::uint64_t hash = SegmentIndex::hash_point(buffer);
    for (std::size_t at = view.size(); at-- > 0;) {
      const SegmentPoint* point = view[at].find_point(hash, buffer);
      if (point == nullptr) continue;
      StoreBatch::OpView op;
      std::string bytes;
      const StoreStatus read = tables.files->read(view[at].number(), point->ref(), tier, bytes, op);
      if (read == StoreStatus::kNotFound) {
        if (!tables.was_removed(view[at].number())) return StoreStatus::kCorrupt;
        break;
      }
      if (read != StoreStatus::kOk) return read;
      if (op.op == StoreBatch::Op::kDelete) return StoreStatus::kNotFound;
      value->assign(op.value);
      return StoreStatus::kOk;
    }
  }
  const StoreStatus status = rocks_get(*tables.database, tables.of(table), key, value, tier);
  if (status != StoreStatus::kNotFound || table != Table::kRows) return status;
  return get_row(tables, view, key, value, tier);
}

StoreStatus segments_scan(const SegmentTables& tables, const SegmentView& view, Table table,
                          std::string_view from, std::string_view to, bool reverse, ReadTier tier,
                          RowVisitor& visitor) {
  if (from >= to) return StoreStatus::kOk;
  if (table == Table::kRows) return scan_rows(tables, view, from, to, reverse, tier, visitor);
  return scan_table(tables, view, table, from, to, reverse, tier, visitor);
}

}  // namespace ims::logic
