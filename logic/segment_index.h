// Where the rows and the point keys of one segment are, in memory, from their write until the
// segment is sealed (segment_sealer.h).
//
//   timelines  (P, T) -> first seq, refs of its rows: dense seqs, so row seq is ref seq - first
//   points     table and key -> place of its newest op, a put or a delete
//
// Threads    One writer (the committer; start-up before it). Readers from any thread at the same
//            time: a slot, a count and a place are released behind what they lead to. Nothing is
//            taken away before the whole index goes (segment_views.h).
// Memory     memory_bytes(): a timeline takes 64 bytes and a slot or four of 8, a row 12 to 24, a
//            point its key, 24 and slots. The store seals early what grows too large.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "logic/keys.h"
#include "logic/segment_arena.h"

namespace ims::logic {

// An op in a segment: its place, its size, and enough of a hash to notice damage.
struct SegmentRef {
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  std::uint32_t hash = 0;
};

// One timeline's rows in one segment.
struct alignas(64) SegmentTimeline {
  static constexpr std::uint32_t kInlineRefs = 2;
  struct Block {
    Block* next = nullptr;
    std::uint32_t capacity = 0;
    SegmentRef* refs() noexcept { return reinterpret_cast<SegmentRef*>(this + 1); }
  };

  std::uint64_t id = 0;
  std::uint64_t first_seq = 0;
  std::int64_t last_time_ms = 0;        // the writer's, and the sealer's behind it
  std::atomic<std::uint32_t> count{0};  // refs that may be read
  std::uint16_t partition = 0;
  std::uint16_t planned = 0;  // the writer's: rows of its current record, not in `count` yet
  SegmentRef first[kInlineRefs];
  Block* more = nullptr;

  TimelineKey key() const noexcept { return {partition, id}; }
  std::uint32_t rows() const noexcept {
    // acquire: pairs with the release in SegmentIndex::add(); the refs below it are complete.
    return count.load(std::memory_order_acquire);
  }
  SegmentRef ref(std::uint32_t at) const noexcept;  // at < rows()
};
static_assert(sizeof(SegmentTimeline) == 64);

struct SegmentPoint {
  std::uint64_t hash = 0;
  std::atomic<std::uint64_t> place{0};  // offset u32 | hash_op u32
  std::uint16_t key_bytes = 0;

  std::string_view key() const noexcept {  // table u8 | key
    return {reinterpret_cast<const char*>(this + 1), key_bytes};
  }
  SegmentRef ref() const noexcept {
    // acquire: pairs with the release in put_point(); the bytes there were written before.
    const std::uint64_t both = place.load(std::memory_order_acquire);
    return {static_cast<std::uint32_t>(both >> 32), 0, static_cast<std::uint32_t>(both)};
  }
};

// Open addressing over nodes that never go; grows by publishing a larger array.
template <typename Node>
class SegmentSlots {
 public:
  explicit SegmentSlots(std::size_t nodes_expected) { publish(nodes_expected); }

  template <typename Equals>
  Node* find(std::uint64_t hash, Equals&& equals) const noexcept {
    // acquire, both: pair with the releases in publish() and insert(); array and node are complete.
    const Array* array = current_.load(std::memory_order_acquire);
    for (std::size_t at = hash & array->mask;; at = (at + 1) & array->mask) {
      Node* node = array->slots[at].load(std::memory_order_acquire);
      if (node == nullptr || equals(*node)) return node;
    }
  }
  void prefetch(std::uint64_t hash) const noexcept {
    const Array* array = current_.load(std::memory_order_relaxed);
    __builtin_prefetch(&array->slots[hash & array->mask]);
  }

  // The writer's. `hash_of(node)` for those that move to a larger array.
  template <typename HashOf>
  void insert(Node* node, HashOf&& hash_of) {
    Array* array = current_.load(std::memory_order_relaxed);  // written by this thread alone
    if ((size_ + 1) * 2 > array->mask) {
      Array* larger = make(2 * (array->mask + 1));
      for (std::size_t at = 0; at <= array->mask; ++at) {
        Node* old = array->slots[at].load(std::memory_order_relaxed);
        if (old != nullptr) place(*larger, old, hash_of(*old));
      }
      current_.store(larger, std::memory_order_release);
      array = larger;
    }
    place(*array, node, hash_of(*node));
    ++size_;
  }

