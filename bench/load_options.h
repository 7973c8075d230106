// What the load generator is told on its command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ims::bench {

enum class Workload : std::uint8_t {
  kPair,     // 1:1, both ways, connection 2i with 2i+1; relayed, or stored with --offline
  kScatter,  // stored messages to users who are offline, each in turn
  kGroup,    // one sender per group, all others of it receive
  kIdle,     // log in and stay
};

struct LoadOptions {
  Workload workload = Workload::kPair;
  std::string address = "127.0.0.1:7000";
  std::string org = "bench";
  std::string appkey = "load";
  std::string secret;
  bool floor = false;               // the server is bench/floor.cc: no login, no protobuf
  bool offline = false;             // stored, else relayed
  bool envelope = false;            // the envelope edition, else the typed one
  std::uint32_t connections = 1000;
  std::uint32_t first_user = 0;     // users are named by number, from here on
  std::uint32_t window = 1;         // outstanding messages of one sender
  std::uint32_t payload_bytes = 100;
  std::uint32_t group_members = 1000;
  std::uint32_t recipients = 0;     // kScatter: how many users, the first one is `recipients_from`
  std::uint32_t recipients_from = 0;
  bool client_ids = false;          // set client_id: the server looks for repeats
  std::uint64_t messages = 0;       // stop after so many; 0: after `seconds`
  double warmup_seconds = 0.3;
  double seconds = 1.0;             // measured; with `messages` the bound is 100 times this
  bool wait = false;                // a line on standard input starts it, another ends the idling
};

// Exits by itself on --help and on wrong flags.
LoadOptions read_load_options(int argc, char** argv);

}  // namespace ims::bench
