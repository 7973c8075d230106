// The maps of store_memory.h.
#include "logic/store_memory.h"

#include <mutex>

namespace ims::logic {

StoreStatus MemoryStore::write(const StoreBatch* const* batches, std::size_t count, bool) {
  const std::unique_lock lock(mutex_);
  for (std::size_t at = 0; at < count; ++at) {
    batches[at]->for_each([&](Table table, StoreBatch::Op op, std::string_view key,
                              std::string_view value) {
      Rows& rows = tables_[static_cast<std::size_t>(table)];
      if (op != StoreBatch::Op::kDelete) {
        rows.insert_or_assign(std::string(key), value);
      } else if (const auto found = rows.find(key); found != rows.end()) {
        rows.erase(found);
      }
    });
  }
  return StoreStatus::kOk;
}

StoreStatus MemoryStore::get(Table table, std::string_view key, std::string* value, ReadTier) {
  const std::shared_lock lock(mutex_);
  const Rows& rows = tables_[static_cast<std::size_t>(table)];
  const auto found = rows.find(key);
  if (found == rows.end()) return StoreStatus::kNotFound;
  *value = found->second;
  return StoreStatus::kOk;
}

StoreStatus MemoryStore::scan(Table table, std::string_view from, std::string_view to, bool reverse,
                              ReadTier, RowVisitor& visitor) {
  if (from >= to) return StoreStatus::kOk;
  const std::shared_lock lock(mutex_);
  const Rows& rows = tables_[static_cast<std::size_t>(table)];
  const auto begin = rows.lower_bound(from);
  const auto end = rows.lower_bound(to);
  if (reverse) {
    for (auto at = end; at != begin;) {
      --at;
      if (!visitor.on_row(at->first, at->second)) break;
    }
  } else {
    for (auto at = begin; at != end; ++at) {
      if (!visitor.on_row(at->first, at->second)) break;
    }
  }
  return StoreStatus::kOk;
}

}  // namespace ims::logic
