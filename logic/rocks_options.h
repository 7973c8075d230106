// Every RocksDB option that we set, each with its reason (rocks_options.cc).
//
// Ownership  The filters and caches live as long as the database; StoreOptions' pointers longer.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "logic/rocks_listener.h"
#include "logic/rocks_retention.h"
#include "logic/store_options.h"

namespace ims::logic {

struct RocksOptions {
  // kSegments: one table more, for extents (segment_extents.h), and writes without a WAL.
  enum class Use : std::uint8_t { kAlone, kSegments };

  // `listener` may be null: nothing is written.
  RocksOptions(const StoreOptions& options, std::shared_ptr<RocksListener> listener,
               Use use = Use::kAlone);

  // Takes memory that is not RocksDB's off the cache's bound. Any thread.
  void reserve(std::uint64_t bytes);

  std::uint64_t write_buffers_max = 0;  // flushed from here on
  rocksdb::DBOptions database;
  std::vector<rocksdb::ColumnFamilyDescriptor> tables;  // by Table; kMeta is "default"

 private:
  void set_database(const StoreOptions& options, std::shared_ptr<RocksListener> listener, Use use);
  void set_tables(const StoreOptions& options, Use use);

  const std::uint64_t cache_bytes_;
  std::shared_ptr<rocksdb::Cache> cache_;  // blocks, indexes, filters and write buffers
  std::vector<std::unique_ptr<RocksRetention>> filters_;
};

}  // namespace ims::logic
