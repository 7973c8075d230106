// The whole server, two gateways and two workers, with turns given by hand: a thread stands still
// for as long as a test wants it to.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ims.pb.h"
#include "logic/jwt.h"
#include "shared/codes.h"
#include "tests/gateway/wire_kit.h"
#include "tests/sim/sim_server.h"

namespace ims::sim {

inline constexpr int kTurns = 40;  // more than anything here takes

inline Config two_by_two() {
  Config config;
  config.gateways = 2;
  config.workers = 2;
  config.placement = Placement::kSplit;
  config.durability = Durability::kSync;
  config.max_frame_bytes = 4096;
  config.max_message_bytes = 4096 - kFrameOverheadBytes;
  config.send_memory_bytes = 4 * kMiB;
  return config;
}

struct HandWorld {
  struct Client {
    std::size_t gateway = 0;
    test::SimIo::Client handle = 0;
    std::string bytes;
    std::vector<v2::Command> got;
  };

  HandWorld() {
    create_tenants(store, 1);
    server.emplace(config, store, SimServer::Rings{64 * kKiB, kMiB, 64 * kKiB}, test::SimFaults{},
                   std::uint64_t{1}, now, [](std::size_t) {});
  }

  // Everybody's turn but that thread's, again and again: gateways first, then workers.
  void run(std::size_t but = SIZE_MAX, int turns = kTurns) {
    for (int turn = 0; turn < turns; ++turn) {
      now.ticks += 1000;
      for (std::size_t thread = 0; thread < server->thread_count(); ++thread) {
        if (thread != but) server->step(thread, now);
      }
    }
  }
  void pass_ms(std::int64_t ms) {
    now.mono_ms += ms;
    now.wall_ms += ms;
  }

  // Nothing is left behind, once cursors were stored.
  void settle() {
    for (int i = 0; i < 3; ++i) {
      pass_ms(1000);
      run();
    }
    CHECK(server->quiet());
  }

  Client& connect(std::size_t gateway, const std::string& user, const std::string& device,
                  bool send_only = false) {
    Client& client = clients.emplace_back();
    client.gateway = gateway;
    client.handle = server->io(gateway).connect();
    Connect connect = test::connect_message(user, device);
    connect.set_org("org0");
    connect.set_token(logic::sign_jwt_hs256(
        "secret0", {.user = user, .exp_s = now.wall_ms / 1000 + 1'000'000}));
    connect.set_send_only(send_only);
    server->io(gateway).write(client.handle, test::v2_connect(connect));
    return client;
  }
  void read(Client& client) {
    client.bytes += server->io(client.gateway).read(client.handle);
    for (const std::string& frame : test::take_frames(client.bytes)) {
      if (!frame.empty()) client.got.push_back(test::v2_parse(frame));
    }
  }
  bool answered(Client& client) {
    read(client);
    for (const v2::Command& command : client.got) {
      if (command.has_conack()) {
        REQUIRE(command.conack().code() == static_cast<int>(Code::kOk));
        return true;
      }
    }
    return false;
  }
  void store_message(Client& from, const std::string& to) {
    server->io(from.gateway)
        .write(from.handle, test::v2_message(++requests, test::message_to(to, "text"), true));
  }
  std::uint64_t ask(Client& client, Request::RequestType type, const std::string& payload) {
    server->io(client.gateway).write(client.handle, test::v2_request(++requests, type, payload));
    return requests;
  }
  std::optional<Response> find_answer(Client& client, std::uint64_t id) {
    read(client);
    for (const v2::Command& command : client.got) {
      if (command.has_response() && command.id() == id) return command.response();
    }
    return {};
  }
  Response answer(Client& client, std::uint64_t id) {
    const std::optional<Response> found = find_answer(client, id);
    REQUIRE(found.has_value());
    return *found;
  }
  void contact(Client& client, ContactRequest::Op op, const std::string& other) {
    ContactRequest request;
    request.set_op(op);
    request.set_user(other);
    const std::uint64_t id = ask(client, Request::CONTACT, request.SerializeAsString());
    run();
    REQUIRE(answer(client, id).code() == static_cast<int>(Code::kOk));
  }
  Client& log_in(std::size_t gateway, const std::string& user, const std::string& device,
                 bool send_only = false) {
    Client& client = connect(gateway, user, device, send_only);
    run();
    REQUIRE(answered(client));
    return client;
  }

  Now now{1'000'000, 1'700'000'000'000, 1};
  Config config = two_by_two();
  testing::SimStore store{1};
  std::optional<SimServer> server;
  std::deque<Client> clients;
  std::uint64_t requests = 1;
};

}  // namespace ims::sim
