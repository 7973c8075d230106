// Point reads and bounded scans on RocksDB (rocks_read.h).
#include "logic/rocks_read.h"

#include <rocksdb/db.h>

#include <memory>

#include "logic/rocks_slice.h"

namespace ims::logic {

StoreStatus rocks_status(const rocksdb::Status& status) noexcept {
  if (status.ok()) return StoreStatus::kOk;
  if (status.IsNotFound()) return StoreStatus::kNotFound;
  if (status.IsIncomplete()) return StoreStatus::kIncomplete;
  if (status.IsCorruption()) return StoreStatus::kCorrupt;
  return StoreStatus::kIoError;
}

rocksdb::ReadOptions rocks_read_options(ReadTier tier) {
  rocksdb::ReadOptions options;
  options.read_tier =
      tier == ReadTier::kCacheOnly ? rocksdb::kBlockCacheTier : rocksdb::kReadAllTier;
  // Nothing here deletes ranges. Looking for range deletions, an iterator of 7.8 that cannot read a
  // level's next file (Incomplete, an I/O error) ends or jumps ahead there with status OK.
  options.ignore_range_deletions = true;
  return options;
}

StoreStatus rocks_get(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                      std::string_view key, std::string* value, ReadTier tier) {
  return rocks_status(database.Get(rocks_read_options(tier), table, slice_of(key), value));
}

StoreStatus rocks_scan(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                       std::string_view from, std::string_view to, bool reverse, ReadTier tier,
                       RowVisitor& visitor) {
  if (from >= to) return StoreStatus::kOk;
  const rocksdb::Slice lower = slice_of(from);
  const rocksdb::Slice upper = slice_of(to);
  rocksdb::ReadOptions options = rocks_read_options(tier);
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> rows(database.NewIterator(options, table));
  if (reverse) {
    rows->SeekToLast();
  } else {
    rows->Seek(lower);
  }
  while (rows->Valid()) {
    if (!visitor.on_row(view_of(rows->key()), view_of(rows->value()))) return StoreStatus::kOk;
    if (reverse) {
      rows->Prev();
    } else {
      rows->Next();
    }
  }
  return rocks_status(rows->status());
}

}  // namespace ims::logic
