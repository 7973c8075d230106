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
}  // namespace rocksdb

namespace ims::logic {

StoreStatus rocks_get(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                      std::string_view key, std::string* value, ReadTier tier);
StoreStatus rocks_scan(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                       std::string_view from, std::string_view to, bool reverse, ReadTier tier,
                       RowVisitor& visitor);

}  // namespace ims::logic
