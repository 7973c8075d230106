// Reading a store of segments: RocksDB's tables, what lies over them in segments that are not
// sealed, and the rows in all of them. For the store and for its copies.
//
//   a row     in kRows of RocksDB (written by put, or by the engine before): that one
//             else by a view's index, or an extent: in a segment
//   a point   (segment_points.h) newest segment of the view first, then RocksDB; where that segment
//             was removed meanwhile, RocksDB: it has this value or a newer one
//
// A sealed segment's rows are in RocksDB before its index leaves the view. So a reader enters the
// view first, then reads RocksDB, and takes no extent of a segment that the view still has.
//
// Threads  Any.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "logic/segment_reader.h"
#include "logic/segment_views.h"
#include "logic/store.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class WriteBufferManager;
}  // namespace rocksdb

namespace ims::logic {

// What the store reads from. Outlives every read.
struct SegmentTables {
  rocksdb::DB* database = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> tables;  // by Table, then extents
  SegmentReader* files = nullptr;
  const rocksdb::WriteBufferManager* buffers = nullptr;
  std::uint64_t buffers_max = 0;
  // relaxed: a lone number. Segments below it were removed, their rows are past retention.
  std::atomic<std::uint32_t> first_live{0};
  bool all_are_points = false;  // a copy: nothing is written to its RocksDB

  rocksdb::ColumnFamilyHandle* of(Table table) const noexcept {
    return tables[static_cast<std::size_t>(table)];
  }
  // Its file is gone, perhaps while a view still has it. What it held is past retention, or was
  // moved into RocksDB before.
  bool was_removed(std::uint32_t segment) const noexcept {
    return segment < first_live.load(std::memory_order_relaxed);
  }
  bool buffers_full() const noexcept;
  rocksdb::ColumnFamilyHandle* extents() const noexcept { return tables[kTableCount]; }
};

StoreStatus segments_get(const SegmentTables& tables, const SegmentView& view, Table table,
                         std::string_view key, std::string* value, ReadTier tier);
StoreStatus segments_scan(const SegmentTables& tables, const SegmentView& view, Table table,
                          std::string_view from, std::string_view to, bool reverse, ReadTier tier,
                          RowVisitor& visitor);

}  // namespace ims::logic
