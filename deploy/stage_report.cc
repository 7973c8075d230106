// Reading, subtracting and printing stages (stage_report.h).
#include "deploy/stage_report.h"

#include <fmt/format.h>

#include "deploy/live_counters.h"
#include "shared/histogram.h"

namespace ims {
namespace {

double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

StageReport read_stages(const CounterFile& file, const std::string& kind) {
  StageReport report;
  report.trace_sample = file.trace_sample();
  const std::vector<std::string> stages = file.stages();
  const std::vector<std::string> kinds =
      kind.empty() ? file.trace_kinds() : std::vector<std::string>{kind};
  for (const std::string& name : kinds) {
    StageReport::Kind& entry = report.kinds.emplace_back();
    entry.name = name;
    for (const std::string& stage : stages) {
      entry.stages.push_back({stage, file.stage_times(name, stage)});
    }
  }
  return report;
}

StageReport since(const StageReport& before, StageReport after) {
  for (std::size_t kind = 0; kind < after.kinds.size(); ++kind) {
    for (std::size_t stage = 0; stage < after.kinds[kind].stages.size(); ++stage) {
      CounterFile::StageTimes& times = after.kinds[kind].stages[stage].times;
      const CounterFile::StageTimes& old = before.kinds[kind].stages[stage].times;
      times.sum_ns -= old.sum_ns;
      for (std::size_t i = 0; i < times.histogram.size(); ++i) {
        times.histogram[i] -= old.histogram[i];
      }
    }
  }
  return after;
}

StageSummary summarize(const CounterFile::StageTimes& times) {
  StageSummary summary;
  summary.sum_ns = times.sum_ns;
  for (const std::uint64_t count : times.histogram) summary.count += count;
  summary.p50_ns = histogram_quantile(times.histogram, 0.5);
  summary.p90_ns = histogram_quantile(times.histogram, 0.9);
  summary.p99_ns = histogram_quantile(times.histogram, 0.99);
  summary.p999_ns = histogram_quantile(times.histogram, 0.999);
  summary.max_ns = histogram_quantile(times.histogram, 1);
  return summary;
}

std::string stages_text(const StageReport& report) {
  std::string text;
  for (const StageReport::Kind& kind : report.kinds) {
    const StageSummary total = summarize(kind.stages.back().times);
    if (total.count == 0) continue;
    if (!text.empty()) text += '\n';
    const std::uint64_t of = followed_of(kind.name, report.trace_sample);
    text += fmt::format("{}: {} followed, {}\n", kind.name, total.count,
                        of == 1 ? "every one" : fmt::format("1 of {}", of));
    std::vector<TableRow> rows = {
        {"STAGE", "COUNT", "MEAN", "P50", "P90", "P99", "P99.9", "MAX", "SHARE"}};
    for (const StageReport::Stage& stage : kind.stages) {
      const StageSummary line = summarize(stage.times);
      rows.push_back({stage.name, fmt::format("{}", line.count),
                      duration_text(line.count == 0 ? 0 : line.sum_ns / line.count),
                      duration_text(line.p50_ns), duration_text(line.p90_ns),
                      duration_text(line.p99_ns), duration_text(line.p999_ns),
                      duration_text(line.max_ns),
                      fmt::format("{:.1f} %", 100 * share_of(line.sum_ns, total.sum_ns))});
    }
    text += table_text(rows);
  }
  if (!text.empty()) return text;
  return report.trace_sample == 0 ? "no message is followed: trace_sample is 0\n"
                                  : "no message was followed yet\n";
}

nlohmann::json stages_json(const StageReport& report) {
  nlohmann::json kinds = nlohmann::json::object();
  nlohmann::json one_of = nlohmann::json::object();
  for (const StageReport::Kind& kind : report.kinds) {
    one_of[kind.name] = followed_of(kind.name, report.trace_sample);
    nlohmann::json& stages = kinds[kind.name] = nlohmann::json::object();
    const std::uint64_t total_ns = kind.stages.back().times.sum_ns;
    for (const StageReport::Stage& stage : kind.stages) {
      const StageSummary line = summarize(stage.times);
      stages[stage.name] = {
          {"count", line.count},
          {"sum_ns", line.sum_ns},
          {"sum", seconds(line.sum_ns)},
          {"share", share_of(line.sum_ns, total_ns)},
          {"quantiles",
           {{"0.5", seconds(line.p50_ns)},
            {"0.9", seconds(line.p90_ns)},
            {"0.99", seconds(line.p99_ns)},
            {"0.999", seconds(line.p999_ns)},
            {"1", seconds(line.max_ns)}}}};
    }
  }
  return {{"metric", "ims_stage_seconds"},
          {"trace_sample", report.trace_sample},
          {"followed_one_of", one_of},
          {"kinds", kinds}};
}

}  // namespace ims
