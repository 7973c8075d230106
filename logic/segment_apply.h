// What a record of the log does, for writes and for replays: rows and points into the segment's
// index, everything else to RocksDB.
//
// Threads  The index's writer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "logic/segment_index.h"
#include "logic/segment_tables.h"
#include "logic/store.h"

namespace rocksdb {
class WriteBatch;
}

namespace ims::logic {

class SegmentApply {
 public:
  explicit SegmentApply(const SegmentTables& tables) : tables_(tables) {}

  // Before a record's bodies, in order.
  void begin() noexcept {
    planned_.clear();
    next_row_ = 0;
  }

  // Adds what of `body` is RocksDB's to `batch`, and plans its rows. True if there was anything for
  // RocksDB.
  bool others(SegmentIndex& index, std::string_view body, rocksdb::WriteBatch& batch);

  // Then, once that is written: lets readers see rows and points of `body`, which lies at `offset`
  // of the index's segment.
  void index(SegmentIndex& index, std::string_view body, std::uint64_t offset);

 private:
  // Is the op a row that an index can hold?
  static bool is_row(const StoreBatch::OpView& op) noexcept {
    return op.op == StoreBatch::Op::kAppend && op.table == Table::kRows &&
           op.key.size() == kRowKeyBytes && op.value.size() >= sizeof(std::int64_t);
  }
  bool is_point_op(const StoreBatch::OpView& op) const noexcept;
  void add(const StoreBatch::OpView& op, rocksdb::WriteBatch& batch) const;

  const SegmentTables& tables_;
  std::vector<SegmentTimeline*> planned_;  // by row of the record; null: not the index's
  std::size_t next_row_ = 0;               // of planned_, in index()
  std::string key_;
};

}  // namespace ims::logic
