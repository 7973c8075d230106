// The command line, with its ranges (load_options.h).
#include "bench/load_options.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <map>

namespace ims::bench {

LoadOptions read_load_options(int argc, char** argv) {
  LoadOptions options;
  CLI::App app("Load for imsd: logs in, keeps messages outstanding, counts what comes back.");
  const std::map<std::string, Workload> workloads = {{"pair", Workload::kPair},
                                                     {"scatter", Workload::kScatter},
                                                     {"group", Workload::kGroup},
                                                     {"idle", Workload::kIdle}};
  app.add_option("workload", options.workload, "pair, scatter, group or idle")
      ->required()
      ->transform(CLI::CheckedTransformer(workloads));
  app.add_option("--address", options.address, "the server's, numeric");
  app.add_option("--org", options.org);
  app.add_option("--appkey", options.appkey);
  app.add_option("--secret", options.secret, "signs the tokens (HS256)");
  app.add_flag("--floor", options.floor, "the server is imsfloor");
  app.add_flag("--offline", options.offline, "stored messages");
  app.add_flag("--envelope", options.envelope, "the envelope edition");
  app.add_flag("--client-ids", options.client_ids, "every message has a client_id");
  app.add_option("--connections", options.connections)->check(CLI::Range(1u, 1'000'000u));
  app.add_option("--first-user", options.first_user, "number of the first connection's user");
  app.add_option("--window", options.window, "outstanding messages of one sender")
      ->check(CLI::Range(1u, 256u));
  app.add_option("--payload", options.payload_bytes)->check(CLI::Range(16u, 64'000u));
  app.add_option("--group-members", options.group_members)->check(CLI::Range(2u, 100'000u));
  app.add_option("--recipients", options.recipients, "scatter: how many users");
  app.add_option("--recipients-from", options.recipients_from, "scatter: the first one's number");
  app.add_option("--messages", options.messages, "stop after so many instead of --seconds");
  app.add_option("--warmup", options.warmup_seconds, "seconds before the measured ones");
  app.add_option("--seconds", options.seconds, "measured");
  app.add_flag("--wait", options.wait, "a line on standard input starts each phase");
  try {
    app.parse(argc, argv);
    if (!options.floor && options.secret.empty()) throw CLI::RequiredError("--secret");
    if (options.workload == Workload::kPair && options.connections % 2 != 0) {
      throw CLI::ValidationError("--connections", "pairs need an even number");
    }
    if (options.workload == Workload::kGroup &&
        options.connections % options.group_members != 0) {
      throw CLI::ValidationError("--connections", "must be a multiple of --group-members");
    }
    if (options.workload == Workload::kScatter && options.recipients == 0) {
      throw CLI::RequiredError("--recipients");
    }
    if (options.floor && options.workload != Workload::kPair) {
      throw CLI::ValidationError("--floor", "knows pairs alone");
    }
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return options;
}

}  // namespace ims::bench
