// How far a session is in a timeline: handed, passed over, acknowledged (session.h).
#include "logic/session.h"

#include <algorithm>

#include "logic/entity.h"
#include "logic/worker_parts.h"
#include "shared/assert.h"

namespace ims::logic {

TimelineKey Session::timeline(std::size_t index) const noexcept {
  if (index == 0) return user->inbox.key();
  const GroupFeed& group = groups[index - 1];
  if (const GroupHub* const hub = group.hub()) return {partition_of(hub->hash), hub->id.value};
  return group.in_use() ? group.end_timeline() : TimelineKey{};
}

Feed* Session::find_feed(std::uint64_t timeline) noexcept {
  if (send_only) return nullptr;
  if (timeline == user->inbox.id()) return &inbox;
  for (std::size_t i = 1; i < feed_count(); ++i) {
    if (this->timeline(i).id == timeline) return &feed(i);
  }
  return nullptr;
}

// ---- the word and the Lag -----------------------------------------------------------------------

void Feed::start(std::uint64_t cursor) {
  if (lag() == nullptr && cursor <= kLowBits) {
    word_ = (word_ & ~kLowBits) | cursor;
    return;
  }
  Lag& lag = open();
  IMS_ASSERT(lag.unacked == 0 && lag.skips.empty());
  lag.acked = lag.handed = cursor;
}

Feed::Lag& Feed::open() {
  if (lag() != nullptr) return *lag();
  auto made = std::make_unique<Lag>();
  made->acked = made->handed = low_bits();
  const auto address = reinterpret_cast<std::uintptr_t>(made.get());
  IMS_ASSERT(address <= kLowBits);  // user space of Linux, where no larger one is asked for
  word_ = (word_ & ~kLowBits) | kLagging | address;
  return *made.release();
}

void Feed::settle() noexcept {
  Lag* const settled = lag();
  if (settled == nullptr || settled->acked != settled->handed || settled->acked > kLowBits) return;
  word_ = (word_ & ~(kLowBits | kLagging)) | settled->acked;
  delete settled;
}

// ---- the cursor ---------------------------------------------------------------------------------

void Feed::push(std::uint64_t seq) {
  IMS_ASSERT(seq > handed());
  if (seq > handed() + 1) skip(handed() + 1, seq - 1);
  Lag& lag = open();
  lag.handed = seq;
  ++lag.unacked;
}

void Feed::skip(std::uint64_t low, std::uint64_t high) {
  IMS_ASSERT(low == handed() + 1 && high >= low);
  if (lag() == nullptr) {  // nothing is before it: the cursor passes it at once
    set_dirty(true);
    return start(high);
  }
  Lag& lag = open();
  if (!lag.skips.empty() && lag.skips.back().high + 1 == low) {
    lag.skips.back().high = high;
  } else {
    lag.skips.push_back({low, high});
  }
  lag.handed = high;
  absorb(lag);
}

void Feed::absorb_skips() {
  if (lag() != nullptr) absorb(*lag());
}

void Feed::absorb(Lag& lag) {
  std::size_t passed = 0;
  while (passed < lag.skips.size() && lag.skips[passed].low <= lag.acked + 1) {
    if (lag.skips[passed].high > lag.acked) {
      lag.acked = lag.skips[passed].high;
      set_dirty(true);
    }
    ++passed;
  }
  lag.skips.erase(lag.skips.begin(), lag.skips.begin() + passed);
}

std::uint64_t Feed::passed() const noexcept {
  std::uint64_t seq = acked();
  if (lag() == nullptr) return seq;
  for (const SeqRange& range : lag()->skips) {
    if (range.low > seq + 1) break;
    seq = std::max(seq, range.high);
  }
  return seq;
}

void Feed::acknowledge(std::uint64_t seq) {
  IMS_ASSERT(seq > acked() && seq <= handed());
  Lag& lag = open();
  std::uint64_t skipped = 0;
  std::size_t passed = 0;
  for (; passed < lag.skips.size() && lag.skips[passed].low <= seq; ++passed) {
    skipped += std::min(lag.skips[passed].high, seq) - lag.skips[passed].low + 1;
    if (lag.skips[passed].high > seq) {
      lag.skips[passed].low = seq + 1;
      break;
    }
  }
  lag.skips.erase(lag.skips.begin(), lag.skips.begin() + passed);
  const std::uint64_t pushed = seq - lag.acked - skipped;
  IMS_ASSERT(pushed <= lag.unacked);
  lag.unacked -= static_cast<std::uint32_t>(pushed);
  lag.acked = seq;
  set_dirty(true);
  absorb(lag);
}

void Feed::advance(std::uint64_t seq) {
  if (seq > handed()) skip(handed() + 1, seq);
  if (seq > acked()) acknowledge(seq);
}

void Feed::rewind(std::uint64_t seq, std::uint32_t pushed_above) {
  set_live(false);
  if (lag() == nullptr) return;
  Lag& lag = open();
  if (seq < lag.acked) seq = lag.acked;
  if (seq >= lag.handed) return;
  IMS_ASSERT(pushed_above <= lag.unacked);
  lag.unacked -= pushed_above;
  lag.handed = seq;
  while (!lag.skips.empty() && lag.skips.back().low > lag.handed) lag.skips.pop_back();
  if (!lag.skips.empty() && lag.skips.back().high > lag.handed) {
    lag.skips.back().high = lag.handed;
  }
}

}  // namespace ims::logic
