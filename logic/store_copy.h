// A copy that RocksStore::checkpoint() made, opened to be read: the store as of one moment. What
// only the WAL holds is replayed into memory; no file is written, none is locked, so the boot
// counter, the commit floor and the original know nothing of it.
//
// Threads  Any.
// Memory   The block cache, and up to the size of the WAL (max_total_wal_size).
// Errors   The constructor throws StoreError. write() and sync() are refused with kIoError.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "logic/read_only_store.h"
#include "logic/store_options.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace ims::logic {

struct RocksOptions;

class StoreCopy final : public ReadOnlyStore {
 public:
  StoreCopy(const std::string& directory, const StoreOptions& options);
  ~StoreCopy() override;
  StoreCopy(const StoreCopy&) = delete;
  StoreCopy& operator=(const StoreCopy&) = delete;

  StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) override;
  StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                   ReadTier tier, RowVisitor& visitor) override;

 private:
  rocksdb::ColumnFamilyHandle* handle(Table table) const noexcept {
    return handles_[static_cast<std::size_t>(table)];
  }
  void close();

  std::unique_ptr<RocksOptions> options_;
  std::unique_ptr<rocksdb::DB> database_;
  std::array<rocksdb::ColumnFamilyHandle*, kTableCount> handles_{};
};

}  // namespace ims::logic
