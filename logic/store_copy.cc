// Opening a copy and reading it (store_copy.h).
#include "logic/store_copy.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <vector>

#include "logic/rocks_open.h"
#include "logic/rocks_options.h"
#include "logic/rocks_read.h"
#include "shared/assert.h"

namespace ims::logic {

StoreCopy::StoreCopy(const std::string& directory, const StoreOptions& options)
    : options_(std::make_unique<RocksOptions>(options, nullptr)) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  database_ = open_rocks_copy(directory, *options_, handles);
  IMS_ASSERT(handles.size() == handles_.size());
  std::copy(handles.begin(), handles.end(), handles_.begin());

  try {
    check_copy_format(*this, directory);
  } catch (...) {
    close();
    throw;
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
