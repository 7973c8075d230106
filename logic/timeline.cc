// How a timeline grows and loses its oldest rows, in memory (entity.h).
#include <algorithm>

#include "logic/entity.h"
#include "shared/assert.h"

namespace ims::logic {

void Timeline::adopt(TimelineKey at, const TimelineState& stored) noexcept {
  *this = {};
  id_ = at.id;
  partition_ = at.partition;
  head_ = stored.head;
  first_seq_ = stored.first_seq;
  set_first_time(stored.first_time_ms);
  last_time_ms_ = stored.last_time_ms;
}

std::uint64_t Timeline::append(std::int64_t& time_ms) noexcept {
  time_ms = std::max(time_ms, last_time_ms());
  last_time_ms_ = time_ms;
  ++pending_rows_;
  const std::uint64_t seq = pending_head();
  if (first_seq_ == seq) set_first_time(time_ms);
  return seq;
}

void Timeline::commit(std::uint64_t seq, std::int64_t time_ms) noexcept {
  IMS_ASSERT(seq == head_ + 1 && pending_rows_ > 0);
  head_ = seq;
  --pending_rows_;
  if (first_seq_ == seq) set_first_time(time_ms);
}

void Timeline::drop_pending() noexcept {
  pending_rows_ = 0;
  dirty_mark = 0;
  if (first_seq_ > head_) set_first_time(0);
}

void Timeline::take_first_seq(const TimelineState& searched, std::int64_t now_ms) noexcept {
  const std::uint64_t found = std::min(searched.first_seq, searched.head + 1);
  if (found <= first_seq_) return;
  first_seq_ = found;
  set_first_time(searched.first_seq <= searched.head ? searched.first_time_ms
                 : pending_head() > searched.head    ? now_ms
                                                     : 0);
}

}  // namespace ims::logic
