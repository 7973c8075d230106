// Rows of one timeline in a SegmentStore of small segments, and the files that hold them.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "logic/keys.h"
#include "logic/segment_replay.h"
#include "logic/store_segments.h"
#include "logic/sys_keys.h"
#include "tests/support/tiny_store.h"

namespace ims::testing {

using logic::ReadTier;
using logic::RowVisitor;
using logic::SegmentStore;
using logic::Store;
using logic::StoreBatch;
using logic::StoreOptions;
using logic::StoreStatus;
using logic::Table;
using logic::TimelineKey;

inline constexpr TimelineKey kTimeline{5, 77};

inline StoreOptions small_segments() {
  StoreOptions options = tiny_store_options();
  options.segment_bytes = 64 * kKiB;
  return options;
}

inline std::string row_at(std::int64_t time_ms, std::size_t bytes = 100) {
  std::string value;
  logic::append_big_endian(value, time_ms);
  value.resize(bytes, 'r');
  return value;
}

inline StoreStatus append(Store& store, std::uint64_t seq, const std::string& value) {
  StoreBatch batch;
  batch.append(logic::row_key(kTimeline, seq), value);
  const StoreBatch* const batches[] = {&batch};
  return store.write(batches, 1, true);
}

inline StoreStatus read(Store& store, std::uint64_t seq, ReadTier tier = ReadTier::kMayBlock) {
  std::string value;
  return store.get(Table::kRows, logic::row_key(kTimeline, seq), &value, tier);
}

inline std::uint64_t count_rows(Store& store, StoreStatus expected = StoreStatus::kOk) {
  class Count final : public RowVisitor {
   public:
    bool on_row(std::string_view, std::string_view) override { return ++rows > 0; }
    std::uint64_t rows = 0;
  };
  Count count;
  CHECK(store.scan(Table::kRows, logic::row_key(kTimeline, 0),
                   logic::row_key(kTimeline, UINT64_MAX), false, ReadTier::kMayBlock,
                   count) == expected);
  return count.rows;
}

// Ends the active segment and waits until it is in the tables.
inline void seal(SegmentStore& store) {
  REQUIRE(store.seal() == StoreStatus::kOk);
  REQUIRE(store.wait_sealed() == StoreStatus::kOk);
}

inline std::string segment_path(const std::string& directory, std::uint32_t number) {
  return directory + "/" + logic::kSegmentsFolder + "/" + logic::segment_name(number);
}

inline std::vector<std::string> segment_paths(const std::string& directory) {
  std::vector<std::string> paths;
  for (const std::uint32_t number :
       logic::list_segments(directory + "/" + logic::kSegmentsFolder)) {
    paths.push_back(segment_path(directory, number));
  }
  return paths;
}

inline std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void flip_byte(const std::string& path, std::uint64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x10));
  REQUIRE(file.good());
}

}  // namespace ims::testing
