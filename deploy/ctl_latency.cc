// imsctl latency (ctl_watch.h).
#include <chrono>
#include <thread>

#include "deploy/ctl_watch.h"
#include "deploy/live_counters.h"
#include "deploy/stage_report.h"

namespace ims {

int run_latency(const LatencyOptions& options) {
  const CounterFile file = open_live_counters(options.data, options.interval_ms.has_value());
  check_kind(file, options.kind);
  StageReport report = read_stages(file, options.kind);
  if (options.interval_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(*options.interval_ms));
    report = since(report, read_stages(file, options.kind));
  }
  print_text(options.json ? stages_json(report).dump() + "\n" : stages_text(report));
  return 0;
}

}  // namespace ims
