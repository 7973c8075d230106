// Point reads and bounded scans on RocksDB (rocks_read.h).
#include "logic/rocks_read.h"

#include <rocksdb/db.h>

#include <memory>

namespace ims::logic {
namespace {

rocksdb::Slice slice(std::string_view bytes) noexcept { return {bytes.data(), bytes.size()}; }
std::string_view view(const rocksdb::Slice& slice) noexcept { return {slice.data(), slice.size()}; }

StoreStatus read_status(const rocksdb::Status& status) noexcept {
  if (status.ok()) return StoreStatus::kOk;
  if (status.IsNotFound()) return StoreStatus::kNotFound;
  if (status.IsIncomplete()) return StoreStatus::kIncomplete;
  if (status.IsCorruption()) return StoreStatus::kCorrupt;
  return StoreStatus::kIoError;
}

rocksdb::ReadOptions read_options(ReadTier tier) {
  rocksdb::ReadOptions options;
  options.read_tier =
      tier == ReadTier::kCacheOnly ? rocksdb::kBlockCacheTier : rocksdb::kReadAllTier;
  // Nothing here deletes ranges. Looking for range deletions, an iterator of 7.8 that cannot read a
  // level's next file (Incomplete, an I/O error) ends or jumps ahead there with status OK.
  options.ignore_range_deletions = true;
  return options;
}

}  // namespace

StoreStatus rocks_get(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                      std::string_view key, std::string* value, ReadTier tier) {
  return read_status(database.Get(read_options(tier), table, slice(key), value));
}

StoreStatus rocks_scan(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                       std::string_view from, std::string_view to, bool reverse, ReadTier tier,
                       RowVisitor& visitor) {
  if (from >= to) return StoreStatus::kOk;
  const rocksdb::Slice lower = slice(from);
  const rocksdb::Slice upper = slice(to);
  rocksdb::ReadOptions options = read_options(tier);
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> rows(database.NewIterator(options, table));
  if (reverse) {
    rows->SeekToLast();
  } else {
    rows->Seek(lower);
  }
  while (rows->Valid()) {
    if (!visitor.on_row(view(rows->key()), view(rows->value()))) return StoreStatus::kOk;
    if (reverse) {
      rows->Prev();
    } else {
      rows->Next();
    }
  }
  return read_status(rows->status());
}

}  // namespace ims::logic
