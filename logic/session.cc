// The window of a session: handed, taken, acknowledged (session.h).
#include "logic/session.h"

#include <algorithm>

#include "shared/assert.h"

namespace ims::logic {

void Feed::skip(std::uint64_t low, std::uint64_t high) {
  IMS_ASSERT(low == handed + 1 && high >= low);
  if (!skips.empty() && skips.back().high + 1 == low) {
    skips.back().high = high;
  } else {
    skips.push_back({low, high});
  }
  handed = high;
  absorb_skips();
}

void Feed::absorb_skips() {
  std::size_t passed = 0;
  while (passed < skips.size() && skips[passed].low <= acked + 1) {
    if (skips[passed].high > acked) {
      acked = skips[passed].high;
      dirty = true;
    }
    ++passed;
  }
  skips.erase(skips.begin(), skips.begin() + passed);
}

std::uint64_t Feed::passed() const noexcept {
  std::uint64_t seq = acked;
  for (const SeqRange& range : skips) {
    if (range.low > seq + 1) break;
    seq = std::max(seq, range.high);
  }
  return seq;
}

void Feed::acknowledge(std::uint64_t seq) {
  IMS_ASSERT(seq > acked && seq <= handed);
  std::uint64_t skipped = 0;
  std::size_t passed = 0;
  for (; passed < skips.size() && skips[passed].low <= seq; ++passed) {
    skipped += std::min(skips[passed].high, seq) - skips[passed].low + 1;
    if (skips[passed].high > seq) {
      skips[passed].low = seq + 1;
      break;
    }
  }
  skips.erase(skips.begin(), skips.begin() + passed);
  const std::uint64_t pushed = seq - acked - skipped;
  IMS_ASSERT(pushed <= unacked);
  unacked -= static_cast<std::uint32_t>(pushed);
  acked = seq;
  dirty = true;
  absorb_skips();
}

void Feed::advance(std::uint64_t seq) {
  if (seq > handed) skip(handed + 1, seq);
  if (seq > acked) acknowledge(seq);
}

void Feed::rewind(std::uint64_t seq, std::uint32_t pushed_above) {
  live = false;
  if (seq < acked) seq = acked;
  if (seq >= handed) return;
  IMS_ASSERT(pushed_above <= unacked);
  unacked -= pushed_above;
  handed = seq;
  while (!skips.empty() && skips.back().low > handed) skips.pop_back();
  if (!skips.empty() && skips.back().high > handed) skips.back().high = handed;
}

}  // namespace ims::logic
