// What RocksDB holds of each sealed segment, as long as its file exists.
//
//   kMeta  kSysSegment number u32 -> newest row's time i64 | bytes u64 | last commit u64
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "logic/store.h"
#include "logic/sys_keys.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace ims::logic {

struct SegmentFacts {
  std::uint32_t number = 0;
  std::int64_t newest_ms = 0;  // INT64_MIN: it has no rows
  std::uint64_t bytes = 0;
  std::uint64_t last_commit = 0;
};

inline std::string segment_facts_key(std::uint32_t number) {
  std::string key(kSysSegment);
  append_big_endian(key, number);
  return key;
}
inline std::string encode_segment_facts(const SegmentFacts& facts) {
  std::string value;
  append_big_endian(value, facts.newest_ms);
  append_big_endian(value, facts.bytes);
  append_big_endian(value, facts.last_commit);
  return value;
}
inline std::optional<SegmentFacts> decode_segment_facts(std::string_view key,
                                                        std::string_view value) {
  if (key.size() != kSysSegment.size() + 4 || value.size() != 24) return std::nullopt;
  return SegmentFacts{read_big_endian<std::uint32_t>(key.substr(kSysSegment.size())),
                      read_big_endian<std::int64_t>(value),
                      read_big_endian<std::uint64_t>(value.substr(8)),
                      read_big_endian<std::uint64_t>(value.substr(16))};
}

// All there are, by number.
StoreStatus read_segment_facts(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* meta,
                               std::vector<SegmentFacts>& found);

}  // namespace ims::logic
