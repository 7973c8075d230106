// The keys of a table of RocksDB with the points over them (segment_points.h), one after the other.
//
// Threads  One, the reader's, within one read. The view stays pinned meanwhile.
#pragma once

#include <rocksdb/db.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "logic/segment_points.h"
#include "logic/segment_tables.h"

namespace ims::logic {

class MergedKeys {
 public:
  MergedKeys(const SegmentTables& tables, const SegmentView& view, Table table,
             std::string_view from, std::string_view to, bool reverse, ReadTier tier);

  // kOk: key() and value() hold; kNotFound: the end; else what came in between.
  StoreStatus status() const noexcept { return status_; }
  std::string_view key() const noexcept { return key_; }
  std::string_view value() const noexcept { return value_; }

  void next() {
    step();
    settle();
  }

 private:
  bool before(std::string_view a, std::string_view b) const noexcept {
    return reverse_ ? a > b : a < b;
  }
  void step();
  void step_rows();
  void settle();
  bool skip_older(const PointPlace& place);

  const SegmentTables& tables_;
  const Table table_;
  const bool reverse_;
  const ReadTier tier_;
  const rocksdb::Slice lower_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> rows_;
  std::vector<PointPlace> points_;
  std::size_t at_ = 0;
  bool in_points_ = false;
  StoreStatus status_ = StoreStatus::kOk;
  std::string_view key_;
  std::string_view value_;
  std::string buffer_;
};

}  // namespace ims::logic
