// The rows that segments hold, one after the other in key order, without their values: extents of
// sealed segments merged with the indexes of a view.
//
// Threads  One, the reader's, within one read. The view stays pinned meanwhile.
#pragma once

#include <rocksdb/db.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "logic/segment_extents.h"
#include "logic/segment_tables.h"

namespace ims::logic {

class SegmentRows {
 public:
  SegmentRows(const SegmentTables& tables, const SegmentView& view, std::string_view from,
              std::string_view to, bool reverse, ReadTier tier);

  // kOk: there is a row; kNotFound: the end; else what came in between.
  StoreStatus status() const noexcept { return status_; }
  const std::string& key() const noexcept { return key_; }
  std::uint32_t segment() const noexcept { return run_.segment; }
  SegmentRef ref() const noexcept { return run_.ref(seq_); }

  void next();

 private:
  void add_memory(const SegmentTimeline& timeline, std::uint32_t segment);
  void collect_memory(const SegmentView& view);
  void seek_extents();
  void step_extents();
  StoreStatus take_extent(std::optional<SegmentRun>& extent);
  void next_run();
  bool clip();
  std::optional<std::uint64_t> bound(std::string_view limit) const;
  void make_key() { key_ = row_key(run_.timeline, seq_); }

  const std::uint32_t first_unsealed_;
  const std::uint32_t first_live_;
  const std::string_view from_;
  const std::string_view to_;
  const bool reverse_;
  const std::string_view lower_text_;
  const std::string upper_text_;
  const rocksdb::Slice lower_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> extents_;
  std::vector<SegmentRun> memory_;  // ascending
  std::size_t memory_at_ = 0;

  SegmentRun run_;    // what is left of the current one within the range
  std::string refs_;  // an extent's
  std::uint64_t seq_ = 0;
  std::string key_;
  StoreStatus status_ = StoreStatus::kOk;
};

}  // namespace ims::logic
