// Opening a copy and reading it (segment_copy.h).
#include "logic/segment_copy.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <vector>

#include "logic/rocks_options.h"
#include "logic/rocks_read.h"
#include "logic/segment_apply.h"
#include "logic/segment_facts.h"
#include "logic/segment_replay.h"
#include "logic/store_segments.h"
#include "logic/sys_keys.h"

namespace ims::logic {

SegmentCopy::SegmentCopy(const std::string& directory, const StoreOptions& options)
    : options_(std::make_unique<RocksOptions>(options, nullptr, RocksOptions::Use::kSegments)),
      files_(directory + "/" + kSegmentsFolder) {
  options_->database.create_if_missing = false;
  rocksdb::DB* database = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(
      options_->database, directory, options_->tables, &tables_.tables, &database);
  if (!status.ok()) {
    throw StoreError("store: cannot open the copy " + directory + ": " + status.ToString());
  }
  database_.reset(database);
  tables_.database = database;
  tables_.files = &files_;
  tables_.all_are_points = true;
  try {
    index_log(directory);
  } catch (...) {
    close();
    throw;
  }
  std::string format;
  if (get(Table::kMeta, kSysFormat, &format, ReadTier::kMayBlock) != StoreStatus::kOk ||
      format.size() != sizeof kStoreFormat ||
      read_big_endian<std::uint32_t>(format) < kStoreFormatMin ||
      read_big_endian<std::uint32_t>(format) > kStoreFormat) {
    close();
    throw StoreError("store: the copy " + directory + " is not of format " +
                     std::to_string(kStoreFormat));
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
  class Facts final : public RowVisitor {
   public:
    bool on_row(std::string_view key, std::string_view value) override {
      const auto facts = decode_segment_facts(key, value);
      if (!facts) return true;
      if (last == 0) first = facts->number;
      last = facts->number;
      last_commit = facts->last_commit;
      return true;
    }
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint64_t last_commit = 0;
  };
  Facts facts;
  if (rocks_scan(*database_, tables_.of(Table::kMeta), segment_facts_key(0),
                 segment_facts_key(UINT32_MAX), false, ReadTier::kMayBlock,
                 facts) != StoreStatus::kOk) {
    throw StoreError("store: cannot read the copy " + directory);
  }
  tables_.first_live.store(facts.first, std::memory_order_relaxed);
  const std::string folder = directory + "/" + kSegmentsFolder;
  std::vector<std::uint32_t> numbers = list_segments(folder);
  std::erase_if(numbers, [&](std::uint32_t number) { return number <= facts.last; });
  SegmentApply apply(tables_);
  rocksdb::WriteBatch none;
  std::uint64_t expected = facts.last_commit + 1;
  for (std::size_t at = 0; at < numbers.size(); ++at) {
    SegmentReplay segment(folder, numbers[at]);
    if (!segment.header() || segment.header()->first_commit != expected) continue;
    std::uint64_t void_from = UINT64_MAX;
    if (at + 1 < numbers.size()) {
      const SegmentReplay next(folder, numbers[at + 1]);
      if (next.header()) void_from = next.header()->first_commit;
    }
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
