// A copy that SegmentStore::checkpoint() made, opened to be read: the store as of one moment. What
// only the log holds is indexed in memory; no file is written, none is locked.
//
// Threads  Any.
// Memory   The block cache, and indexes of the segments that were not sealed.
// Errors   The constructor throws StoreError. write() and sync() are refused with kIoError.
#pragma once

#include <memory>
#include <string>

#include "logic/read_only_store.h"
#include "logic/segment_tables.h"
#include "logic/segment_views.h"
#include "logic/store_options.h"

namespace ims::logic {

struct RocksOptions;

class SegmentCopy final : public ReadOnlyStore {
 public:
  SegmentCopy(const std::string& directory, const StoreOptions& options);
  ~SegmentCopy() override;
  SegmentCopy(const SegmentCopy&) = delete;
  SegmentCopy& operator=(const SegmentCopy&) = delete;

  StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) override;
  StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                   ReadTier tier, RowVisitor& visitor) override;

 private:
  void index_log(const std::string& directory);
  void close();

  std::unique_ptr<RocksOptions> options_;
  std::unique_ptr<rocksdb::DB> database_;
  SegmentReader files_;
  SegmentTables tables_;
  SegmentViews views_;
};

}  // namespace ims::logic
