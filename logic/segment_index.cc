// Inserting and finding (segment_index.h).
#include "logic/segment_index.h"

#include <algorithm>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ims::logic {
namespace {

constexpr std::uint32_t kFirstBlockRefs = 4;
constexpr std::uint32_t kBlockRefsMax = 16'384;

}  // namespace

SegmentRef SegmentTimeline::ref(std::uint32_t at) const noexcept {
  if (at < kInlineRefs) return first[at];
  at -= kInlineRefs;
  Block* block = more;
  while (at >= block->capacity) {
    at -= block->capacity;
    block = block->next;
  }
  return block->refs()[at];
}

SegmentIndex::SegmentIndex(std::uint32_t number, std::size_t timelines, std::size_t points)
    : number_(number), timelines_(timelines), points_(points) {}

std::uint64_t SegmentIndex::hash_timeline(TimelineKey timeline) noexcept {
  // Ids are counted, not chosen by clients: mixing is all that is needed.
  std::uint64_t hash =
      (timeline.id ^ (std::uint64_t{timeline.partition} << 48)) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

std::uint64_t SegmentIndex::hash_point(std::string_view key) noexcept {
  return XXH3_64bits(key.data(), key.size());
}

void SegmentIndex::prefetch_timeline(TimelineKey timeline) const noexcept {
  timelines_.prefetch(hash_timeline(timeline));
}

const SegmentTimeline* SegmentIndex::find(TimelineKey timeline) const noexcept {
  return timelines_.find(hash_timeline(timeline), [&](const SegmentTimeline& node) {
    return node.id == timeline.id && node.partition == timeline.partition;
  });
}

const SegmentPoint* SegmentIndex::find_point(std::uint64_t hash,
                                             std::string_view key) const noexcept {
  return points_.find(
      hash, [&](const SegmentPoint& node) { return node.hash == hash && node.key() == key; });
}

SegmentTimeline* SegmentIndex::plan(TimelineKey key, std::uint64_t seq) {
  SegmentTimeline* timeline = timelines_.find(hash_timeline(key), [&](const SegmentTimeline& node) {
    return node.id == key.id && node.partition == key.partition;
  });
  if (timeline == nullptr) {
    timeline = arena_.make<SegmentTimeline>();
    timeline->id = key.id;
    timeline->partition = key.partition;
    timeline->first_seq = seq;
    timeline->last_time_ms = INT64_MIN;
    timelines_.insert(timeline,
                      [](const SegmentTimeline& node) { return hash_timeline(node.key()); });
  }
  // relaxed: written by this thread alone.
  const std::uint64_t rows =
      std::uint64_t{timeline->count.load(std::memory_order_relaxed)} + timeline->planned;
  if (seq != timeline->first_seq + rows || timeline->planned == UINT16_MAX) return nullptr;
  ++timeline->planned;
  return timeline;
}

void SegmentIndex::add(SegmentTimeline& timeline, std::int64_t time_ms, SegmentRef ref) {
  const std::uint32_t count = timeline.count.load(std::memory_order_relaxed);  // ours
  if (count < SegmentTimeline::kInlineRefs) {
    timeline.first[count] = ref;
  } else {
    std::uint32_t at = count - SegmentTimeline::kInlineRefs;
    SegmentTimeline::Block** link = &timeline.more;
    std::uint32_t capacity = kFirstBlockRefs;
    while (*link != nullptr && at >= (*link)->capacity) {
      at -= (*link)->capacity;
      capacity = std::min(2 * (*link)->capacity, kBlockRefsMax);
      link = &(*link)->next;
    }
    if (*link == nullptr) {
      auto* block = arena_.make<SegmentTimeline::Block>(capacity * sizeof(SegmentRef));
      block->capacity = capacity;
      *link = block;  // read behind the count alone
    }
    (*link)->refs()[at] = ref;
  }
  timeline.last_time_ms = std::max(timeline.last_time_ms, time_ms);
  newest_ms_ = std::max(newest_ms_, time_ms);
  --timeline.planned;
  // release: pairs with the acquire in SegmentTimeline::rows().
  timeline.count.store(count + 1, std::memory_order_release);
}

void SegmentIndex::put_point(std::uint64_t hash, std::string_view key, SegmentRef ref) {
  const std::uint64_t place = std::uint64_t{ref.offset} << 32 | ref.hash;
  SegmentPoint* point = points_.find(
      hash, [&](const SegmentPoint& node) { return node.hash == hash && node.key() == key; });
  if (point != nullptr) {
    // release: pairs with the acquire in SegmentPoint::ref().
    return point->place.store(place, std::memory_order_release);
  }
  point = arena_.make<SegmentPoint>(key.size());
  point->hash = hash;
  point->key_bytes = static_cast<std::uint16_t>(key.size());
  std::memcpy(static_cast<void*>(point + 1), key.data(), key.size());
  point->place.store(place, std::memory_order_relaxed);  // the slot's release publishes it
  points_.insert(point, [](const SegmentPoint& node) { return node.hash; });
}

}  // namespace ims::logic
