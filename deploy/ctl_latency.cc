// imsctl latency (ctl_watch.h).
#include <algorithm>
#include <chrono>
#include <thread>

#include "deploy/ctl_watch.h"
#include "deploy/live_counters.h"
#include "deploy/operator_line.h"
#include "deploy/stage_report.h"

namespace ims {

int run_latency(const LatencyOptions& options) {
  const CounterFile file = open_live_counters(options.data, options.interval_ms.has_value());
  const std::vector<std::string> kinds = file.trace_kinds();
  if (!options.kind.empty() && std::ranges::find(kinds, options.kind) == kinds.end()) {
    std::string sentence = "--kind is one of";
    for (const std::string& kind : kinds) sentence += " " + kind;
    throw OperatorError(sentence, kExitUsage);
  }
  StageReport report = read_stages(file, options.kind);
  if (options.interval_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(*options.interval_ms));
    report = since(report, read_stages(file, options.kind));
  }
  print_text(options.json ? stages_json(report).dump() + "\n" : stages_text(report));
  return 0;
}

}  // namespace ims
