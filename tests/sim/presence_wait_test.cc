// An answer to PRESENCE that waits for another owner says no less than a push that went out before
// it: one owner answered, its user's next device is pushed, and only then does the other one run.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "shared/limits.h"
#include "tests/sim/hand_world.h"

namespace ims::sim {
namespace {

constexpr std::size_t kGateways = 2, kWorkers = 2;
const std::string kNames[] = {"ann", "bob", "cleo", "dan", "eve"};  // not all of one owner

// Devices of the user in a list of presences; -1: it is not there.
int devices_in(const std::string& payload, const std::string& user) {
  PresenceResult result;
  REQUIRE(result.ParseFromString(payload));
  for (const Presence& presence : result.presence()) {
    if (presence.user() == user) return presence.devices_size();
  }
  return -1;
}

int devices_pushed(const HandWorld::Client& client, const std::string& user) {
  int devices = -1;
  for (const v2::Command& command : client.got) {
    if (!command.has_request() || command.request().type() != Request::PRESENCE) continue;
    const int pushed = devices_in(command.request().payload(), user);
    if (pushed >= 0) devices = pushed;
  }
  return devices;
}

// False: with these names and this owner standing still, the answer waits for nobody, or no push
// goes out meanwhile.
bool answer_waits(const std::string& changes, const std::string& other, std::size_t still) {
  HandWorld world;
  HandWorld::Client& asker = world.log_in(1, "zoe", "");
  for (const std::string& name : {changes, other}) {
    HandWorld::Client& client = world.log_in(0, name, "one");
    world.contact(asker, ContactRequest::ADD, name);
    world.contact(client, ContactRequest::ACCEPT, "zoe");
  }
  PresenceRequest request;
  request.add_users(changes);
  request.add_users(other);
  request.set_watch(true);
  const std::uint64_t id = world.ask(asker, Request::PRESENCE, request.SerializeAsString());
  world.run(still);
  HandWorld::Client& second = world.connect(0, changes, "two");
  world.run(still);
  if (!world.answered(second)) return false;
  world.pass_ms(kPresenceSettleMs + 1);
  world.run(still);
  if (world.find_answer(asker, id) || devices_pushed(asker, changes) != 2) return false;
  world.run();
  CHECK(devices_in(world.answer(asker, id).payload(), changes) == 2);
  return true;
}

TEST_CASE("presence: an answer that waits for another owner is not older than a push before it") {
  int waited = 0;
  for (const std::string& changes : kNames) {
    for (const std::string& other : kNames) {
      if (changes == other) continue;
      for (std::size_t worker = 0; worker < kWorkers; ++worker) {
        CAPTURE(changes);
        CAPTURE(other);
        CAPTURE(worker);
        if (answer_waits(changes, other, kGateways + worker)) ++waited;
      }
    }
  }
  CHECK(waited > 0);
}

}  // namespace
}  // namespace ims::sim
