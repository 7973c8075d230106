// Places in order, once each (streams.h).
#include "bench/load/streams.h"

#include <algorithm>

namespace ims::bench {

void Timeline::add(std::uint64_t seq) noexcept {
  if (rows == 0 || seq < first) first = seq;
  last = std::max(last, seq);
  ++rows;
}

std::uint32_t Streams::add_group(std::uint32_t start, std::uint32_t size) {
  groups_.push_back({start, size, static_cast<std::uint32_t>(timelines_.size())});
  timelines_.resize(timelines_.size() + size);
  return static_cast<std::uint32_t>(groups_.size() - 1);
}

std::uint32_t Streams::add(std::uint32_t sender, std::uint32_t user, bool relayed_to_away) {
  streams_.push_back({sender, user, false, relayed_to_away, 0,
                      static_cast<std::uint32_t>(next_place_.size())});
  next_place_.resize(next_place_.size() + 1);
  has_passed_over_.resize(next_place_.size());
  return static_cast<std::uint32_t>(streams_.size() - 1);
}

std::uint32_t Streams::add_to_group(std::uint32_t sender, std::uint32_t group) {
  streams_.push_back(
      {sender, group, true, false, 0, static_cast<std::uint32_t>(next_place_.size())});
  next_place_.resize(next_place_.size() + groups_[group].size);
  has_passed_over_.resize(next_place_.size());
  return static_cast<std::uint32_t>(streams_.size() - 1);
}

std::uint32_t Streams::slot(const Stream& stream, std::uint32_t user) const noexcept {
  if (!stream.to_group) return user == stream.target ? stream.slot_first : kNowhere;
  const std::uint32_t at = position(groups_[stream.target], user);
  return at == kNowhere || user == stream.sender ? kNowhere : stream.slot_first + at;
}

Arrival Streams::arrive(const Stream& stream, std::uint32_t slot, std::uint32_t place) {
  std::uint32_t& next = next_place_[slot];
  if (place == next) {
    ++next;
    return Arrival::kNext;
  }
  if (place > next) {
    if (!stream.relayed_to_away) {
      has_passed_over_[slot] += place - next;
      for (std::uint32_t over = next; over < place; ++over) passed_over_.insert(key(slot, over));
    }
    next = place + 1;
    return Arrival::kAhead;
  }
  if (stream.relayed_to_away) return Arrival::kBehind;
  if (passed_over_.erase(key(slot, place)) == 0) return Arrival::kTwice;
  --has_passed_over_[slot];
  return Arrival::kLate;
}

// What was refused counts for nobody; where nothing was, the counts alone tell.
std::uint64_t Streams::missing(std::uint32_t stream, std::uint32_t slot) const {
  const std::uint32_t next = next_place_[slot];
  const std::uint32_t sent = streams_[stream].next_place;
  std::uint64_t count = std::uint64_t{sent} - next + has_passed_over_[slot];
  if (count == 0 || refused_.empty()) return count;
  for (std::uint32_t place = 0; place < sent; ++place) {
    const bool came = place < next && !passed_over_.contains(key(slot, place));
    if (!came && refused_.contains(key(stream, place))) --count;
  }
  return count;
}

}  // namespace ims::bench
