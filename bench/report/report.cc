// The judgement, and the files (report.h).
#include "bench/report/report.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "bench/report/figures.h"
#include "bench/report/hgrm.h"

namespace ims::bench {
namespace {

constexpr double kBusyMax = 0.9;       // of a generator in a closed loop
constexpr double kRateReachedMin = 0.99;
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

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
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
  const bool all_met = std::ranges::all_of(targets, [&](const Target& target) {
    const std::optional<double> value = value_of(report, target);
    return value && meets(target, *value);
  });
  return all_met ? kExitMet : kExitMissed;
}

double generator_busy(const Report& report) {
  const double wall_ns = report.tally->seconds_measured() * 1e9 *
                         static_cast<double>(report.processes);
  if (wall_ns <= 0) return 0.0;
  return std::max(0.0, 1 - static_cast<double>(report.tally->generator.idle_ns) / wall_ns);
}

std::string generator_limit(const Report& report) {
  const Tally& tally = *report.tally;
  if (!report.rate) {
    const double busy = generator_busy(report);
    if (busy <= kBusyMax) return {};
    return "it was busy " + fixed(100 * busy, 0) + " % of the time: rates are a lower bound";
  }
  const double sent = per_second(report, tally.measured.sent);
  if (sent < kRateReachedMin * *report.rate) {
    return "it sent " + with_commas(sent) + "/s of the " + with_commas(*report.rate) +
           "/s asked for";
  }
  const std::uint64_t lag_ns = tally.send_lag.quantile(0.99);
  const auto latency_ns = static_cast<double>(
      tally.corrected[static_cast<std::size_t>(report.primary)].quantile(0.99));
  if (lag_ns > kLagNsMax && static_cast<double>(lag_ns) > kLagShareMax * latency_ns) {
    return "it sent " + format_time(static_cast<double>(lag_ns)) +
           " behind the intended time (p99), and measured " + format_time(latency_ns);
  }
  return {};
}

int finish(const Report& report, std::span<const Target> targets, const Outputs& outputs) {
  const bool json_to_stdout = outputs.json_file == "-";
  std::fputs(summary_text(report, targets).c_str(), json_to_stdout ? stderr : stdout);
  if (json_to_stdout) {
    std::printf("%s\n", results_json(report, targets, -1).c_str());
  } else if (!outputs.json_file.empty()) {
    write_file(outputs.json_file, results_json(report, targets, 2) + "\n");
  }
  std::fflush(stdout);
  for (int i = 0; i < kKindCount && !outputs.hgrm_stem.empty(); ++i) {
    if (report.tally->corrected[i].count == 0) continue;
    const std::string stem = outputs.hgrm_stem + "-" + std::string(name_of(static_cast<Kind>(i)));
    write_file(stem + ".hgrm", hgrm_text(report.tally->corrected[i]));
    write_file(stem + "-raw.hgrm", hgrm_text(report.tally->uncorrected[i]));
  }
  if (!outputs.plot_stem.empty()) {
    write_file(outputs.plot_stem + "-time.svg", time_plot(report));
    write_file(outputs.plot_stem + "-percentiles.svg", percentile_plot(report));
  }
  return exit_code(report, targets);
}

}  // namespace ims::bench
