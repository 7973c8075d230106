// Every RocksDB option that we set, each with its reason (rocks_options.cc).
//
// Ownership  The filters and caches live as long as the database; StoreOptions' pointers longer.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>

#include <memory>
#include <vector>

#include "logic/rocks_listener.h"
#include "logic/rocks_retention.h"
#include "logic/store_options.h"

namespace ims::logic {

struct RocksOptions {
  // `listener` may be null: nothing is written.
  RocksOptions(const StoreOptions& options, std::shared_ptr<RocksListener> listener);

  rocksdb::DBOptions database;
  std::vector<rocksdb::ColumnFamilyDescriptor> tables;  // by Table; kMeta is "default"

 private:
  void set_database(const StoreOptions& options, std::shared_ptr<RocksListener> listener);
  void set_tables(const StoreOptions& options);

  std::shared_ptr<rocksdb::Cache> cache_;  // blocks, indexes, filters and write buffers
  std::vector<std::unique_ptr<RocksRetention>> filters_;
};

}  // namespace ims::logic
