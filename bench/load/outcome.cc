// Adding up, and naming it (outcome.h).
#include "bench/load/outcome.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "bench/report/figures.h"

namespace ims::bench {
namespace {

using Figures = std::vector<std::pair<std::string, double>>;

// All that a workload may report, for targets.
constexpr std::string_view kFigures[] = {"all_back_seconds",
                                         "all_drained_seconds",
                                         "connections",
                                         "drain_seconds",
                                         "drained_rows",
                                         "drained_rows_per_second",
                                         "drained_users",
                                         "drained_users_per_second",
                                         "generator_cpu_share",
                                         "held_back",
                                         "never_sent",
                                         "reconnects_failed",
                                         "rings",
                                         "rows_repeated",
                                         "server_bytes_per_connection",
                                         "server_rss_before_bytes",
                                         "server_rss_bytes",
                                         "sessions"};

std::string title_of(const LoadOptions& o) {
  std::string title = o.name;
  if (o.offline) title += ", stored";
  title += ", " + with_commas(o.connections) + " connections";
  if (o.rate != 0) title += ", " + with_commas(o.rate) + "/s";
  if (o.window != 0) title += ", " + std::to_string(o.window) + " outstanding";
  return title;
}

Figures figures_of(const Phases& phases) {
  Figures merged;
  for (std::uint32_t i = 0; i < phases.part_count; ++i) {
    const Part& part = phases.part(i);
    for (std::size_t at = 0; at < part.figure_count; ++at) {
      const Figure& figure = part.figures[at];
      const auto found = std::ranges::find(merged, figure.name, &Figures::value_type::first);
      if (found == merged.end()) {
        merged.emplace_back(figure.name, figure.value);
      } else {
        found->second = figure.is_sum ? found->second + figure.value
                                      : std::max(found->second, figure.value);
      }
    }
  }
  return merged;
}

void add_server_figures(const LoadOptions& options, const Observed& observed, Figures& figures) {
  const auto before = static_cast<double>(observed.server_before->rss_anon_bytes);
  const auto end = static_cast<double>(observed.server_end->rss_anon_bytes);
  figures.emplace_back("server_rss_before_bytes", before);
  figures.emplace_back("server_rss_bytes", end);
  if (options.workload == Workload::kIdle) {
    figures.emplace_back("server_bytes_per_connection", (end - before) / options.connections);
  }
}

}  // namespace

Kind primary_of(Workload workload) {
  switch (workload) {
    case Workload::kLogin:
    case Workload::kIdle:
    case Workload::kStorm:
      return Kind::kLogin;
    case Workload::kOffline:
      return Kind::kAnswer;
    case Workload::kPair:
    case Workload::kGroup:
    case Workload::kMix:
      return Kind::kDelivery;
  }
  return Kind::kDelivery;
}

Outputs outputs_of(const LoadOptions& options) { return {options.json, options.hgrm, options.svg}; }

std::vector<Target> parse_targets(const LoadOptions& options) {
  std::vector<Target> targets;
  for (const std::string& text : options.targets) {
    const auto parsed = parse_target(text, kFigures);
    if (const auto* why = std::get_if<std::string>(&parsed)) throw std::runtime_error(*why);
    targets.push_back(std::get<Target>(parsed));
    if (targets.back().metric == Metric::kCpu && options.server_pid == 0) {
      throw std::runtime_error("the target " + text + " needs --server-pid");
    }
  }
  return targets;
}

int report_outcome(const LoadOptions& options, Phases& phases, const Observed& observed,
                   const std::vector<Target>& targets) {
  const auto tally = std::make_unique<Tally>();  // zeroed
  for (std::uint32_t i = 0; i < phases.part_count; ++i) tally->merge(phases.part(i).tally);
  Report report;
  report.workload = options.name;
  report.title = title_of(options);
  report.primary = primary_of(options.workload);
  if (options.rate != 0) report.rate = options.rate;
  report.options = options.listed;
  report.server = options.address + (options.floor ? " (floor)" : "");
  report.host = read_host();
  report.probe_before_ns = observed.probe_before_ns;
  report.probe_after_ns = observed.probe_after_ns;
  report.figures = figures_of(phases);
  if (tally->generator.held_back != 0) {
    report.figures.emplace_back("held_back", static_cast<double>(tally->generator.held_back));
    report.figures.emplace_back("never_sent", static_cast<double>(tally->never_sent));
  }
  report.interrupted = observed.interrupted;
  if (observed.interrupted) report.title += ", interrupted";
  if (options.server_pid != 0 && !observed.server_end) report.title += ", the server has ended";
  if (observed.server_begin && observed.server_end) {
    report.server_use = observed.server_end->since(*observed.server_begin);
    add_server_figures(options, observed, report.figures);
  }
  report.processes = options.processes;
  report.tally = tally.get();
  report.figures.emplace_back("generator_cpu_share", generator_cpu_share(report));
  return finish(report, targets, outputs_of(options));
}

}  // namespace ims::bench
