// imsctl latency, top, slow: where a running server's time goes, read from its counters file. The
// server is neither asked nor disturbed.
//
// Errors  OperatorError
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "deploy/data_dir.h"

namespace ims {

struct LatencyOptions {
  DataDir data;
  std::string kind;                         // empty: each
  std::optional<std::int64_t> interval_ms;  // of this time from now; else since the server's start
  bool json = false;
};
int run_latency(const LatencyOptions& options);

struct TopOptions {
  DataDir data;
  std::int64_t interval_ms = 1000;
  bool once = false;  // one interval, then the end
  bool json = false;  // one object per interval
};
// Until interrupted; on a terminal the screen is drawn over, else one table after the other.
int run_top(const TopOptions& options);

struct SlowOptions {
  DataDir data;
  std::size_t count = 20;
  std::string kind;
  bool json = false;
};
int run_slow(const SlowOptions& options);

}  // namespace ims
