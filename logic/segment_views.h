// The segments that are not sealed yet, for readers: a view stays whole while a reader is in it.
//
//   reader   enter(): its slot's count up; still the current slot? else again      leave(): down
//   writer   add(): at the current view's end, in place
//            drop_oldest(): the next view, without it, in an empty slot; what was dropped is freed
//            once every slot that names it was left
//
// Both sides store their own word and then load the other's (the count and the current slot), all
// sequentially consistent: either the reader sees that the slot is no longer current, or the writer
// sees that it is not empty.
//
// Threads  One writer (the committer; start-up before it), readers from any. No locks: a reader
//          tries again only where a view was replaced at that very moment.
// Limits   kUnsealedSegmentsMax in a view. kSlots views: where old ones are all still read, nothing
//          is dropped yet.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "logic/segment_index.h"
#include "shared/assert.h"
#include "shared/limits.h"

namespace ims::logic {

class SegmentView {
 public:
  std::size_t size() const noexcept {
    // acquire: pairs with the release in SegmentViews::add(); the pointer is there.
    return count_.load(std::memory_order_acquire);
  }
  const SegmentIndex& operator[](std::size_t at) const noexcept { return *segments_[at]; }
  // Sealed are all below this number.
  std::uint32_t first_number() const noexcept {
    return size() == 0 ? UINT32_MAX : segments_[0]->number();
  }

 private:
  friend class SegmentViews;
  std::array<const SegmentIndex*, kUnsealedSegmentsMax> segments_{};
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint32_t> readers_{0};
};

class SegmentViews {
 public:
  static constexpr std::size_t kSlots = 8;

  // ---- readers ----

  class Pin {
   public:
    explicit Pin(SegmentViews& views) noexcept : view_(views.enter()) {}
    ~Pin() { view_.readers_.fetch_sub(1, std::memory_order_seq_cst); }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    const SegmentView& operator*() const noexcept { return view_; }

   private:
    SegmentView& view_;
  };

  // ---- the writer ----

  bool has_room() const noexcept { return owned_.size() < kUnsealedSegmentsMax; }

  SegmentIndex& add(std::unique_ptr<SegmentIndex> segment) {
    IMS_ASSERT(has_room());
    SegmentView& view = slots_[current_.load(std::memory_order_relaxed)];
    const std::size_t count = view.count_.load(std::memory_order_relaxed);
    view.segments_[count] = segment.get();
    view.count_.store(count + 1, std::memory_order_release);
    owned_.push_back(std::move(segment));
    return *owned_.back();
  }

  // False: old views are all still read; try again later.
  bool drop_oldest() {
    IMS_ASSERT(!owned_.empty());
    free_left();
    const std::size_t from = current_.load(std::memory_order_relaxed);
    for (std::size_t to = 0; to < kSlots; ++to) {
      if (to == from || is_left_[to] || slots_[to].readers_.load(std::memory_order_seq_cst) != 0) {
        continue;
      }
      SegmentView& next = slots_[to];
      for (std::size_t at = 1; at < owned_.size(); ++at) {
        next.segments_[at - 1] = owned_[at].get();
      }
      next.count_.store(owned_.size() - 1, std::memory_order_release);
      current_.store(to, std::memory_order_seq_cst);
      is_left_[from] = true;
      left_.push_back({from, std::move(owned_.front())});
      owned_.pop_front();
      free_left();
      return true;
    }
    return false;
  }

  const std::deque<std::unique_ptr<SegmentIndex>>& segments() const noexcept { return owned_; }

 private:
  struct Left {
    std::size_t slot;
    std::unique_ptr<SegmentIndex> dropped;  // named by this slot, and by those left before it
  };

  SegmentView& enter() noexcept {
    for (;;) {
      const std::size_t at = current_.load(std::memory_order_seq_cst);
      slots_[at].readers_.fetch_add(1, std::memory_order_seq_cst);
      if (current_.load(std::memory_order_seq_cst) == at) return slots_[at];
      slots_[at].readers_.fetch_sub(1, std::memory_order_seq_cst);
    }
  }

  // In the order in which they were left: a slot's segment may be in those before it.
  void free_left() {
    while (!left_.empty() &&
           slots_[left_.front().slot].readers_.load(std::memory_order_seq_cst) == 0) {
      is_left_[left_.front().slot] = false;
      left_.pop_front();
    }
  }

  std::array<SegmentView, kSlots> slots_;
  std::atomic<std::size_t> current_{0};

  // The writer's.
  std::deque<std::unique_ptr<SegmentIndex>> owned_;
  std::deque<Left> left_;
  std::array<bool, kSlots> is_left_{};
};

}  // namespace ims::logic
