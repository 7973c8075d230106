// What a load workload is told on its command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace ims::bench {

enum class Workload : std::uint8_t { kLogin, kPair, kGroup, kOffline, kIdle, kStorm, kMix };

struct LoadOptions {
  Workload workload = Workload::kPair;
  std::string name;                 // of the workload
  std::vector<std::pair<std::string, std::string>> listed;  // all of its flags, but the secret

  // ---- whom it talks to ----
  std::string address = "127.0.0.1:7000";
  std::string org = "bench";
  std::string appkey = "load";
  std::string secret;
  bool floor = false;               // the server is `imsbench floor`: no login, no protobuf
  bool envelope = false;            // the envelope edition, else the typed one

  // ---- connections ----
  std::uint32_t connections = 1000;
  std::uint32_t first_user = 0;     // users are named by number, from here on
  std::uint32_t processes = 1;
  std::vector<int> cpus;            // of the processes, one after the other
  std::uint32_t ring_slots = 0;     // 0: RLIMIT_NOFILE
  std::uint32_t sources = 0;        // 0: as many as the connections need
  std::uint32_t logins_in_flight = 256;  // of a process, before the load
  bool spin = false;

  // ---- load ----
  std::uint32_t window = 0;         // outstanding messages of one sender, or logins; 0: no bound
  double rate = 0;                  // per second over all; 0: closed loop
  bool poisson = false;
  std::uint32_t payload_bytes = 100;
  bool offline = false;             // stored, else relayed
  bool client_ids = false;
  std::uint32_t verify_every = 0;   // every so manieth message is compared whole
  double warmup_seconds = 0.3;
  double seconds = 1.0;
  std::uint64_t messages = 0;       // stop after so many; 0: after `seconds`
  double drain_seconds = 20;        // without anything that comes

  // ---- of single workloads ----
  std::uint32_t group_members = 1000;
  std::uint32_t senders = 1;        // group: of each group, 0 all; offline, storm: connections
  std::uint32_t recipients = 1000;  // offline
  std::optional<std::uint32_t> recipients_from;  // offline: else behind the senders
  bool recipients_exist = false;    // offline: they need not be made
  bool no_drain = false;            // offline: they do not come back
  bool explicit_acks = false;
  bool send_only = false;           // login
  std::uint32_t rounds = 1;         // storm
  std::uint32_t backlog = 1;        // storm: stored messages a user while all are away
  std::uint32_t groups = 0;         // mix: 0 is a fifth of the users
  double stored_share = 0.8;        // mix
  double group_share = 0.3;         // mix
  double session_seconds = 2;       // mix: mean length of a session
  double online_share = 0.5;        // mix: of the users at any time

  // ---- driving and reporting ----
  bool wait = false;                // a line on standard input starts it and ends it
  bool phases = false;              // `ready`, `start`, `stop`, `verified` on standard output
  bool quiet = false;               // no live line
  int server_pid = 0;
  double stall_seconds = 0;         // the server is stopped for so long,
  double stall_at_seconds = 0;      // so long behind the start
  std::string json;
  std::string svg;
  std::string hgrm;
  std::vector<std::string> targets;
};

// Adds the subcommands of all workloads. After parsing, `options.name` is set if one was given.
void add_load_commands(CLI::App& app, LoadOptions& options);

// What flags exclude each other; throws CLI::ValidationError. Fills in defaults that depend.
void settle_load_options(LoadOptions& options);

}  // namespace ims::bench
