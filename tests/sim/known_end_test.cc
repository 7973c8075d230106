// Who saw a connection end and then asks, through whatever thread, is answered as if the server
// knew of the end: the note of it and the question wait together in front of a worker that did not
// run in between.
#include <doctest/doctest.h>

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "ims.pb.h"
#include "logic/jwt.h"
#include "tests/gateway/wire_kit.h"
#include "tests/sim/sim_server.h"

namespace ims::sim {
namespace {

constexpr std::size_t kGateways = 2;
constexpr std::size_t kWorkers = 2;
constexpr std::size_t kThreads = kGateways + kWorkers + 2;  // the committer and the reader

Config config_of_two() {
  Config config;
  config.placement = Placement::kSplit;
  config.gateways = kGateways;
  config.workers = kWorkers;
  config.max_frame_bytes = 4096;
  config.max_message_bytes = 4096 - kFrameOverheadBytes;
  config.send_queue_bytes = 64 * 1024;
  config.send_memory_bytes = 1024 * 1024;
  return config;
}

struct World {
  struct Person {
    std::size_t gateway;
    test::SimIo::Client socket;
    std::string name;
    std::string cut{};  // a frame that has not wholly arrived
  };

  World() {
    create_tenants(store, 1);
    server = std::make_unique<SimServer>(config, store, SimServer::Rings{65536, 1 << 20, 65536},
                                         test::SimFaults{}, 1, now, [](std::size_t) {});
  }

  void run(std::size_t thread) {
    now.ticks += 1000;
    server->step(thread, now);
  }
  void run_all() {
    for (int round = 0; round < 20; ++round) {
      ++now.mono_ms;
      ++now.wall_ms;
      for (std::size_t thread = 0; thread < kThreads; ++thread) run(thread);
    }
  }
  // A gateway alone, until it has nothing to do.
  void run_gateway(std::size_t gateway) {
    for (int round = 0; round < 5; ++round) run(gateway);
  }

  void write(const Person& person, const v2::Command& command) {
    server->io(person.gateway).write(person.socket, test::framed(command.SerializeAsString()));
  }
  Person login(std::size_t gateway, const std::string& name) {
    Person person{gateway, server->io(gateway).connect(), name};
    v2::Command command;
    command.set_version(2);
    Connect& connect = *command.mutable_connect();
    connect.set_org("org0");
    connect.set_appkey("app");
    connect.set_user(name);
    connect.set_token(
        logic::sign_jwt_hs256("secret0", {.user = name, .exp_s = now.wall_ms / 1000 + 1000}));
    write(person, command);
    run_all();
    REQUIRE(answer(person).conack().status() == ConAck::STATUS_OK);
    return person;
  }
  void leave(const Person& person) {
    v2::Command command;
    command.set_version(2);
    command.mutable_disconnect();
    write(person, command);
  }
  template <typename Body>
  void ask(const Person& person, Request::RequestType type, const Body& body) {
    v2::Command command;
    command.set_version(2);
    command.set_id(7);
    command.mutable_request()->set_type(type);
    command.mutable_request()->set_payload(body.SerializeAsString());
    write(person, command);
  }
  void contact(Person& person, ContactRequest::Op op, Person& other) {
    ContactRequest request;
    request.set_op(op);
    request.set_user(other.name);
    ask(person, Request::CONTACT, request);
    run_all();
    read(person);
    read(other);
  }
  std::vector<v2::Command> read(Person& person) {
    person.cut += server->io(person.gateway).read(person.socket);
    std::vector<v2::Command> commands;
    for (const std::string& frame : test::take_frames(person.cut)) {
      commands.push_back(test::v2_parse(frame));
    }
    return commands;
  }
  // The only thing that came.
  v2::Command answer(Person& person) {
    const auto commands = read(person);
    REQUIRE(commands.size() == 1);
    return commands[0];
  }
  bool has_ended(const Person& person) {
    return server->io(person.gateway).ended(person.socket) != test::SimIo::End::kOpen;
  }

  const Config config = config_of_two();
  testing::SimStore store{1};
  Now now{1'000'000, 1'750'000'000'000, 1'000'000'000'000};
  std::unique_ptr<SimServer> server;
};

// Some of them belong to another worker than the asker.
const std::string kNames[] = {"ann", "bob", "cleo", "dan", "eve"};

TEST_CASE("a message to who was seen to leave is answered OFFLINE") {
  for (std::size_t gateway = 0; gateway < kGateways; ++gateway) {
    CAPTURE(gateway);
    World world;
    World::Person leaver = world.login(gateway, "ann");
    World::Person sender = world.login(1 - gateway, "bob");
    world.leave(leaver);
    world.run_gateway(leaver.gateway);
    REQUIRE(world.has_ended(leaver));
    Message message;
    message.set_to("ann");
    message.set_payload("are you there?");
    world.ask(sender, Request::MESSAGE, message);
    world.run_gateway(sender.gateway);
    world.run_all();
    CHECK(world.answer(sender).response().code() == static_cast<int>(Code::kOffline));
  }
}

TEST_CASE("who was seen to leave is not online for a friend who asks") {
  for (std::size_t gateway = 0; gateway < kGateways; ++gateway) {
    for (std::size_t i = 0; i < kWorkers * std::size(kNames); ++i) {
      CAPTURE(gateway);
      CAPTURE(i);
      World world;
      World::Person leaver = world.login(gateway, kNames[i / kWorkers]);
      World::Person asker = world.login(1 - gateway, "zoe");
      world.contact(asker, ContactRequest::ADD, leaver);
      world.contact(leaver, ContactRequest::ACCEPT, asker);
      world.leave(leaver);
      world.run_gateway(leaver.gateway);
      REQUIRE(world.has_ended(leaver));
      PresenceRequest presence;
      presence.add_users(leaver.name);
      world.ask(asker, Request::PRESENCE, presence);
      world.run_gateway(asker.gateway);
      world.run(kGateways + i % kWorkers);  // the asker's, for one
      world.run_all();
      PresenceResult result;
      REQUIRE(result.ParseFromString(world.answer(asker).response().payload()));
      REQUIRE(result.presence_size() == 1);
      CHECK_FALSE(result.presence(0).online());
    }
  }
}

}  // namespace
}  // namespace ims::sim
