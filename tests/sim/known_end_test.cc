// Who saw a connection end and then asks, through whatever thread, is answered as if the server
// knew of the end: the note of it and the question wait together in front of a worker that did not
// run in between.
#include <doctest/doctest.h>

#include <cstdint>
#include <iterator>
#include <string>

#include "shared/codes.h"
#include "tests/sim/hand_world.h"

namespace ims::sim {
namespace {

constexpr std::size_t kGateways = 2, kWorkers = 2;

struct World : HandWorld {
  // A gateway alone, until it has nothing to do.
  void run_gateway(std::size_t gateway) {
    for (int turn = 0; turn < 5; ++turn) server->step(gateway, now);
  }
  // The client has seen its end, and no worker has run since it left.
  void leave(Client& client) {
    server->io(client.gateway).write(client.handle, test::v2_disconnect());
    run_gateway(client.gateway);
    REQUIRE(server->io(client.gateway).ended(client.handle) != test::SimIo::End::kOpen);
  }
};

TEST_CASE("a message to who was seen to leave is answered OFFLINE") {
  for (std::size_t gateway = 0; gateway < kGateways; ++gateway) {
    CAPTURE(gateway);
    World world;
    World::Client& leaver = world.log_in(gateway, "ann", "");
    World::Client& sender = world.log_in(1 - gateway, "bob", "");
    world.leave(leaver);
    const std::uint64_t id = world.ask(sender, Request::MESSAGE,
                                       test::message_to("ann", "there?").SerializeAsString());
    world.run_gateway(sender.gateway);
    world.run();
    CHECK(world.answer(sender, id).code() == static_cast<int>(Code::kOffline));
  }
}

// Some of them belong to another worker than the asker.
const std::string kNames[] = {"ann", "bob", "cleo", "dan", "eve"};

TEST_CASE("who was seen to leave is not online for a friend who asks") {
  for (std::size_t gateway = 0; gateway < kGateways; ++gateway) {
    for (std::size_t i = 0; i < kWorkers * std::size(kNames); ++i) {
      CAPTURE(gateway);
      CAPTURE(i);
      const std::string& name = kNames[i / kWorkers];
      World world;
      World::Client& leaver = world.log_in(gateway, name, "");
      World::Client& asker = world.log_in(1 - gateway, "zoe", "");
      world.contact(asker, ContactRequest::ADD, name);
      world.contact(leaver, ContactRequest::ACCEPT, "zoe");
      world.leave(leaver);
      PresenceRequest presence;
      presence.add_users(name);
      const std::uint64_t id = world.ask(asker, Request::PRESENCE, presence.SerializeAsString());
      world.run_gateway(asker.gateway);
      world.server->step(kGateways + i % kWorkers, world.now);  // the asker's, for one
      world.run();
      PresenceResult result;
      REQUIRE(result.ParseFromString(world.answer(asker, id).payload()));
      REQUIRE(result.presence_size() == 1);
      CHECK_FALSE(result.presence(0).online());
    }
  }
}

}  // namespace
}  // namespace ims::sim
