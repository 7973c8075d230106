// imsctl slow (ctl_watch.h).
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "deploy/ctl_watch.h"
#include "deploy/live_counters.h"
#include "shared/ids.h"

namespace ims {
namespace {

std::string time_text(std::uint64_t wall_ms) {
  const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[sizeof "2026-01-01T00:00:00"];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:03}Z", text, wall_ms % 1000);
}

// As the log writes it: gateway.slot.generation.
std::string connection_text(std::uint64_t bits) {
  const ConnectionId id{bits};
  return fmt::format("{}.{}.{}", id.gateway(), id.slot(), id.generation());
}

nlohmann::json slow_json(const SlowTrace& trace, const std::vector<std::string>& kinds) {
  nlohmann::json stages = nlohmann::json::object();
  for (std::size_t i = 0; i < kStagesOnTheWay; ++i) {
    stages[std::string(kStageNames[i])] = trace.stage_ns[i];
  }
  return {{"kind", kinds.at(trace.kind)},
          {"total_ns", trace.total_ns},
          {"stage_ns", stages},
          {"ended_ms", trace.ended_wall_ms},
          {"connection", connection_text(trace.connection)},
          {"tenant", trace.tenant},
          {"user", trace.user},
          {"request_id", trace.request_id}};
}

}  // namespace

int run_slow(const SlowOptions& options) {
  const CounterFile file = open_live_counters(options.data, false);
  check_kind(file, options.kind);
  const std::vector<std::string> kinds = file.trace_kinds();
  std::vector<SlowTrace> traces = file.slow_traces();
  std::erase_if(traces, [&](const SlowTrace& trace) {
    return !options.kind.empty() && kinds.at(trace.kind) != options.kind;
  });
  if (traces.size() > options.count) traces.resize(options.count);
  if (options.json) {
    for (const SlowTrace& trace : traces) print_text(slow_json(trace, kinds).dump() + "\n");
    return 0;
  }
  TableRow head = {"ENDED", "KIND", "TOTAL"};
  for (std::size_t i = 0; i < kStagesOnTheWay; ++i) {
    std::string name(kStageNames[i]);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
    head.push_back(name);
  }
  head.insert(head.end(), {"CONNECTION", "TENANT", "USER", "REQUEST"});
  std::vector<TableRow> rows = {head};
  for (const SlowTrace& trace : traces) {
    TableRow row = {time_text(trace.ended_wall_ms), kinds.at(trace.kind),
                    duration_text(trace.total_ns)};
    for (const std::uint64_t ns : trace.stage_ns) row.push_back(duration_text(ns));
    row.insert(row.end(), {connection_text(trace.connection), std::to_string(trace.tenant),
                           fmt::format("{:x}", trace.user), std::to_string(trace.request_id)});
    rows.push_back(row);
  }
  print_text(traces.empty() ? "no message was followed in the last ten minutes\n"
                            : table_text(rows));
  return 0;
}

}  // namespace ims
