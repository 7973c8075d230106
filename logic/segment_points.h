// Points: keys whose newest value stays in the log until its segment is sealed, one put to RocksDB
// for all their writes in between. Those that every stored message writes: user and group rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "logic/segment_views.h"
#include "logic/store.h"

namespace ims::logic {

inline bool is_point(Table table, std::string_view key) noexcept {
  return table == Table::kMeta && !key.empty() && (key[0] == 'u' || key[0] == 'g');
}
// Might [from, to) hold one?
inline bool may_hold_points(Table table, std::string_view from, std::string_view to) noexcept {
  return table == Table::kMeta && ((from < "h" && to > "g") || (from < "v" && to > "u"));
}

inline void make_point_key(Table table, std::string_view key, std::string& out) {
  out.assign(1, static_cast<char>(table));
  out.append(key);
}

// A point and where its newest op is.
struct PointPlace {
  std::string_view key;  // without the table
  std::uint32_t segment = 0;
  SegmentRef ref;
};

// Those of `table` in [from, to), ascending.
std::vector<PointPlace> collect_points(const SegmentView& view, Table table, std::string_view from,
                                       std::string_view to);

}  // namespace ims::logic
