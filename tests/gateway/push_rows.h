// Rows that a worker pushes to one session, for tests of what becomes of them.
#pragma once

#include <doctest/doctest.h>

#include "tests/gateway/gateway_fixture.h"

namespace ims::test {

// Pushes rows `first`.. `last` to one session, one record each.
inline void push_rows(GatewayFixture& world, const GatewayFixture::Session& session,
                      std::uint64_t first, std::uint64_t last, std::size_t bytes,
                      bool restart = false) {
  for (std::uint64_t ordinal = first; ordinal <= last; ++ordinal) {
    const std::uint64_t mark = restart && ordinal == first ? kTargetRestart : 0;
    REQUIRE(world.push(session.login.worker, {{session.connection, ordinal | mark}},
                       std::string(bytes, 'r'), true));
  }
}

}  // namespace ims::test
