// Extents: which rows of a timeline a sealed segment holds, and where. Rows of RocksDB's fifth
// column family, kExtentsName; they go by age like rows (rocks_retention.h), older ones first.
//
//   key     P T first seq | segment u32 big-endian
//   value   time of the newest row i64 big-endian | refs, SegmentRef each, of seq, seq + 1, ...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "logic/keys.h"
#include "logic/segment_index.h"

namespace ims::logic {

inline constexpr const char* kExtentsName = "extents";
inline constexpr std::uint32_t kExtentRowsMax = 128;
inline constexpr std::size_t kExtentKeyBytes = kRowKeyBytes + sizeof(std::uint32_t);

struct RowKeyParts {
  TimelineKey timeline;
  std::uint64_t seq = 0;
  friend bool operator==(const RowKeyParts&, const RowKeyParts&) = default;
};
// Nothing for a key that is no row's.
std::optional<RowKeyParts> parse_row_key(std::string_view key) noexcept;

// A run of rows with dense seqs in one segment: an extent, or a timeline of an index.
struct SegmentRun {
  TimelineKey timeline;
  std::uint64_t first_seq = 0;
  std::uint32_t rows = 0;
  std::uint32_t segment = 0;
  const SegmentTimeline* memory = nullptr;  // else `refs`
  const char* refs = nullptr;

  std::uint64_t end_seq() const noexcept { return first_seq + rows; }
  SegmentRef ref(std::uint64_t seq) const noexcept;
};

// Of rows [at, at + rows) of a timeline.
void encode_extent(const SegmentTimeline& timeline, std::uint32_t segment, std::uint32_t at,
                   std::uint32_t rows, std::int64_t time_ms, std::string& key, std::string& value);
// Views into `value`. Nothing for a damaged one.
std::optional<SegmentRun> decode_extent(std::string_view key, std::string_view value) noexcept;

}  // namespace ims::logic