  template <typename Visit>
  void for_each(Visit&& visit) const {
    const Array* array = current_.load(std::memory_order_acquire);
    for (std::size_t at = 0; at <= array->mask; ++at) {
      Node* node = array->slots[at].load(std::memory_order_acquire);
      if (node != nullptr) visit(*node);
    }
  }

  std::size_t size() const noexcept { return size_; }           // the writer's
  std::size_t memory_bytes() const noexcept { return bytes_; }  // the writer's

 private:
  struct Array {
    std::size_t mask;
    std::unique_ptr<std::atomic<Node*>[]> slots;
  };

  Array* make(std::size_t slots) {
    arrays_.push_back(
        std::make_unique<Array>(Array{slots - 1, std::make_unique<std::atomic<Node*>[]>(slots)}));
    bytes_ += slots * sizeof(Node*);
    return arrays_.back().get();
  }
  void publish(std::size_t nodes) {
    std::size_t slots = 256;
    while (slots < 2 * nodes + 2) slots *= 2;
    current_.store(make(slots), std::memory_order_release);
  }
  static void place(Array& array, Node* node, std::uint64_t hash) noexcept {
    std::size_t at = hash & array.mask;
    while (array.slots[at].load(std::memory_order_relaxed) != nullptr) at = (at + 1) & array.mask;
    array.slots[at].store(node, std::memory_order_release);
  }

  std::vector<std::unique_ptr<Array>> arrays_;  // readers may still be in a smaller one
  std::atomic<Array*> current_{nullptr};
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

class SegmentIndex {
 public:
  // Room for as many as another segment had, so that slots rarely grow.
  SegmentIndex(std::uint32_t number, std::size_t timelines, std::size_t points);
  SegmentIndex(const SegmentIndex&) = delete;
  SegmentIndex& operator=(const SegmentIndex&) = delete;

  std::uint32_t number() const noexcept { return number_; }

  // ---- the writer ----

  // A row in two steps, since what comes between may fail: plan() says where it will be, null where
  // `seq` is not the timeline's next in this segment and it goes elsewhere; add() in the same order
  // lets readers see it. A plan that comes to nothing ends the index.
  SegmentTimeline* plan(TimelineKey timeline, std::uint64_t seq);
  void add(SegmentTimeline& timeline, std::int64_t time_ms, SegmentRef ref);
  void put_point(std::uint64_t hash, std::string_view key, SegmentRef ref);
  void prefetch_timeline(TimelineKey timeline) const noexcept;
  void prefetch_point(std::uint64_t hash) const noexcept { points_.prefetch(hash); }
  std::int64_t newest_ms() const noexcept { return newest_ms_; }  // of any row
  std::size_t timelines() const noexcept { return timelines_.size(); }
  std::size_t points() const noexcept { return points_.size(); }
  std::size_t memory_bytes() const noexcept {
    return arena_.bytes() + timelines_.memory_bytes() + points_.memory_bytes();
  }

  // ---- readers ----

  const SegmentTimeline* find(TimelineKey timeline) const noexcept;
  const SegmentPoint* find_point(std::uint64_t hash, std::string_view key) const noexcept;

  template <typename Visit>
  void for_each_timeline(Visit&& visit) const {
    timelines_.for_each([&](const SegmentTimeline& timeline) { visit(timeline); });
  }
  template <typename Visit>
  void for_each_point(Visit&& visit) const {
    points_.for_each([&](const SegmentPoint& point) { visit(point); });
  }

  static std::uint64_t hash_point(std::string_view key) noexcept;

 private:
  static std::uint64_t hash_timeline(TimelineKey timeline) noexcept;

  const std::uint32_t number_;
  SegmentArena arena_;
  SegmentSlots<SegmentTimeline> timelines_;
  SegmentSlots<SegmentPoint> points_;
  std::int64_t newest_ms_ = INT64_MIN;
};

}  // namespace ims::logic
