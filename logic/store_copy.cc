// Opening a copy and reading it (store_copy.h).
#include "logic/store_copy.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <vector>

#include "logic/big_endian.h"
#include "logic/rocks_options.h"
#include "logic/rocks_read.h"
#include "logic/sys_keys.h"
#include "shared/assert.h"

namespace ims::logic {

StoreCopy::StoreCopy(const std::string& directory, const StoreOptions& options)
    : options_(std::make_unique<RocksOptions>(options, nullptr)) {
  options_->database.create_if_missing = false;
  rocksdb::DB* database = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(
      options_->database, directory, options_->tables, &handles, &database);
  if (!status.ok()) {
    throw StoreError("store: cannot open the copy " + directory + ": " + status.ToString());
  }
  database_.reset(database);
  IMS_ASSERT(handles.size() == handles_.size());
  std::copy(handles.begin(), handles.end(), handles_.begin());

  std::string format;
  if (get(Table::kMeta, kSysFormat, &format, ReadTier::kMayBlock) != StoreStatus::kOk ||
      format.size() != sizeof kStoreFormat ||
      read_big_endian<std::uint32_t>(format) < kStoreFormatMin ||
      read_big_endian<std::uint32_t>(format) > kStoreFormat) {
    close();
    throw StoreError("store: the copy " + directory + " is not of format " +
                     std::to_string(kStoreFormat));
  }
}

StoreCopy::~StoreCopy() { close(); }

void StoreCopy::close() {
  for (rocksdb::ColumnFamilyHandle* family : handles_) delete family;
  database_->Close().PermitUncheckedError();
}

StoreStatus StoreCopy::get(Table table, std::string_view key, std::string* value, ReadTier tier) {
  return rocks_get(*database_, handle(table), key, value, tier);
}

StoreStatus StoreCopy::scan(Table table, std::string_view from, std::string_view to, bool reverse,
                            ReadTier tier, RowVisitor& visitor) {
  return rocks_scan(*database_, handle(table), from, to, reverse, tier, visitor);
}

}  // namespace ims::logic
