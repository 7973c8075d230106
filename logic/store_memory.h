// The store in memory: a std::map for each table. Tests, tsan builds and trials; nothing outlives
// the process.
//
// Threads  Any, as Store says; a reader-writer lock stands for what RocksDB does with snapshots: a
//          scan sees no half of a write.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <shared_mutex>
#include <string>

#include "logic/store.h"

namespace ims::logic {

class MemoryStore final : public Store {
 public:
  StoreStatus write(const StoreBatch* const* batches, std::size_t count, bool sync) override;
  StoreStatus sync() override { return StoreStatus::kOk; }
  StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) override;
  StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                   ReadTier tier, RowVisitor& visitor) override;
  bool has_space() override { return true; }

 private:
  using Rows = std::map<std::string, std::string, std::less<>>;

  std::shared_mutex mutex_;
  std::array<Rows, kTableCount> tables_;
};

}  // namespace ims::logic
