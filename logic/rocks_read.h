// Reads of one column family, as Store promises them: for every engine on RocksDB.
//
// Threads  Any. Errors  By value, as Store has them.
#pragma once

#include <string>
#include <string_view>

#include "logic/store.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Status;
struct ReadOptions;
}  // namespace rocksdb

namespace ims::logic {

rocksdb::ReadOptions rocks_read_options(ReadTier tier);
StoreStatus rocks_status(const rocksdb::Status& status) noexcept;  // of a read

StoreStatus rocks_get(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                      std::string_view key, std::string* value, ReadTier tier);
StoreStatus rocks_scan(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                       std::string_view from, std::string_view to, bool reverse, ReadTier tier,
                       RowVisitor& visitor);

}  // namespace ims::logic
