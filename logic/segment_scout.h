// Walks ahead of a scan that may block and asks the kernel for the rows there, wherever they lie: a
// timeline's are scattered over segments, and one by one each would be a wait for the disk.
//
// Threads  One, the reader's, within one read. The view stays pinned meanwhile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "logic/segment_rows.h"

namespace ims::logic {

class SegmentScout {
 public:
  SegmentScout(const SegmentTables& tables, const SegmentView& view, std::string_view from,
               std::string_view to, bool reverse)
      : tables_(tables), view_(view), from_(from), to_(to), reverse_(reverse) {}

  // The scan is at `key`, its `visited`th row of segments.
  void follow(std::string_view key, std::uint64_t visited) {
    if (visited < kFrom || visited + kRows / 2 < asked_) return;
    if (!rows_) {
      asked_ = visited;
      if (reverse_) {
        to_.assign(key).push_back('\0');
      } else {
        from_.assign(key);
      }
      rows_.emplace(tables_, view_, from_, to_, reverse_, ReadTier::kMayBlock);
    }
    for (; asked_ < visited + kRows && rows_->status() == StoreStatus::kOk; ++asked_) {
      tables_.files->prefetch(rows_->segment(), rows_->ref());
      rows_->next();
    }
  }

 private:
  static constexpr std::uint64_t kFrom = 1;   // a scan for one row asks for no more
  static constexpr std::uint64_t kRows = 64;  // asked for at once

  const SegmentTables& tables_;
  const SegmentView& view_;
  std::string from_;  // `rows_` views them
  std::string to_;
  const bool reverse_;
  std::optional<SegmentRows> rows_;
  std::uint64_t asked_ = 0;
};

}  // namespace ims::logic
