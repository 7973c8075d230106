// Encoding and decoding (segment_extents.h).
#include "logic/segment_extents.h"

#include <cstring>

#include "logic/sys_keys.h"

namespace ims::logic {

std::optional<RowKeyParts> parse_row_key(std::string_view key) noexcept {
  if (key.size() != kRowKeyBytes) return std::nullopt;
  return RowKeyParts{
      {read_big_endian<std::uint16_t>(key), read_big_endian<std::uint64_t>(key.substr(2))},
      read_big_endian<std::uint64_t>(key.substr(10))};
}

SegmentRef SegmentRun::ref(std::uint64_t seq) const noexcept {
  if (memory != nullptr) return memory->ref(static_cast<std::uint32_t>(seq - memory->first_seq));
  SegmentRef ref;
  std::memcpy(&ref, refs + (seq - first_seq) * sizeof ref, sizeof ref);
  return ref;
}

void encode_extent(const SegmentTimeline& timeline, std::uint32_t segment, std::uint32_t at,
                   std::uint32_t rows, std::int64_t time_ms, std::string& key, std::string& value) {
  key = row_key(timeline.key(), timeline.first_seq + at);
  append_big_endian(key, segment);
  value.clear();
  append_big_endian(value, time_ms);
  for (std::uint32_t row = at; row < at + rows; ++row) {
    const SegmentRef ref = timeline.ref(row);
    value.append(reinterpret_cast<const char*>(&ref), sizeof ref);
  }
}

std::optional<SegmentRun> decode_extent(std::string_view key, std::string_view value) noexcept {
  const std::size_t refs_bytes = value.size() - sizeof(std::int64_t);
  if (key.size() != kExtentKeyBytes || value.size() <= sizeof(std::int64_t) ||
      refs_bytes % sizeof(SegmentRef) != 0) {
    return std::nullopt;
  }
  const auto parts = parse_row_key(key.substr(0, kRowKeyBytes));
  SegmentRun run;
  run.timeline = parts->timeline;
  run.first_seq = parts->seq;
  run.rows = static_cast<std::uint32_t>(refs_bytes / sizeof(SegmentRef));
  run.segment = read_big_endian<std::uint32_t>(key.substr(kRowKeyBytes));
  run.refs = value.data() + sizeof(std::int64_t);
  return run;
}

}  // namespace ims::logic
