// The line that says how a run goes while it goes.
//
//   [#######-----] 12 s of 30  sent 50,012/s  answers 50,010/s  deliveries 50,009/s  p99 120us
//
// On a terminal it overwrites itself, elsewhere each is a line of its own. Rates are since the last
// one, of the first since the phase began; the p99 is that of the last whole second of what the
// workload is about.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "bench/report/tally.h"

namespace ims::bench {

class LiveLine {
 public:
  // `expected_s` 0: no end is known, and there is no bar.
  LiveLine(std::FILE* out, Kind primary, double expected_s);

  // Whoever monitors the children calls this about once a second, with all of their tallies.
  void show(std::span<const Tally* const> tallies, std::uint64_t now_ns);

  // Before anything else is written to the terminal.
  void end();

  // What show() writes, without the ends of the line.
  std::string text(std::span<const Tally* const> tallies, std::uint64_t now_ns);

 private:
  std::FILE* const out_;
  const Kind primary_;
  const double expected_s_;
  const bool is_terminal_;
  bool shown_ = false;
  std::uint64_t last_ns_ = 0;
  Counts last_{};
};

}  // namespace ims::bench
