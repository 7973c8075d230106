// The command line of the workloads, with its ranges (options.h).
#include "bench/load/options.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "bench/load/content.h"
#include "bench/load/wire.h"

namespace ims::bench {
namespace {

constexpr std::uint64_t kMessagesMax = 1'000'000'000'000;  // above: -1, read as unsigned

struct Command {
  Workload workload;
  const char* name;
  const char* what;
};
constexpr Command kCommands[] = {
    {Workload::kLogin, "login", "log in and close, over and over"},
    {Workload::kPair, "pair", "1:1 messages both ways between users in pairs"},
    {Workload::kGroup, "group", "groups with one sender each, or all of them"},
    {Workload::kOffline, "offline", "store for users who are away, who then come and drain"},
    {Workload::kIdle, "idle", "hold connections; memory of each with --server-pid"},
    {Workload::kStorm, "storm", "all are connected, all drop, everybody reconnects"},
    {Workload::kMix, "mix", "a day of chat: sessions come and go, 1:1 and groups of all sizes"},
};
constexpr std::uint32_t kConnectionsPerSource = 8'000;
constexpr std::uint32_t kSourcesMax = 250;

void add_common(CLI::App& app, LoadOptions& o) {
  app.add_option("--address", o.address, "the server's, numeric")->group("Server");
  app.add_option("--org", o.org)->group("Server");
  app.add_option("--appkey", o.appkey)->group("Server");
  app.add_option("--secret", o.secret, "signs the tokens (HS256)")->group("Server");
  app.add_flag("--envelope", o.envelope, "the envelope edition")->group("Server");
  app.add_option("--server-pid", o.server_pid, "its CPU time and memory are read from /proc")
      ->check(CLI::Range(1, 1 << 22))
      ->group("Server");
  app.add_option("--stall", o.stall_seconds, "stop the server for so long (SIGSTOP): a self-test")
      ->check(CLI::Range(0.0, 60.0))
      ->group("Server");
  app.add_option("--stall-at", o.stall_at_seconds, "seconds behind the start")->group("Server");

  app.add_option("--connections", o.connections, "over all processes")
      ->check(CLI::Range(1u, 1'000'000u))
      ->group("Connections");
  app.add_option("--first-user", o.first_user, "number of the first connection's user")
      ->check(CLI::Range(0u, kUsersMax - 1))
      ->group("Connections");
  app.add_option("--processes", o.processes, "each one thread with its part of the connections")
      ->check(CLI::Range(1u, 64u))
      ->group("Connections");
  app.add_option("--cpus", o.cpus, "which the processes are bound to in turn, as 1,3")
      ->delimiter(',')
      ->group("Connections");
  app.add_option("--ring-slots", o.ring_slots, "connections of one ring; 0: RLIMIT_NOFILE")
      ->group("Connections");
  app.add_option("--sources", o.sources, "source addresses from 127.0.0.2 on; 0: as needed")
      ->check(CLI::Range(0u, kSourcesMax))
      ->group("Connections");
  app.add_option("--logins-in-flight", o.logins_in_flight, "of a process, where logins are not "
                 "what is measured")
      ->check(CLI::Range(1u, 100'000u))
      ->group("Connections");
  app.add_flag("--spin", o.spin, "never sleep: for a CPU of its own")->group("Connections");

  app.add_option("--warmup", o.warmup_seconds, "seconds before the measured ones")
      ->check(CLI::Range(0.0, 3600.0))
      ->group("Load");
  app.add_option("--seconds", o.seconds, "measured")
      ->check(CLI::Range(0.0, 86'400.0))
      ->group("Load");
  app.add_option("--drain", o.drain_seconds, "patience for what is due, without anything coming")
      ->check(CLI::Range(0.1, 3600.0))
      ->group("Load");

  app.add_flag("--phases", o.phases, "`ready`, `start`, `stop`, `verified` on standard output")
      ->group("Output");
  app.add_flag("--wait", o.wait, "a line on standard input lets it start, another one end; "
               "implies --phases")
      ->group("Output");
  app.add_flag("--quiet", o.quiet, "no live line")->group("Output");
  app.add_option("--json", o.json, "the result; - is standard output")->group("Output");
  app.add_option("--svg", o.svg, "prefix of the plots' files")->group("Output");
  app.add_option("--hgrm", o.hgrm, "prefix of the percentiles' files, for HdrHistogram's tools")
      ->group("Output");
  app.add_option("--target", o.targets, "as p99<150us, rate>=50000, cpu<2us; exit code 2 if missed")
      ->group("Output");
}

void add_loops(CLI::App& app, LoadOptions& o, const char* window) {
  app.add_option("--window", o.window, window)->check(CLI::Range(1u, 100'000u))->group("Load");
  app.add_option("--rate", o.rate, "per second over all: open loop; with --window at most so many "
                 "outstanding")
      ->check(CLI::Range(0.001, 1e9))
      ->group("Load");
}

void add_arrivals(CLI::App& app, LoadOptions& o) {
  const std::map<std::string, bool> kinds = {{"constant", false}, {"poisson", true}};
  app.add_option("--arrivals", o.poisson, "of the rate: constant or poisson")
      ->transform(CLI::CheckedTransformer(kinds))
      ->group("Load");
}

void add_rate(CLI::App& app, LoadOptions& o, const char* window) {
  add_loops(app, o, window);
  add_arrivals(app, o);
  app.add_option("--messages", o.messages, "end after so many answers instead of --seconds")
      ->group("Load");
}

void add_messages(CLI::App& app, LoadOptions& o) {
  app.add_option("--payload", o.payload_bytes, "bytes of a message")
      ->check(CLI::Range(static_cast<std::uint32_t>(kContentBytesMin), 64'000u))
      ->group("Load");
  app.add_flag("--client-ids", o.client_ids, "every message has a client_id")->group("Load");
  app.add_option("--verify-content", o.verify_every, "every so manieth message is compared whole; "
                 "default: each up to 256 bytes, else each 16th")
      ->check(CLI::Range(1u, 1u << 30))
      ->group("Load");
}

void add_own(CLI::App& app, LoadOptions& o, Workload workload) {
  switch (workload) {
    case Workload::kLogin:
      add_rate(app, o, "concurrent logins over all; default: --connections");
      app.add_flag("--send-only", o.send_only, "sessions of short-lived senders")->group("Load");
      return;
    case Workload::kPair:
      add_rate(app, o, "outstanding messages of one sender");
      add_messages(app, o);
      app.add_flag("--offline", o.offline, "stored messages")->group("Load");
      app.add_flag("--floor", o.floor, "the server is imsbench floor")->group("Server");
      return;
    case Workload::kGroup:
      add_rate(app, o, "outstanding messages of one sender");
      add_messages(app, o);
      app.add_flag("--offline", o.offline, "stored messages")->group("Load");
      app.add_flag("--floor", o.floor, "the server is imsbench floor --group")->group("Server");
      app.add_option("--group-members", o.group_members, "of each group")
          ->check(CLI::Range(2u, 100'000u))
          ->group("Load");
      app.add_option("--senders", o.senders, "of each group; 0: every member")->group("Load");
      return;
    case Workload::kOffline:
      add_rate(app, o, "outstanding messages of one sender");
      add_messages(app, o);
      app.add_option("--recipients", o.recipients, "users who are away")
          ->check(CLI::Range(1u, kUsersMax))
          ->group("Load");
      app.add_option("--recipients-from", o.recipients_from, "number of the first one; default: "
                     "behind the senders")
          ->group("Load");
      app.add_flag("--recipients-exist", o.recipients_exist, "they logged in before")
          ->group("Load");
      app.add_flag("--no-drain", o.no_drain, "they do not come back")->group("Load");
      app.add_flag("--explicit", o.explicit_acks, "they acknowledge by ACK")->group("Load");
      return;
    case Workload::kIdle:
      add_loops(app, o, "logins outstanding over all while it connects");
      return;
    case Workload::kStorm:
      add_loops(app, o, "logins outstanding over all while they return; default: all");
      add_arrivals(app, o);
      add_messages(app, o);
      app.add_option("--rounds", o.rounds, "storms")->check(CLI::Range(1u, 1000u))->group("Load");
      app.add_option("--backlog", o.backlog, "stored messages a user while all are away")
          ->check(CLI::Range(0u, 10'000u))
          ->group("Load");
      app.add_option("--senders", o.senders, "connections of a process that stay and write it")
          ->check(CLI::Range(1u, 1000u))
          ->group("Load");
      return;
    case Workload::kMix:
      add_rate(app, o, "outstanding messages of each user who is online, until answered");
      add_messages(app, o);
      app.add_option("--groups", o.groups, "default: a fifth of the users")->group("Load");
      app.add_option("--group-share", o.group_share, "of the messages")
          ->check(CLI::Range(0.0, 1.0))
          ->group("Load");
      app.add_option("--stored-share", o.stored_share, "of the 1:1 messages")
          ->check(CLI::Range(0.0, 1.0))
          ->group("Load");
      app.add_option("--session", o.session_seconds, "mean seconds of a session")
          ->check(CLI::Range(0.05, 3600.0))
          ->group("Load");
      app.add_option("--online", o.online_share, "of the users at any time")
          ->check(CLI::Range(0.05, 1.0))
          ->group("Load");
      return;
  }
}

// What it was told, defaults included, for whoever reads the result.
void list(const CLI::App& app, LoadOptions& o) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_single_name();
    if (name == "help" || name == "secret") continue;
    std::string value = option->get_default_str();
    if (option->count() != 0) {
      value.clear();
      for (const std::string& word : option->results()) value += (value.empty() ? "" : " ") + word;
    }
    if (!value.empty()) o.listed.emplace_back(name, value);
  }
}

[[noreturn]] void refuse(const char* flag, const char* why) {
  throw CLI::ValidationError(flag, why);
}

}  // namespace

void add_load_commands(CLI::App& app, LoadOptions& options) {
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.what);
    sub->option_defaults()->always_capture_default();
    add_common(*sub, options);
    add_own(*sub, options, command.workload);
    sub->callback([&options, &command, sub] {
      options.workload = command.workload;
      options.name = command.name;
      list(*sub, options);
      settle_load_options(options);
    });
  }
}

void settle_load_options(LoadOptions& o) {
  const std::uint32_t parts = o.processes;
  if (!o.floor && o.secret.empty()) throw CLI::RequiredError("--secret");
  if (o.wait) o.phases = true;
  const std::pair<const char*, double> numbers[] = {
      {"--rate", o.rate},           {"--warmup", o.warmup_seconds},
      {"--seconds", o.seconds},     {"--drain", o.drain_seconds},
      {"--stall", o.stall_seconds}, {"--stall-at", o.stall_at_seconds}};
  for (const auto& [flag, value] : numbers) {  // a range lets nan pass
    if (!std::isfinite(value)) refuse(flag, "not a number");
  }
  if (o.messages > kMessagesMax) refuse("--messages", "too many");
  if (o.stall_seconds > 0 && o.server_pid == 0) refuse("--stall", "needs --server-pid");
  if (o.stall_seconds > 0 && o.messages == 0 && o.stall_at_seconds >= o.seconds) {
    refuse("--stall-at", "behind the end of the measured phase");
  }
  if (o.connections < parts) refuse("--connections", "fewer than --processes");
  if (std::uint64_t{o.first_user} + o.connections > kUsersMax) {
    refuse("--first-user", "with --connections it goes beyond user 9,999,999");
  }
  switch (o.workload) {
    case Workload::kPair:
      if (o.connections % (2 * parts) != 0) {
        refuse("--connections", "pairs need an even number in each process");
      }
      break;
    case Workload::kGroup:
      if (o.connections % (o.group_members * parts) != 0) {
        refuse("--connections", "must be a multiple of --group-members in each process");
      }
      if (o.senders == 0) o.senders = o.group_members;
      if (o.senders > o.group_members) refuse("--senders", "more than --group-members");
      if (std::uint64_t{o.senders} * o.connections / parts > 64'000'000) {
        refuse("--senders", "too many to remember what each member saw of each sender");
      }
      break;
    case Workload::kOffline:
      o.offline = true;
      if (o.recipients < o.connections) refuse("--recipients", "fewer than --connections");
      if (!o.recipients_from) o.recipients_from = o.first_user + o.connections;
      if (std::uint64_t{*o.recipients_from} + o.recipients > kUsersMax) {
        refuse("--recipients-from", "with --recipients it goes beyond user 9,999,999");
      }
      break;
    case Workload::kStorm:
      if (o.senders * parts >= o.connections) refuse("--senders", "nobody is left to drop");
      break;
    case Workload::kMix:
      if (o.rate == 0 && o.window == 0) o.rate = 1000;
      break;
    case Workload::kLogin:
      if (o.window != 0) o.connections = std::max(o.window, parts);
      break;
    case Workload::kIdle:
      if (!o.hgrm.empty()) refuse("--hgrm", "idle times nothing; login and storm time logins");
      if (!o.svg.empty()) refuse("--svg", "idle times nothing; login and storm time logins");
      if (o.window != 0) o.logins_in_flight = std::max(1u, o.window / parts);
      break;
  }
  const bool loops = o.workload == Workload::kPair || o.workload == Workload::kGroup ||
                     o.workload == Workload::kOffline;
  if (loops && o.rate == 0 && o.window == 0) o.window = 1;
  if (o.floor && (o.payload_bytes >= 128 || o.envelope || o.client_ids || o.offline)) {
    refuse("--floor", "relays frames below 128 bytes and nothing else");
  }
  if (o.verify_every == 0) o.verify_every = o.payload_bytes <= 256 ? 1 : 16;
  const bool is_loopback = o.address.rfind("127.", 0) == 0;
  if (o.sources > 1 && !is_loopback) {
    refuse("--sources", "source addresses 127.0.0.2 and on reach only an --address of 127.*");
  }
  if (o.sources == 0) {
    const bool reconnects = o.workload == Workload::kLogin || o.workload == Workload::kMix ||
                            o.workload == Workload::kStorm;
    const std::uint32_t most = std::max(o.connections, o.recipients);
    o.sources = std::min(kSourcesMax, 1 + most / kConnectionsPerSource + (reconnects ? 3 : 0));
    if (!is_loopback) o.sources = 1;
  }
}

}  // namespace ims::bench
