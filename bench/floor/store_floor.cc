// The command line, the phases and the result (store_floor.h).
#include "bench/floor/store_floor.h"

#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/floor/stop_signals.h"
#include "bench/floor/store_load.h"
#include "bench/load/clock.h"
#include "bench/pin.h"
#include "bench/report/figures.h"
#include "bench/report/report.h"

namespace ims::bench {
namespace {

struct StoreFloorOptions {
  StoreLoadOptions load;
  int core = -1;
  double warmup_s = 0.5;
  double seconds = 5;
  std::string scratch = std::filesystem::temp_directory_path();
  std::string json_file;
  std::vector<std::string> targets;
};

// Removed with the object.
class ScratchStore {
 public:
  explicit ScratchStore(const std::string& parent) : path_(parent + "/ims-store-floor-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) {
      throw std::runtime_error("cannot make " + path_ + ": " + std::strerror(errno));
    }
  }
  ~ScratchStore() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchStore(const ScratchStore&) = delete;
  ScratchStore& operator=(const ScratchStore&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

// The threads that the store makes later stay there as well.
void pin_to(int core) {
  if (!pin_to_cpu(core)) {
    throw std::runtime_error("cannot be pinned to core " + std::to_string(core));
  }
}

// What is wrong with a number of seconds; empty: nothing. (CLI::Range lets nan pass.)
std::string wrong_seconds(const std::string& text, double least, double most) {
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (!text.empty() && *end == '\0' && seconds >= least && seconds <= most) return {};
  char range[64];
  std::snprintf(range, sizeof range, "from %g to %g", least, most);
  return "'" + text + "' is no number of seconds " + range;
}

void describe(const StoreFloorOptions& options, Report& report) {
  const StoreLoadOptions& load = options.load;
  report.workload = "store-floor";
  report.title = "store-floor, " + std::to_string(load.connections) + " x " +
                 std::to_string(load.window) + " outstanding" +
                 (load.client_ids ? ", client_id" : "") + (load.sync ? ", sync" : ", no sync");
  report.primary = Kind::kAnswer;
  const bool is_rocks = load.engine != StoreEngine::kSegments;
  report.server = is_rocks ? "RocksStore" : "SegmentStore";
  report.options = {{"connections", std::to_string(load.connections)},
                    {"window", std::to_string(load.window)},
                    {"recipients", std::to_string(load.recipients)},
                    {"payload", std::to_string(load.payload_bytes)},
                    {"client_ids", load.client_ids ? "true" : "false"},
                    {"sync", load.sync ? "true" : "false"},
                    {"core", std::to_string(options.core)}};
  report.host = read_host();
}

// What the measured phase found.
struct Measured {
  std::unique_ptr<Tally> tally = std::make_unique<Tally>();
  std::optional<ServerUse> use;
  std::uint64_t rows = 0;
  std::uint64_t batches = 0;
};

// The store is gone when it returns or throws.
Measured measure(const StoreFloorOptions& options) {
  const ScratchStore scratch(options.scratch);
  StoreLoad load(scratch.path(), options.load);
  Measured measured;
  Tally& tally = *measured.tally;
  load.run_until(read_ns() + ns_of(options.warmup_s), tally);
  load.reset_counts();
  const auto before = read_server_use(getpid());
  const std::uint64_t begin_ns = read_ns();
  tally.begin(begin_ns, ns_of(options.seconds));
  load.run_until(begin_ns + ns_of(options.seconds), tally);
  tally.end(read_ns());
  const auto after = read_server_use(getpid());
  if (before && after) measured.use = after->since(*before);
  // The rest is the store's.
  tally.generator.idle_ns = ns_of(tally.seconds_measured()) - load.building_ns();
  measured.rows = load.rows();
  measured.batches = load.batches();
  return measured;
}

int run_store_floor(const StoreFloorOptions& options, const std::vector<Target>& targets) {
  if (options.core >= 0) pin_to(options.core);
  std::optional<Measured> measured;
  try {
    const StopSignals signals;
    measured = measure(options);
  } catch (const Stopped&) {
    end_by(stop_asked());
  }
  Report report;
  describe(options, report);
  report.tally = measured->tally.get();
  report.server_use = measured->use;
  const double seconds = measured->tally->seconds_measured();
  const auto answered = static_cast<double>(measured->tally->measured.answered);
  report.figures = {
      {"rows_per_second", static_cast<double>(measured->rows) / seconds},
      {"rows_per_message", static_cast<double>(measured->rows) / answered},
      {"messages_per_batch", answered / static_cast<double>(measured->batches)}};
  return finish(report, targets,
                {.json_file = options.json_file, .hgrm_stem = {}, .plot_stem = {}});
}

int try_store_floor(const StoreFloorOptions& options) {
  std::vector<Target> targets;
  for (const std::string& text : options.targets) {
    constexpr std::string_view kFigures[] = {"rows_per_second", "rows_per_message",
                                             "messages_per_batch"};
    auto parsed = parse_target(text, kFigures);
    if (const auto* error = std::get_if<std::string>(&parsed)) {
      std::fprintf(stderr, "imsbench store-floor: %s\n", error->c_str());
      return kExitFailed;
    }
    targets.push_back(std::get<Target>(std::move(parsed)));
  }
  try {
    return run_store_floor(options, targets);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsbench store-floor: %s\n", error.what());
    return kExitFailed;
  }
}

}  // namespace

void add_store_floor_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<StoreFloorOptions>();
  CLI::App* const command = app.add_subcommand(
      "store-floor", "what the store alone accepts: the rows of messages, synced in batches");
  command->add_option("--connections", options->load.connections)
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
  command->add_option("--window", options->load.window, "outstanding messages of each")
      ->check(CLI::Range(1u, 1024u))
      ->capture_default_str();
  command->add_option("--recipients", options->load.recipients)
      ->check(CLI::Range(1u, 9'999'999u))
      ->capture_default_str();
  command->add_option("--payload", options->load.payload_bytes)
      ->check(CLI::Range(0u, 64'000u))
      ->capture_default_str();
  command->add_flag("--client-ids,!--no-client-ids", options->load.client_ids,
                    "a client_id in each message; default")
      ->capture_default_str();
  command->add_flag("--sync,!--no-sync", options->load.sync, "each batch is durable; default");
  command->add_option("--engine", options->load.engine, "as store_engine")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, StoreEngine>{{"auto", StoreEngine::kAuto},
                                             {"rocksdb", StoreEngine::kRocksdb},
                                             {"segments", StoreEngine::kSegments}}));
  command->add_option("--core", options->core, "every thread runs there")
      ->check(CLI::Range(0, CPU_SETSIZE - 1));
  command->add_option("--warmup", options->warmup_s, "seconds before the measured ones")
      ->check([](const std::string& text) { return wrong_seconds(text, 0, 3'600); })
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "measured")
      ->check([](const std::string& text) { return wrong_seconds(text, 0.001, 86'400); })
      ->capture_default_str();
  command->add_option("--scratch", options->scratch, "where the store is made and removed")
      ->capture_default_str();
  command->add_option("--json", options->json_file, "a file for the results; -: standard output");
  command->add_option("--target", options->targets, "as rate>=350k; may be repeated");
  command->callback([options, &exit_code] { exit_code = try_store_floor(*options); });
}

}  // namespace ims::bench
