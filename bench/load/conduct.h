// One run of a workload, from outside: the parent of its processes.
//
//   fork -> all ready -> (a line, with --wait) -> warm-up -> start .. measured .. stop -> drained
//
// It starts the children, gives them their times, shows the live line, looks at the server's
// process, stops that for a while if asked to, adds up what the children found, and reports.
// Threads  One, and one process for each part of the load; they end with it.
// Errors   kExitFailed and a sentence on standard error: the load could not be put on.
#pragma once

#include "bench/load/options.h"

namespace ims::bench {

// The exit code, as in report/report.h.
int conduct(const LoadOptions& options);

}  // namespace ims::bench
