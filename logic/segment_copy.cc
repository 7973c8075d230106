// Opening a copy and reading it (segment_copy.h).
#include "logic/segment_copy.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <vector>

#include "logic/rocks_open.h"
#include "logic/rocks_options.h"
#include "logic/segment_apply.h"
#include "logic/segment_facts.h"
#include "logic/segment_replay.h"
#include "logic/store_segments.h"

namespace ims::logic {

SegmentCopy::SegmentCopy(const std::string& directory, const StoreOptions& options)
    : options_(std::make_unique<RocksOptions>(options, nullptr, RocksOptions::Use::kSegments)),
      files_(directory + "/" + kSegmentsFolder) {
  database_ = open_rocks_copy(directory, *options_, tables_.tables);
  tables_.database = database_.get();
  tables_.files = &files_;
  tables_.all_are_points = true;
  try {
    index_log(directory);
    check_copy_format(*this, directory);
  } catch (...) {
    close();
    throw;
  }
}

SegmentCopy::~SegmentCopy() { close(); }

void SegmentCopy::close() {
  for (rocksdb::ColumnFamilyHandle* family : tables_.tables) delete family;
  tables_.tables.clear();
  database_->Close().PermitUncheckedError();
}

// Everything behind the last sealed segment lies over the tables.
void SegmentCopy::index_log(const std::string& directory) {
  std::vector<SegmentFacts> sealed;
  if (read_segment_facts(*database_, tables_.of(Table::kMeta), sealed) != StoreStatus::kOk) {
    throw StoreError("store: cannot read the copy " + directory);
  }
  if (sealed.empty()) sealed.emplace_back();
  tables_.first_live.store(sealed.front().number, std::memory_order_relaxed);
  const std::string folder = directory + "/" + kSegmentsFolder;
  std::vector<std::uint32_t> numbers = list_segments(folder);
  std::erase_if(numbers, [&](std::uint32_t number) { return number <= sealed.back().number; });
  SegmentApply apply(tables_);
  rocksdb::WriteBatch none;
  std::uint64_t expected = sealed.back().last_commit + 1;
  for (std::size_t at = 0; at < numbers.size(); ++at) {
    SegmentReplay segment(folder, numbers[at]);
    if (!segment.header() || segment.header()->first_commit != expected) continue;
    const std::uint64_t void_from = next_first_commit(folder, numbers, at);
    if (!views_.has_room()) {
      throw StoreError("store: the copy " + directory + " has too many segments; make another");
    }
    SegmentIndex& index = views_.add(std::make_unique<SegmentIndex>(numbers[at], 0, 0));
    while (const auto record = segment.next(expected, void_from)) {
      apply.begin();
      apply.others(index, record->body, none);
      apply.index(index, record->body, record->body_offset);
      ++expected;
    }
  }
}

StoreStatus SegmentCopy::get(Table table, std::string_view key, std::string* value, ReadTier tier) {
  const SegmentViews::Pin view(views_);
  return segments_get(tables_, *view, table, key, value, tier);
}

StoreStatus SegmentCopy::scan(Table table, std::string_view from, std::string_view to, bool reverse,
                              ReadTier tier, RowVisitor& visitor) {
  const SegmentViews::Pin view(views_);
  return segments_scan(tables_, *view, table, from, to, reverse, tier, visitor);
}

}  // namespace ims::logic
