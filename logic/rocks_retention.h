// Takes rows away that are older than their table keeps them, when RocksDB compacts files anyway.
// Reads hide such rows before that (the worker does): this only gives the space back.
//
// A value of kRows and kCursors begins with a time in ms, i64 big-endian. Shorter values
// and values of the future stay.
//
// Threads  Any: compactions read the clock's atomic.
#pragma once

#include <rocksdb/compaction_filter.h>

#include <cstdint>

#include "logic/retention_clock.h"

namespace ims::logic {

class RocksRetention final : public rocksdb::CompactionFilter {
 public:
  RocksRetention(const RetentionClock& clock, std::int64_t keep_ms) noexcept
      : clock_(clock), keep_ms_(keep_ms) {}

  const char* Name() const override { return "ims.retention"; }
  bool Filter(int level, const rocksdb::Slice& key, const rocksdb::Slice& value,
              std::string* new_value, bool* value_changed) const override;

 private:
  const RetentionClock& clock_;
  const std::int64_t keep_ms_;
};

}  // namespace ims::logic
