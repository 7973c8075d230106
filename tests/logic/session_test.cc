// A session's place in a timeline, against its definition: sets of seqs.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "logic/session.h"

namespace ims::logic {
namespace {

// What a Feed says, kept as what it means.
struct Model {
  std::uint64_t acked = 0;
  std::uint64_t handed = 0;
  std::set<std::uint64_t> pushed;  // above acked

  void absorb() {
    while (acked < handed && !pushed.contains(acked + 1)) ++acked;
  }
  void acknowledge(std::uint64_t seq) {
    acked = std::max(acked, seq);
    pushed.erase(pushed.begin(), pushed.upper_bound(acked));
    absorb();
  }
  void rewind(std::uint64_t seq) {
    handed = std::min(handed, std::max(seq, acked));
    pushed.erase(pushed.upper_bound(handed), pushed.end());
  }
};

void check_same(const Feed& feed, const Model& model) {
  CHECK(feed.acked() == model.acked);
  CHECK(feed.handed() == model.handed);
  CHECK(feed.unacked() == model.pushed.size());
  CHECK(feed.passed() == model.acked);
}

}  // namespace

TEST_CASE("Feed: whatever is pushed, passed over, acknowledged, refused and settled") {
  std::mt19937 random(11);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  for (int world = 0; world < 200; ++world) {
    const std::uint64_t start = below(3) == 0 ? (std::uint64_t{1} << 48) - 20 : below(100);
    Feed feed(start);
    Model model{start, start, {}};
    for (int step = 0; step < 200; ++step) {
      switch (below(7)) {
        case 0:
        case 1: {
          const std::uint64_t seq = model.handed + 1 + below(3);
          feed.push(seq);
          model.handed = seq;
          model.pushed.insert(seq);
          model.absorb();
          break;
        }
        case 2: {
          const std::uint64_t high = model.handed + 1 + below(4);
          feed.skip(model.handed + 1, high);
          model.handed = high;
          model.absorb();
          break;
        }
        case 3: {
          if (model.acked == model.handed) break;
          const std::uint64_t seq = model.acked + 1 + below(model.handed - model.acked);
          feed.acknowledge(seq);
          model.acknowledge(seq);
          CHECK(feed.dirty());
          break;
        }
        case 4: {
          const std::uint64_t seq = model.acked + below(6);
          feed.advance(seq);
          model.handed = std::max(model.handed, seq);
          model.acknowledge(seq);
          break;
        }
        case 5: {
          const std::uint64_t seq = model.acked + below(model.handed - model.acked + 1);
          const auto above = static_cast<std::uint32_t>(
              std::distance(model.pushed.upper_bound(seq), model.pushed.end()));
          feed.set_live(true);
          feed.rewind(seq, above);
          model.rewind(seq);
          CHECK_FALSE(feed.live());
          break;
        }
        default: {
          const bool live = below(2) == 0;
          const bool dirty = below(2) == 0;
          feed.set_live(live);
          feed.set_dirty(dirty);
          feed.settle();
          Feed moved(std::move(feed));
          feed = std::move(moved);
          CHECK(feed.live() == live);
          CHECK(feed.dirty() == dirty);
          break;
        }
      }
      check_same(feed, model);
    }
  }
}

TEST_CASE("GroupFeed: a member, then one who reads up to the end, then nobody") {
  alignas(8) static char storage[8];
  auto& hub = reinterpret_cast<GroupHub&>(storage);  // an address is all that it takes
  GroupFeed feed(6, 7);
  CHECK_FALSE(feed.in_use());
  feed.set_hub(hub);
  CHECK(feed.in_use());
  CHECK(feed.hub() == &hub);
  CHECK(feed.end_seq() == 0);
  feed.set_unused();
  feed.set_end({3, 99}, 12);
  GroupFeed moved(std::move(feed));
  CHECK(moved.in_use());
  CHECK(moved.hub() == nullptr);
  CHECK(moved.end_seq() == 12);
  CHECK(moved.end_timeline() == TimelineKey{3, 99});
  CHECK(moved.join_seq() == 7);
  CHECK(moved.feed.acked() == 6);
  moved.set_unused();
  CHECK_FALSE(moved.in_use());
}

}  // namespace ims::logic
