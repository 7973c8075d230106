// What a write to RocksDB is made of, for every engine on it.
#pragma once

#include <rocksdb/write_batch.h>

#include <string_view>

#include "logic/rocks_slice.h"
#include "logic/store.h"

namespace ims::logic {

inline rocksdb::Status add_op(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* table,
                              StoreBatch::Op op, std::string_view key, std::string_view value) {
  return op == StoreBatch::Op::kDelete ? batch.Delete(table, slice_of(key))
                                       : batch.Put(table, slice_of(key), slice_of(value));
}

// Of a write, a flush, a copy (of a read: rocks_status()).
inline StoreStatus write_status(const rocksdb::Status& status) noexcept {
  if (status.ok()) return StoreStatus::kOk;
  return status.IsNoSpace() ? StoreStatus::kNoSpace : StoreStatus::kIoError;
}

}  // namespace ims::logic
