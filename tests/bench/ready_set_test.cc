// The set that a sender is picked from, against a plain model.
#include "bench/load/ready_set.h"

#include <doctest/doctest.h>

#include <set>

#include "shared/prng.h"

namespace ims::bench {
namespace {

TEST_CASE("it holds what was added and not removed, each once") {
  constexpr std::uint32_t kLimit = 20;
  ReadySet ready(kLimit);
  std::set<std::uint32_t> model;
  Prng prng(1);
  CHECK(ready.empty());
  for (int step = 0; step < 2000; ++step) {
    const auto number = static_cast<std::uint32_t>(prng.below(kLimit));
    if (prng.chance(50)) {
      ready.add(number);
      model.insert(number);
    } else {
      ready.remove(number);
      model.erase(number);
    }
    std::set<std::uint32_t> held;
    for (std::uint32_t place = 0; place < ready.size(); ++place) held.insert(ready.at(place));
    REQUIRE(ready.size() == model.size());
    REQUIRE(held == model);
  }
}

}  // namespace
}  // namespace ims::bench
