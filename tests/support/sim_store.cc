// Keeping and losing (sim_store.h).
#include "tests/support/sim_store.h"

#include <utility>

namespace ims::testing {

using logic::ReadTier;
using logic::RowVisitor;
using logic::StoreBatch;
using logic::StoreStatus;
using logic::Table;

void SimStore::apply(Tables& tables, const Write& write) {
  for (const StoreBatch& batch : write) {
    batch.for_each([&](Table table, StoreBatch::Op op, std::string_view key,
                       std::string_view value) {
      Rows& rows = tables[static_cast<std::size_t>(table)];
      if (op != StoreBatch::Op::kDelete) {
        rows.insert_or_assign(std::string(key), value);
      } else if (const auto found = rows.find(key); found != rows.end()) {
        rows.erase(found);
      }
    });
  }
}

void SimStore::make_durable() {
  for (const Write& write : unsynced_) apply(durable_, write);
  unsynced_.clear();
}

StoreStatus SimStore::write(const StoreBatch* const* batches, std::size_t count, bool sync) {
  if (broken_) return StoreStatus::kIoError;
  if (full_) return StoreStatus::kNoSpace;
  Write write;
  for (std::size_t at = 0; at < count; ++at) write.push_back(*batches[at]);

  if (faults_.fail_write > 0 && --faults_.fail_write == 0) {
    ++failures_;
    doubtful_ = std::move(write);
    if (faults_.fail_status == StoreStatus::kIoError) {
      broken_ = true;
    } else {
      full_ = true;
    }
    return faults_.fail_status;
  }
  doubtful_.reset();
  apply(visible_, write);
  unsynced_.push_back(std::move(write));
  ++writes_;
  if (sync) make_durable();
  return StoreStatus::kOk;
}

StoreStatus SimStore::sync() {
  if (broken_) return StoreStatus::kIoError;
  full_ = false;
  doubtful_.reset();  // a real store begins a new log here
  make_durable();
  return StoreStatus::kOk;
}

void SimStore::crash() {
  const std::size_t kept = prng_.below(unsynced_.size() + 1);
  const bool all_kept = kept == unsynced_.size();
  for (std::size_t at = 0; at < kept; ++at) apply(durable_, unsynced_[at]);
  if (all_kept && doubtful_ && prng_.chance(50)) apply(durable_, *doubtful_);
  unsynced_.clear();
  doubtful_.reset();
  visible_ = durable_;
  full_ = false;
  broken_ = false;
}

StoreStatus SimStore::get(Table table, std::string_view key, std::string* value, ReadTier tier) {
  if (tier == ReadTier::kCacheOnly && prng_.chance(faults_.incomplete_percent)) {
    return StoreStatus::kIncomplete;
  }
  const Rows& rows = visible_[static_cast<std::size_t>(table)];
  const auto found = rows.find(key);
  if (found == rows.end()) return StoreStatus::kNotFound;
  *value = found->second;
  return StoreStatus::kOk;
}

StoreStatus SimStore::scan(Table table, std::string_view from, std::string_view to, bool reverse,
                           ReadTier tier, RowVisitor& visitor) {
  if (from >= to) return StoreStatus::kOk;
  const Rows& rows = visible_[static_cast<std::size_t>(table)];
  const auto begin = rows.lower_bound(from);
  const auto end = rows.lower_bound(to);
  const bool cache_only = tier == ReadTier::kCacheOnly;
  // Any step may need the disk: rows that were visited before it stay visited.
  for (auto at = reverse ? end : begin; at != (reverse ? begin : end);) {
    if (cache_only && prng_.chance(faults_.incomplete_percent)) return StoreStatus::kIncomplete;
    if (reverse) --at;
    if (!visitor.on_row(at->first, at->second)) return StoreStatus::kOk;
    if (!reverse) ++at;
  }
  return StoreStatus::kOk;
}

bool SimStore::has_space() {
  return !full_ && !broken_ && !prng_.chance(faults_.no_space_percent);
}

}  // namespace ims::testing
