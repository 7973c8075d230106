// What a run of a workload comes to: the children's tallies and figures added up, and the report of
// it (report/report.h).
//
// Threads  The parent's, once the children have ended.
#pragma once

#include <optional>
#include <vector>

#include "bench/load/options.h"
#include "bench/load/phases.h"
#include "bench/report/report.h"

namespace ims::bench {

// What the parent saw from outside.
struct Observed {
  std::optional<ServerUse> server_before;  // before the first connection
  std::optional<ServerUse> server_begin;   // of the measured phase
  std::optional<ServerUse> server_end;     // none of these two: it has ended meanwhile
  std::optional<double> probe_before_ns;   // core_probe.h
  std::optional<double> probe_after_ns;
  bool interrupted = false;                // it is a shorter run than was asked for
};

// What the workload is about.
Kind primary_of(Workload workload);

// The targets of the command line; throws std::runtime_error with what is wrong with one.
std::vector<Target> parse_targets(const LoadOptions& options);

// The files that the command line asks for.
Outputs outputs_of(const LoadOptions& options);

// Writes and prints what is asked for; the exit code.
int report_outcome(const LoadOptions& options, Phases& phases, const Observed& observed,
                   const std::vector<Target>& targets);

}  // namespace ims::bench
