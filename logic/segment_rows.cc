// Seeking, merging, clipping (segment_rows.h).
#include "logic/segment_rows.h"

#include <algorithm>

#include "logic/rocks_read.h"
#include "logic/rocks_slice.h"
#include "logic/sys_keys.h"

namespace ims::logic {
namespace {

constexpr std::size_t kTimelineBytes = kRowKeyBytes - sizeof(std::uint64_t);

// Behind the last extent that may hold a row below `to`: a row's key may be followed by a segment.
std::string extents_end(std::string_view to) {
  std::string end(to.substr(0, std::min(to.size(), kRowKeyBytes)));
  if (to.size() > kRowKeyBytes) end.append(sizeof(std::uint32_t) + 1, '\xff');
  return end;
}

bool run_before(const SegmentRun& a, const SegmentRun& b) noexcept {
  if (a.timeline.partition != b.timeline.partition) {
    return a.timeline.partition < b.timeline.partition;
  }
  if (a.timeline.id != b.timeline.id) return a.timeline.id < b.timeline.id;
  return a.first_seq < b.first_seq;
}

}  // namespace

SegmentRows::SegmentRows(const SegmentTables& tables, const SegmentView& view,
                         std::string_view from, std::string_view to, bool reverse, ReadTier tier)
    : first_unsealed_(view.first_number()),
      first_live_(tables.first_live.load(std::memory_order_relaxed)),
      from_(from),
      to_(to),
      reverse_(reverse),
      // The extent that holds `from` may begin anywhere in its timeline.
      lower_text_(from.substr(0, std::min(from.size(), kTimelineBytes))),
      upper_text_(extents_end(to)),
      lower_(slice_of(lower_text_)),
      upper_(slice_of(upper_text_)) {
  collect_memory(view);
  rocksdb::ReadOptions options = rocks_read_options(tier);
  options.iterate_lower_bound = &lower_;
  options.iterate_upper_bound = &upper_;
  extents_.reset(tables.database->NewIterator(options, tables.extents()));
  seek_extents();
  memory_at_ = reverse_ ? memory_.size() : 0;
  next_run();
}

void SegmentRows::seek_extents() {
  if (reverse_) return extents_->SeekToLast();
  std::string begin(from_.substr(0, std::min(from_.size(), kRowKeyBytes)));
  begin.resize(kRowKeyBytes, '\0');
  begin.append(sizeof(std::uint32_t), '\xff');
  if (begin < upper_text_) {
    extents_->SeekForPrev(slice_of(begin));
  } else {
    extents_->SeekToLast();
  }
  if (!extents_->Valid() && extents_->status().ok()) extents_->SeekToFirst();
}

void SegmentRows::step_extents() {
  if (reverse_) {
    extents_->Prev();
  } else {
    extents_->Next();
  }
}

void SegmentRows::next() {
  const bool more = reverse_ ? seq_ > run_.first_seq : seq_ + 1 < run_.end_seq();
  if (!more) return next_run();
  reverse_ ? --seq_ : ++seq_;
  make_key();
}

// ---- the view's ----

void SegmentRows::add_memory(const SegmentTimeline& timeline, std::uint32_t segment) {
  SegmentRun run;
  run.timeline = timeline.key();
  run.first_seq = timeline.first_seq;
  run.rows = timeline.rows();
  run.segment = segment;
  run.memory = &timeline;
  memory_.push_back(run);
}

void SegmentRows::collect_memory(const SegmentView& view) {
  const bool one = from_.size() >= kTimelineBytes && to_.size() >= kTimelineBytes &&
                   from_.substr(0, kTimelineBytes) == to_.substr(0, kTimelineBytes);
  for (std::size_t at = 0; at < view.size(); ++at) {
    const SegmentIndex& segment = view[at];
    if (one) {
      const TimelineKey key{read_big_endian<std::uint16_t>(from_),
                            read_big_endian<std::uint64_t>(from_.substr(2))};
      if (const SegmentTimeline* timeline = segment.find(key)) {
        add_memory(*timeline, segment.number());
      }
    } else {
      segment.for_each_timeline([&](const SegmentTimeline& timeline) {
        if (row_key(timeline.key(), UINT64_MAX) >= from_ && row_key(timeline.key(), 0) < to_) {
          add_memory(timeline, segment.number());
        }
      });
    }
  }
  std::sort(memory_.begin(), memory_.end(), run_before);
}

// ---- merging ----

// The iterator's extent, past those that do not count; nothing: there is none.
StoreStatus SegmentRows::take_extent(std::optional<SegmentRun>& extent) {
  for (; extents_->Valid(); step_extents()) {
    extent = decode_extent(view_of(extents_->key()), view_of(extents_->value()));
    if (!extent) return StoreStatus::kCorrupt;
    if (extent->segment < first_unsealed_ && extent->segment >= first_live_) {
      // All that come behind it end before it begins.
      const bool over = reverse_ && row_key(extent->timeline, extent->end_seq() - 1) < from_;
      if (over) extent.reset();
      return StoreStatus::kOk;
    }
    extent.reset();
  }
  return rocks_status(extents_->status());
}

// To the next run that has rows in the range.
void SegmentRows::next_run() {
  for (;;) {
    std::optional<SegmentRun> extent;
    status_ = take_extent(extent);
    if (status_ != StoreStatus::kOk) return;
    const SegmentRun* memory = nullptr;
    if (reverse_ ? memory_at_ > 0 : memory_at_ < memory_.size()) {
      memory = &memory_[reverse_ ? memory_at_ - 1 : memory_at_];
    }
    status_ = StoreStatus::kNotFound;
    if (!extent && memory == nullptr) return;
    const bool take_memory =
        memory != nullptr &&
        (!extent || (reverse_ ? run_before(*extent, *memory) : run_before(*memory, *extent)));
    if (take_memory) {
      run_ = *memory;
      reverse_ ? --memory_at_ : ++memory_at_;
    } else {
      run_ = *extent;
      refs_.assign(extent->refs, extent->rows * sizeof(SegmentRef));  // they go with the iterator
      run_.refs = refs_.data();
      step_extents();
    }
    if (!clip()) continue;
    make_key();
    status_ = StoreStatus::kOk;
    return;
  }
}

// Leaves of the run what is in [from, to). False: nothing.
bool SegmentRows::clip() {
  std::uint64_t first = run_.first_seq;
  std::uint64_t end = run_.end_seq();
  if (const auto from = bound(from_)) first = std::max(first, *from);
  if (const auto to = bound(to_)) {
    end = std::min(end, *to);
  } else if (to_ <= row_key(run_.timeline, 0)) {
    return false;
  }
  if (from_ > row_key(run_.timeline, UINT64_MAX)) return false;
  if (first >= end) return false;
  if (run_.memory == nullptr) run_.refs += (first - run_.first_seq) * sizeof(SegmentRef);
  run_.first_seq = first;
  run_.rows = static_cast<std::uint32_t>(end - first);
  seq_ = reverse_ ? end - 1 : first;
  return true;
}

// The least seq of the run's timeline whose key is not below `limit`, where it lies in it.
std::optional<std::uint64_t> SegmentRows::bound(std::string_view limit) const {
  const std::string first = row_key(run_.timeline, 0);
  if (!limit.starts_with(std::string_view(first).substr(0, kTimelineBytes))) return std::nullopt;
  std::string seq(limit.substr(kTimelineBytes));
  const bool beyond = seq.size() > sizeof(std::uint64_t);  // just behind the row of these bytes
  seq.resize(sizeof(std::uint64_t), '\0');
  const auto at = read_big_endian<std::uint64_t>(seq);
  return beyond && at < UINT64_MAX ? at + 1 : at;
}

}  // namespace ims::logic
