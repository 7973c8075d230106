// A new device of a user, and what the user's other session sends once it has seen the new one's
// login answer: it gets a copy, however slow a gateway is. And copies that are lost: they are
// counted. Turns are given by hand: gateway 0 has the phone, gateway 1 all others.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "logic/handoff.h"
#include "shared/records.h"
#include "tests/sim/hand_world.h"

namespace ims::sim {
namespace {

constexpr std::size_t kPhoneGateway = 0, kOtherGateway = 1;

struct World : HandWorld {
  // MESSAGE pushes with a peer_seq.
  std::size_t copies(Client& client) {
    read(client);
    std::size_t count = 0;
    for (const v2::Command& command : client.got) {
      if (!command.has_request() || command.request().type() != Request::MESSAGE) continue;
      Message message;
      REQUIRE(message.ParseFromString(command.request().payload()));
      count += message.peer_seq() != 0 ? 1 : 0;
    }
    return count;
  }
};

TEST_CASE("copies: a new device's login is answered once the other session's gateway knows of it") {
  for (const bool send_only : {false, true}) {
    CAPTURE(send_only);
    World world;
    world.log_in(kOtherGateway, "rob", "");
    World::Client& phone = world.log_in(kPhoneGateway, "ann", "phone", send_only);
    World::Client& pad = world.connect(kOtherGateway, "ann", "pad");
    // As long as gateway 0 stands still the answer would be a promise that it does not keep.
    world.run(kPhoneGateway);
    const bool was_early = world.answered(pad);
    CHECK_FALSE(was_early);
    if (!was_early) world.run();
    REQUIRE(world.answered(pad));
    world.store_message(phone, "rob");
    world.run();
    CHECK(world.copies(pad) == 1);
    world.settle();
  }
}

TEST_CASE("copies: of two new devices at once none is answered before") {
  World world;
  world.log_in(kOtherGateway, "rob", "");
  World::Client& phone = world.log_in(kPhoneGateway, "ann", "phone");
  World::Client& pad = world.connect(kOtherGateway, "ann", "pad");
  world.run(kPhoneGateway);
  World::Client& desk = world.connect(kOtherGateway, "ann", "desk");
  world.run(kPhoneGateway);
  CHECK_FALSE(world.answered(pad));
  CHECK_FALSE(world.answered(desk));
  world.run();
  CHECK(world.answered(pad));
  CHECK(world.answered(desk));
  world.store_message(phone, "rob");
  world.run();
  CHECK(world.copies(pad) == 1);
  CHECK(world.copies(desk) == 1);
}

TEST_CASE("copies: who has other devices anyway is not waited for") {
  World world;
  world.log_in(kOtherGateway, "rob", "");
  World::Client& phone = world.log_in(kPhoneGateway, "ann", "phone");
  world.log_in(kOtherGateway, "ann", "pad");
  World::Client& desk = world.connect(kOtherGateway, "ann", "desk");
  world.run(kPhoneGateway);
  CHECK(world.answered(desk));
  World::Client& again = world.connect(kOtherGateway, "ann", "pad");  // nothing new
  world.run(kPhoneGateway);
  CHECK(world.answered(again));
  world.store_message(phone, "rob");
  world.run();
  CHECK(world.copies(desk) == 1);
  CHECK(world.copies(again) == 1);
}

TEST_CASE("copies: the end of the other session is as good as its word") {
  World world;
  World::Client& phone = world.log_in(kPhoneGateway, "ann", "phone");
  World::Client& pad = world.connect(kOtherGateway, "ann", "pad");
  world.run(kPhoneGateway);
  CHECK_FALSE(world.answered(pad));
  world.server->io(kPhoneGateway).reset(phone.handle);
  world.run();
  CHECK(world.answered(pad));
  world.settle();
}

TEST_CASE("copies: a gateway that stands still holds a login up for a second at most") {
  World world;
  world.log_in(kPhoneGateway, "ann", "phone");
  World::Client& pad = world.connect(kOtherGateway, "ann", "pad");
  world.run(kPhoneGateway);
  world.pass_ms(999);
  world.run(kPhoneGateway);
  CHECK_FALSE(world.answered(pad));
  world.pass_ms(1000);  // and a tick
  world.run(kPhoneGateway);
  CHECK(world.answered(pad));
  world.run();
  world.settle();
}

// ---- copies that are lost -----------------------------------------------------------------------

// The message is durable, its copy not yet.
struct HalfWay : World {
  HalfWay() {
    log_in(kOtherGateway, "rob", "");
    phone = &log_in(kPhoneGateway, "ann", "phone");
    pad = &log_in(kOtherGateway, "ann", "pad");
    pass_ms(2000);  // cursors are stored
    run();
    store_message(*phone, "rob");
    run(server->commit_thread());
    server->step(server->commit_thread(), now);
  }
  std::uint64_t lost() const { return server->count(Counter::kCopiesLost); }

  Client* phone = nullptr;
  Client* pad = nullptr;
};

TEST_CASE("copies: one that is not written is counted") {
  SUBCASE("it is written") {
    HalfWay world;
    world.run();
    CHECK(world.copies(*world.pad) == 1);
    CHECK(world.lost() == 0);
  }
  SUBCASE("there is no room for it") {
    HalfWay world;
    world.store.set_faults({.no_space_percent = 100});
    world.run();
    CHECK(world.copies(*world.pad) == 0);
    CHECK(world.lost() == 1);
  }
  SUBCASE("its batch fails") {
    HalfWay world;
    world.store.set_faults({.fail_write = 1});
    world.run();
    CHECK(world.copies(*world.pad) == 0);
    CHECK(world.lost() == 1);
  }
}

TEST_CASE("copies: a handoff that does not decode is counted, and makes nothing") {
  World world;
  world.run();
  std::uint64_t lost = 0;
  const std::string bodies[] = {"\xff\xff\xff", "\x12\x02\x0a\xff"};
  for (const std::string& body : bodies) {
    logic::OwnCopyRecord record;
    record.header.kind = logic::record_kind(logic::HandoffKind::kOwnCopy);
    record.tenant = TenantId{1};
    record.body_bytes = static_cast<std::uint32_t>(body.size());
    RecordWriter writer(world.server->handoffs_to(0), sizeof record + body.size());
    REQUIRE(writer.ok());
    writer.header(record);
    writer.append(as_bytes(body));
    writer.commit();
    world.server->handoffs_to(0).publish();
    world.run();
    CHECK(world.server->count(Counter::kCopiesLost) == ++lost);
    CHECK(world.server->count(Counter::kRowsStored) == 0);
  }
}

}  // namespace
}  // namespace ims::sim
