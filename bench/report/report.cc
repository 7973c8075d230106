// The judgement, and the files (report.h).
#include "bench/report/report.h"

#include <algorithm>
#include <stdexcept>

#include "bench/report/figures.h"
#include "bench/report/hgrm.h"
#include "bench/report/output_file.h"

namespace ims::bench {
namespace {

constexpr double kBusyMax = 0.9;
constexpr double kBehindShareMax = 0.01;        // of an open loop; above, it is half a closed one
constexpr std::uint64_t kLagNsMax = 1'000'000;  // p99 of how far behind it sent
constexpr double kLagShareMax = 0.1;            // or this of the p99 that it measured

std::uint64_t count_of(const Counts& counts, Kind kind) {
  switch (kind) {
    case Kind::kAnswer: return counts.answered;
    case Kind::kDelivery: return counts.delivered;
    case Kind::kLogin: return counts.logins;
  }
  return 0;
}

double per_second(const Report& report, std::uint64_t count) {
  const double seconds = report.tally->seconds_measured();
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

double wall_ns_of(const Report& report) {
  return report.tally->seconds_measured() * 1e9 * static_cast<double>(report.processes);
}

std::string hgrm_path(const Outputs& outputs, int kind, bool raw) {
  return outputs.hgrm_stem + "-" + std::string(name_of(static_cast<Kind>(kind))) +
         (raw ? "-raw" : "") + ".hgrm";
}

std::string time_plot_path(const Outputs& outputs) { return outputs.plot_stem + "-time.svg"; }
std::string percentile_plot_path(const Outputs& outputs) {
  return outputs.plot_stem + "-percentiles.svg";
}

}  // namespace

std::optional<double> server_cpu_ns(const Report& report, Kind kind) {
  const std::uint64_t count = count_of(report.tally->measured, kind);
  if (!report.server_use || count == 0) return std::nullopt;
  return static_cast<double>(report.server_use->cpu_ns) / static_cast<double>(count);
}

std::optional<double> value_of(const Report& report, const Target& target) {
  const Tally& tally = *report.tally;
  const Kind kind = target.kind.value_or(report.primary);
  const auto& histogram = (target.corrected ? tally.corrected
                                            : tally.uncorrected)[static_cast<std::size_t>(kind)];
  switch (target.metric) {
    case Metric::kQuantile:
    case Metric::kMax:
    case Metric::kMean:
      if (histogram.count == 0) return std::nullopt;
      if (target.metric == Metric::kMean) return histogram.mean_ns();
      if (target.metric == Metric::kMax) return static_cast<double>(histogram.max_ns);
      return static_cast<double>(histogram.quantile(target.fraction));
    case Metric::kRate: return per_second(report, count_of(tally.measured, kind));
    case Metric::kCpu: return server_cpu_ns(report, kind);
    case Metric::kRule:
      return static_cast<double>(tally.violations[static_cast<std::size_t>(target.rule)]);
    case Metric::kViolations: return static_cast<double>(tally.violation_count());
    case Metric::kFigure:
      for (const auto& [name, value] : report.figures) {
        if (name == target.figure) return value;
      }
      return std::nullopt;
  }
  return std::nullopt;
}

int exit_code(const Report& report, std::span<const Target> targets) {
  if (report.tally->violation_count() != 0) return kExitViolated;
  if (report.tally->not_verified != 0) return kExitFailed;
  const bool all_met = std::ranges::all_of(targets, [&](const Target& target) {
    const std::optional<double> value = value_of(report, target);
    return value && meets(target, *value);
  });
  return all_met ? kExitMet : kExitMissed;
}

double generator_busy(const Report& report) {
  const double wall_ns = wall_ns_of(report);
  if (wall_ns <= 0) return 0.0;
  return std::max(0.0, 1 - static_cast<double>(report.tally->generator.idle_ns) / wall_ns);
}

double generator_cpu_share(const Report& report) {
  const double wall_ns = wall_ns_of(report);
  return wall_ns > 0 ? static_cast<double>(report.tally->generator.cpu_ns) / wall_ns : 0.0;
}

std::string generator_limit(const Report& report) {
  const Tally& tally = *report.tally;
  const GeneratorLoad& generator = tally.generator;
  const double busy = generator_busy(report);
  const std::string was_busy = "it was busy " + fixed(100 * busy, 0) + " % of the time, on a CPU " +
                               fixed(100 * generator_cpu_share(report), 0) + " %";
  const std::uint64_t lag_ns = tally.send_lag.quantile(0.99);
  const auto latency_ns = static_cast<double>(
      tally.corrected[static_cast<std::size_t>(report.primary)].quantile(0.99));
  if (report.rate && lag_ns > kLagNsMax &&
      static_cast<double>(lag_ns) > kLagShareMax * latency_ns) {
    return "it sent " + format_time(static_cast<double>(lag_ns)) +
           " behind the intended time (p99), and measured " + format_time(latency_ns) + "; " +
           was_busy;
  }
  const auto behind = static_cast<double>(generator.held_back + generator.missed);
  const bool follows_server =
      !report.rate || behind > kBehindShareMax * static_cast<double>(generator.due);
  if (busy > kBusyMax && follows_server) return was_busy + ": rates are a lower bound";
  return {};
}

void try_outputs(const Outputs& outputs) {
  try_standard_output();
  if (!outputs.json_file.empty() && outputs.json_file != "-") try_output(outputs.json_file);
  for (int kind = 0; kind < kKindCount && !outputs.hgrm_stem.empty(); ++kind) {
    for (const bool raw : {false, true}) try_output(hgrm_path(outputs, kind, raw));
  }
  if (outputs.plot_stem.empty()) return;
  try_output(time_plot_path(outputs));
  try_output(percentile_plot_path(outputs));
}

int finish(const Report& report, std::span<const Target> targets, const Outputs& outputs) {
  bool all_written = true;
  const auto attempt = [&](auto&& write) {  // what one fails to write is no reason for the others
    try {
      write();
    } catch (const std::runtime_error& error) {
      std::fprintf(stderr, "imsbench %s: %s\n", report.workload.c_str(), error.what());
      all_written = false;
    }
  };
  const bool json_to_stdout = outputs.json_file == "-";
  if (json_to_stdout) {
    std::fputs(summary_text(report, targets).c_str(), stderr);
    attempt([&] { write_standard_output(results_json(report, targets, -1) + "\n"); });
  } else {
    attempt([&] { write_standard_output(summary_text(report, targets)); });
    if (!outputs.json_file.empty()) {
      attempt([&] { write_output(outputs.json_file, results_json(report, targets, 2) + "\n"); });
    }
  }
  for (int kind = 0; kind < kKindCount && !outputs.hgrm_stem.empty(); ++kind) {
    if (report.tally->corrected[kind].count == 0) continue;
    for (const bool raw : {false, true}) {
      const auto& histograms = raw ? report.tally->uncorrected : report.tally->corrected;
      attempt([&] { write_output(hgrm_path(outputs, kind, raw), hgrm_text(histograms[kind])); });
    }
  }
  if (!outputs.plot_stem.empty()) {
    attempt([&] { write_output(time_plot_path(outputs), time_plot(report)); });
    attempt([&] { write_output(percentile_plot_path(outputs), percentile_plot(report)); });
  }
  const int code = exit_code(report, targets);
  return all_written || code == kExitViolated ? code : kExitFailed;
}

}  // namespace ims::bench
