// Which ring takes the next connections: tables full, nearly full and freed again.
#include <doctest/doctest.h>

#include <vector>

#include "gateway/ring_choice.h"

using ims::gateway::choose_ring;
using ims::gateway::RingRoom;

namespace {

std::size_t choose(const std::vector<RingRoom>& rooms, std::size_t current, bool may_add) {
  return choose_ring(rooms, current, may_add);
}

}  // namespace

TEST_CASE("ring choice: the current one to its last place, whatever the others have") {
  CHECK(choose({{80, 0}}, 0, true) == 0);
  CHECK(choose({{80, 79}}, 0, true) == 0);
  CHECK(choose({{80, 0}, {80, 79}}, 1, true) == 1);
}

TEST_CASE("ring choice: a full one adds the next, if it may") {
  CHECK(choose({{80, 80}}, 0, true) == 1);
  CHECK(choose({{80, 80}, {80, 80}}, 1, true) == 2);
  // All full and no more allowed: nothing changes.
  CHECK(choose({{80, 80}, {80, 80}}, 1, false) == 1);
  CHECK(choose({{80, 80}, {80, 80}}, 0, false) == 0);
}

TEST_CASE("ring choice: one with an eighth free comes before a new one, the first such") {
  CHECK(choose({{80, 71}, {80, 80}}, 1, true) == 2);  // 9 of 80: less than an eighth
  CHECK(choose({{80, 70}, {80, 80}}, 1, true) == 0);  // 10 of 80
  CHECK(choose({{80, 69}, {80, 80}, {80, 0}}, 1, true) == 0);
  // A table so small that its eighth is nothing still needs a place.
  CHECK(choose({{4, 4}, {80, 80}}, 1, true) == 2);
  CHECK(choose({{4, 3}, {80, 80}}, 1, true) == 0);
}

TEST_CASE("ring choice: with no more to add, the one with most room") {
  CHECK(choose({{80, 79}, {80, 75}, {80, 80}}, 2, false) == 1);
  CHECK(choose({{80, 79}, {80, 80}}, 1, false) == 0);
}
