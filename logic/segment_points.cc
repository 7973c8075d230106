// Gathering (segment_points.h).
#include "logic/segment_points.h"

#include <algorithm>

namespace ims::logic {

std::vector<PointPlace> collect_points(const SegmentView& view, Table table, std::string_view from,
                                       std::string_view to) {
  std::vector<PointPlace> points;
  for (std::size_t at = 0; at < view.size(); ++at) {
    view[at].for_each_point([&](const SegmentPoint& point) {
      const std::string_view key = point.key().substr(1);
      if (point.key()[0] == static_cast<char>(table) && key >= from && key < to) {
        points.push_back({key, view[at].number(), point.ref()});
      }
    });
  }
  std::sort(points.begin(), points.end(), [](const PointPlace& a, const PointPlace& b) {
    return a.key != b.key ? a.key < b.key : a.segment > b.segment;  // the newest first
  });
  const auto same_key = [](const PointPlace& a, const PointPlace& b) { return a.key == b.key; };
  points.erase(std::unique(points.begin(), points.end(), same_key), points.end());
  return points;
}

}  // namespace ims::logic
