// A target of the command line: `p50<15us`, `answer.p99<=2ms`, `rate>=50k`, `cpu<0.4us`, `lost=0`.
//
//   target   [kind .] metric op number [unit]
//   kind     answer, delivery or login; without one the kind that the workload is about
//   metric   p<digits> (p50, p99.9), max, mean: latency, corrected; behind `raw.` uncorrected
//            rate: of that kind per second; cpu: the server's CPU time for each
//            the name of a rule (tally.h), violations: how often it was broken, or any
//            the name of a figure that is the workload's own, as drain_seconds: a bare number
//   op       < <= > >= = (or ==)
//   unit     of a latency and of cpu, and required there: ns, us, ms, s; of a rate k or M or none
//
// Errors     a sentence that says what is wrong with the text, as that every run or no run could
//            meet it; nothing throws.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "bench/report/tally.h"

namespace ims::bench {

enum class Metric : std::uint8_t {
  kQuantile,
  kMax,
  kMean,
  kRate,
  kCpu,
  kRule,
  kViolations,
  kFigure,
};
enum class Comparison : std::uint8_t { kLess, kAtMost, kMore, kAtLeast, kEqual };

struct Target {
  std::string text;  // as given
  Metric metric = Metric::kQuantile;
  Comparison comparison = Comparison::kLess;
  std::optional<Kind> kind;
  bool corrected = true;
  double fraction = 0;  // kQuantile: 0.99 of p99
  Rule rule = Rule::kLost;
  std::string figure;   // kFigure: its name
  double limit = 0;     // ns, per second, or a count
};

// The target, or what is wrong with the text. `figures` are the workload's own.
std::variant<Target, std::string> parse_target(std::string_view text,
                                               std::span<const std::string_view> figures = {});

[[nodiscard]] bool meets(const Target& target, double value) noexcept;

// A value of the target's metric for people: "12.4us", "50,012/s", "0".
std::string format_value(const Target& target, double value);

}  // namespace ims::bench
