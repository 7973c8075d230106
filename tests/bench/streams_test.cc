// Places, positions and timelines: what counts as next, late, twice and lost.
#include "bench/load/streams.h"

#include <doctest/doctest.h>

#include <tuple>
#include <vector>

namespace ims::bench {
namespace {

struct Pair {
  Streams streams{2};
  std::uint32_t id = streams.add(0, 1);
  std::uint32_t slot = streams.slot(streams.all()[id], 1);

  Arrival arrive(std::uint32_t place) { return streams.arrive(streams.all()[id], slot, place); }
  std::uint64_t lost(std::uint32_t sent) {
    streams.all()[id].next_place = sent;
    std::uint64_t sum = 0;
    streams.for_lost([&](const Stream&, std::uint32_t user, std::uint64_t count) {
      CHECK(user == 1);
      sum += count;
    });
    return sum;
  }
};

TEST_CASE("in order, once each") {
  Pair pair;
  for (std::uint32_t place = 0; place < 5; ++place) CHECK(pair.arrive(place) == Arrival::kNext);
  CHECK(pair.lost(5) == 0);
  CHECK(pair.lost(7) == 2);
}

TEST_CASE("ahead, late and twice") {
  Pair pair;
  CHECK(pair.arrive(0) == Arrival::kNext);
  CHECK(pair.arrive(0) == Arrival::kTwice);
  CHECK(pair.arrive(3) == Arrival::kAhead);
  CHECK(pair.lost(4) == 2);
  CHECK(pair.arrive(1) == Arrival::kLate);
  CHECK(pair.arrive(1) == Arrival::kTwice);
  CHECK(pair.arrive(3) == Arrival::kTwice);
  CHECK(pair.arrive(4) == Arrival::kNext);
  CHECK(pair.lost(5) == 1);
  CHECK(pair.arrive(2) == Arrival::kLate);
  CHECK(pair.lost(5) == 0);
}

TEST_CASE("what was refused is not lost, wherever it stands") {
  Pair pair;
  for (const std::uint32_t place : {1u, 4u}) pair.streams.refuse(pair.id, place);
  CHECK(pair.arrive(0) == Arrival::kNext);
  CHECK(pair.arrive(2) == Arrival::kAhead);
  CHECK(pair.lost(5) == 1);  // 3; 1 and 4 were refused
  CHECK(pair.arrive(3) == Arrival::kNext);
  CHECK(pair.lost(5) == 0);
}

TEST_CASE("refused, and delivered all the same") {
  Pair pair;
  pair.streams.refuse(pair.id, 0);
  CHECK(pair.arrive(0) == Arrival::kNext);
  CHECK(pair.lost(2) == 1);
}

TEST_CASE("users who come and go: a hole is nobody's loss, a step back is told") {
  Streams streams(2);
  const std::uint32_t id = streams.add(0, 1, true);
  const Stream& stream = streams.all()[id];
  CHECK(streams.arrive(stream, stream.slot_first, 3) == Arrival::kAhead);
  CHECK(streams.arrive(stream, stream.slot_first, 2) == Arrival::kBehind);
  CHECK(streams.arrive(stream, stream.slot_first, 3) == Arrival::kBehind);
  streams.all()[id].next_place = 9;
  streams.for_lost([](const Stream&, std::uint32_t, std::uint64_t) { FAIL("lost"); });
}

TEST_CASE("only who it is for has a slot") {
  Streams streams(4);
  const Stream pair = streams.all()[streams.add(0, 2)];
  CHECK(streams.slot(pair, 2) != Streams::kNowhere);
  for (const std::uint32_t other : {0u, 1u, 3u}) {
    CHECK(streams.slot(pair, other) == Streams::kNowhere);
  }
}

TEST_CASE("members of a group stand in a row, around the end") {
  Streams streams(5);
  const std::uint32_t id = streams.add_group(3, 4);  // 3 4 0 1
  const Group& group = streams.groups()[id];
  const std::vector<std::uint32_t> members = {3, 4, 0, 1};
  for (std::uint32_t at = 0; at < members.size(); ++at) {
    CHECK(streams.member(group, at) == members[at]);
    CHECK(streams.position(group, members[at]) == at);
  }
  CHECK(streams.position(group, 2) == Streams::kNowhere);
  const std::uint32_t stream = streams.add_to_group(4, id);
  CHECK(streams.slot(streams.all()[stream], 4) == Streams::kNowhere);  // the sender
  CHECK(streams.slot(streams.all()[stream], 2) == Streams::kNowhere);  // no member
  CHECK(streams.slot(streams.all()[stream], 0) != streams.slot(streams.all()[stream], 1));
  streams.all()[stream].next_place = 2;
  std::vector<std::tuple<std::uint32_t, std::uint64_t>> lost;
  streams.arrive(streams.all()[stream], streams.slot(streams.all()[stream], 0), 0);
  streams.for_lost([&](const Stream&, std::uint32_t user, std::uint64_t count) {
    lost.emplace_back(user, count);
  });
  CHECK(lost == std::vector<std::tuple<std::uint32_t, std::uint64_t>>{{3, 2}, {0, 1}, {1, 2}});
}

TEST_CASE("a timeline has a hole unless its rows fill it, in whatever order") {
  Timeline timeline;
  CHECK_FALSE(timeline.has_hole());
  timeline.add(12);
  timeline.add(10);
  CHECK(timeline.has_hole());
  timeline.add(11);
  CHECK_FALSE(timeline.has_hole());
  timeline.add(11);
  CHECK(timeline.has_hole());  // one of them twice
}

}  // namespace
}  // namespace ims::bench
