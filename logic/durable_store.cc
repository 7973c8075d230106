// One engine or the other (durable_store.h).
#include "logic/durable_store.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "logic/segment_copy.h"
#include "logic/segment_extents.h"
#include "logic/store_copy.h"
#include "logic/store_reopening.h"
#include "logic/store_rocks.h"
#include "logic/store_segments.h"

namespace ims::logic {

std::unique_ptr<DurableStore> open_store(StoreEngine engine, const std::string& directory,
                                         const StoreOptions& options) {
  const StoreEngine made_by = engine_of_store(directory);
  if (engine == StoreEngine::kAuto) {
    engine = made_by == StoreEngine::kSegments ? made_by : StoreEngine::kRocksdb;
  }
  if (engine != StoreEngine::kRocksdb) {
    // Nothing is taken over that its own engine would refuse; it would have changed by then.
    if (made_by == StoreEngine::kRocksdb && !options.accept_loss) {
      const RocksStore checked(directory, options);
    }
    return std::make_unique<ReopeningStore>(directory, options);
  }
  if (made_by == StoreEngine::kSegments) {
    throw StoreError("store: " + directory + " is one of store_engine = \"segments\", which " +
                     "\"rocksdb\" cannot read; start with that, or with \"auto\"");
  }
  return std::make_unique<RocksStore>(directory, options);
}

StoreEngine engine_of_store(const std::string& directory) {
  std::error_code ignored;
  const bool has_folder = std::filesystem::is_directory(directory + "/" + kSegmentsFolder, ignored);
  const bool has_tables = std::filesystem::exists(directory + "/CURRENT", ignored);
  std::vector<std::string> tables;
  if (has_tables && rocksdb::DB::ListColumnFamilies({}, directory, &tables).ok()) {
    const bool has_extents = std::ranges::find(tables, kExtentsName) != tables.end();
    return has_extents ? StoreEngine::kSegments : StoreEngine::kRocksdb;
  }
  if (has_folder) return StoreEngine::kSegments;
  return has_tables ? StoreEngine::kRocksdb : StoreEngine::kAuto;
}

std::unique_ptr<Store> open_store_copy(const std::string& directory, const StoreOptions& options) {
  if (engine_of_store(directory) == StoreEngine::kSegments) {
    return std::make_unique<SegmentCopy>(directory, options);
  }
  return std::make_unique<StoreCopy>(directory, options);
}

}  // namespace ims::logic
