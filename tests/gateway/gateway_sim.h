// The cast of the gateway simulation (gateway_sim_test.cc): what a world draws, its clients and the
// sessions of its workers, and frames in the edition that a client speaks.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <string>

#include "tests/gateway/gateway_fixture.h"

namespace ims::test {

inline SimFaults faults_of(Prng& prng) {
  SimFaults faults;
  if (prng.chance(70)) faults.cut_percent = static_cast<unsigned>(prng.below(100));
  if (prng.chance(70)) faults.short_send_percent = static_cast<unsigned>(prng.below(100));
  if (prng.chance(50)) faults.enobufs_percent = static_cast<unsigned>(prng.below(40));
  if (prng.chance(70)) faults.delay_percent = static_cast<unsigned>(prng.below(80));
  if (prng.chance(30)) faults.reset_percent = static_cast<unsigned>(prng.below(3));
  return faults;
}

inline Config config_of(Prng& prng) {
  Config config = test_config();
  config.workers = 1 + static_cast<std::uint32_t>(prng.below(3));
  config.max_frame_bytes = 8192;
  config.max_message_bytes = 8192 - 1024;
  config.send_queue_bytes = 32'768;
  config.max_inflight = 1 + static_cast<std::uint32_t>(prng.below(12));
  config.push_window = 8;
  if (prng.chance(30)) config.send_memory_bytes = 128 * kKiB;
  return config;
}

// A client, and what it may still expect.
struct Client {
  SimIo::Client id = 0;
  bool envelope = false;
  bool logged_in = false;    // read its ConAck
  bool failed = false;       // read a login answer that was not OK
  bool gone = false;         // sends no more
  bool orderly = false;      // half-closed or said Disconnect
  bool reset = false;
  std::uint64_t next_request = 2;
  std::set<std::uint64_t> unanswered;
  std::uint64_t heartbeats_due = 0;
  std::uint64_t rows_read = 0;
  std::string name;
};

// A session as its worker knows it.
struct Session {
  std::size_t client = 0;
  ConnectionId connection;
  std::size_t worker = 0;
  std::uint64_t next_ordinal = 1;  // the next row to hand over
  std::uint64_t taken = 0;
  bool refused = false;            // until kDrained
  bool restart = false;            // the next row carries kTargetRestart
  bool ended = false;
};

// A request in the client's edition.
inline std::string request(const Client& client, Request::RequestType type,
                           const std::string& payload, std::uint64_t id) {
  if (!client.envelope) return v2_request(id, type, payload);
  Request body;
  body.set_type(type);
  body.set_payload(payload);
  return v1_frame(v1::Command::REQUEST, id, body.SerializeAsString());
}

// What the server said, in either edition, as the typed one would say it.
inline v2::Command command_of(const Client& client, const std::string& frame) {
  v2::Command command;
  if (client.envelope) {
    const v1::Command outer = v1_parse(frame);
    CHECK(outer.version() == 1);
    command.set_id(outer.id());
    if (outer.command() == v1::Command::REQUEST) {
      REQUIRE(command.mutable_request()->ParseFromString(outer.payload()));
    } else if (outer.command() == v1::Command::DISCONNECT) {
      REQUIRE(command.mutable_disconnect()->ParseFromString(outer.payload()));
    } else if (!client.logged_in) {
      Response response;
      REQUIRE(response.ParseFromString(outer.payload()));
      REQUIRE(command.mutable_conack()->ParseFromString(response.payload()));
    } else {
      REQUIRE(command.mutable_response()->ParseFromString(outer.payload()));
    }
  } else {
    command = v2_parse(frame);
  }
  return command;
}

}  // namespace ims::test
