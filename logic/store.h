// The narrow interface to what is durable: three tables of ordered byte keys, atomic batches, point
// reads and bounded scans. One contract test suite runs against every engine.
//
//   RocksStore    one RocksDB, one column family per table, one WAL: the default
//   SegmentStore  the log holds the rows for good; RocksDB holds where they are, and the rest
//                 (inside a ReopeningStore)
//   MemoryStore   std::map; tests and tsan builds
//   SimStore      (tests/support) loses and tears what was not synced, fails on request
//
// Threads   write() belongs to the committer, kCacheOnly reads to any worker, kMayBlock reads to
//           the reader and to start-up. All of them may run at the same time.
// Errors    by value. kIncomplete: the answer is not in memory and the caller said kCacheOnly.
//           kNoSpace: nothing was written, later writes may succeed. kIoError: nothing may be
//           acknowledged any more; the process ends with exit code 75 and recovery decides.
//           A crash right after a failed write may bring it back, as a whole or not at all; once a
//           later write succeeded it is gone for good.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/bytes.h"

namespace ims {
class CounterBlock;
}

namespace ims::logic {

enum class Table : std::uint8_t { kMeta = 0, kRows = 1, kCursors = 2 };
inline constexpr int kTableCount = 3;

enum class StoreStatus : std::uint8_t {
  kOk,
  kNotFound,    // get: no such key
  kIncomplete,  // kCacheOnly: ask again on a thread that may block
  kNoSpace,     // write: refused, nothing kept
  kIoError,     // the store can no longer be trusted
  kCorrupt,     // a checksum or an encoding is wrong
};

enum class ReadTier : std::uint8_t { kCacheOnly, kMayBlock };

// An ordered list of puts and deletes that becomes durable as a whole or not at all. Reused:
// clear() keeps the memory.
//
//   op   | table u8 | op u8 | key bytes u16 | value bytes u32 | key | value |
class StoreBatch {
 public:
  // kAppend is a put of a row that is not in the table yet; for most engines any put.
  enum class Op : std::uint8_t { kPut = 0, kDelete = 1, kAppend = 2 };

  struct OpView {
    Table table;
    Op op;
    std::string_view key;
    std::string_view value;
    std::size_t bytes;  // of the whole op
  };

  void put(Table table, std::string_view key, std::string_view value) {
    append_op(table, Op::kPut, key, value);
  }
  void erase(Table table, std::string_view key) { append_op(table, Op::kDelete, key, {}); }

  // As put(), but the caller writes the value: room for `value_bytes`, valid until the next call.
  char* put_space(Table table, std::string_view key, std::size_t value_bytes);

  // A new row of kRows, whose key is not in the table. Puts may replace it; nothing erases it.
  void append(std::string_view key, std::string_view value) {
    append_op(Table::kRows, Op::kAppend, key, value);
  }
  char* append_space(std::string_view key, std::size_t value_bytes);

  void clear() noexcept {
    bytes_.clear();
    count_ = 0;
  }
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size_bytes() const noexcept { return bytes_.size(); }
  std::uint32_t count() const noexcept { return count_; }

  // Where the latest value is in bytes(): for pushes after the commit.
  std::size_t last_value_offset() const noexcept { return last_value_offset_; }
  std::string_view bytes() const noexcept { return bytes_; }

  // Calls visit(table, op, key, value) for each op in order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    OpView op;
    for (std::size_t at = 0; at < bytes_.size(); at += op.bytes) {
      read_op(std::string_view(bytes_).substr(at), op);
      visit(op.table, op.op, op.key, op.value);
    }
  }

  // The op that `bytes` begins with. False: they do not hold a whole one; `op.bytes` then says how
  // many it takes where they hold its header (kOpHeaderBytes), else 0.
  static bool read_op(std::string_view bytes, OpView& op) noexcept;
  static constexpr std::size_t kOpHeaderBytes = 8;

 private:
  struct OpHeader {
    Table table;
    Op op;
    std::uint16_t key_bytes;
    std::uint32_t value_bytes;
  };
  static_assert(sizeof(OpHeader) == kOpHeaderBytes);

  void append_op(Table table, Op op, std::string_view key, std::string_view value);
  char* append_op_space(Table table, Op op, std::string_view key, std::size_t value_bytes);

  std::string bytes_;
  std::uint32_t count_ = 0;
  std::size_t last_value_offset_ = 0;
};

// Receives a scan's rows in key order; views are valid during the call only. Return false to stop.
class RowVisitor {
 public:
  virtual bool on_row(std::string_view key, std::string_view value) = 0;
  // A row that is there and cannot be read. False: the scan ends with kCorrupt.
  virtual bool on_damaged(std::string_view) { return false; }

 protected:
  ~RowVisitor() = default;
};

// One virtual call per batch, read or page, never per row of a batch.
class Store {
 public:
  virtual ~Store() = default;

  // Applies all batches in order as one atomic write; with `sync` it returns only once they survive
  // a power cut. kOk, kNoSpace or kIoError; with the latter two none of them is kept.
  virtual StoreStatus write(const StoreBatch* const* batches, std::size_t count, bool sync) = 0;

  // Makes everything written without sync durable (durability = "interval"). After kNoSpace it is
  // also how the committer lets the store recover: kOk once writes may succeed again, else
  // kNoSpace.
  virtual StoreStatus sync() = 0;

  // Replaces `value`. kOk, kNotFound, kIncomplete, kIoError, kCorrupt.
  virtual StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) = 0;

  // Visits keys in [from, to) ascending, or descending from the last key below `to` where
  // `reverse`. kOk when the end or a `false` was reached; kIncomplete may come after some rows were
  // visited.
  virtual StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                           ReadTier tier, RowVisitor& visitor) = 0;

  // False from a watermark of free disk space on: new messages are refused before they fail.
  virtual bool has_space() = 0;

  // Its gauges, on the thread that writes.
  virtual void report(CounterBlock&) const {}
};

}  // namespace ims::logic
