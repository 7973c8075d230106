// From the text of a target to its parts (targets.h).
#include "bench/report/targets.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "bench/report/figures.h"
#include "shared/config_value.h"

namespace ims::bench {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};
constexpr Unit kTimes[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
constexpr Unit kRates[] = {{"", 1}, {"/s", 1}, {"k", 1e3}, {"M", 1e6}};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool is_latency(Metric metric) {
  return metric == Metric::kQuantile || metric == Metric::kMax || metric == Metric::kMean;
}

// Digits first: from_chars would take "nan" and "inf" as well.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value,
                                            std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

template <std::size_t kCount>
std::optional<double> factor_of(const Unit (&units)[kCount], std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

std::optional<Kind> take_kind(std::string_view& name) {
  for (int i = 0; i < kKindCount; ++i) {
    const auto kind = static_cast<Kind>(i);
    if (take_prefix(name, std::string(name_of(kind)) + ".")) return kind;
  }
  return std::nullopt;
}

// `name` is what stands left of the comparison.
std::optional<std::string> read_metric(std::string_view name,
                                       std::span<const std::string_view> figures, Target& target) {
  const std::string_view whole = name;
  target.kind = take_kind(name);
  target.corrected = !take_prefix(name, "raw.");
  const bool is_bare = name == whole;
  if (name == "max") {
    target.metric = Metric::kMax;
  } else if (name == "mean") {
    target.metric = Metric::kMean;
  } else if (name == "rate" && target.corrected) {
    target.metric = Metric::kRate;
  } else if (name == "cpu" && target.corrected) {
    target.metric = Metric::kCpu;
  } else if (name == "violations" && is_bare) {
    target.metric = Metric::kViolations;
  } else if (name.starts_with('p') && name.size() > 1 && name[1] >= '0' && name[1] <= '9') {
    name.remove_prefix(1);
    const std::optional<double> percent = take_number(name);
    if (!percent || !name.empty() || *percent > 100) {
      return "a percentile is p0 to p100, as p99.9";
    }
    target.metric = Metric::kQuantile;
    target.fraction = *percent / 100;
  } else {
    for (int i = 0; i < kRuleCount && is_bare; ++i) {
      const auto rule = static_cast<Rule>(i);
      if (name != name_of(rule)) continue;
      target.metric = Metric::kRule;
      target.rule = rule;
      return std::nullopt;
    }
    if (std::ranges::find(figures, whole) == figures.end()) {
      return "there is no metric " + quote(whole) + " here";
    }
    target.metric = Metric::kFigure;
    target.figure = whole;
  }
  return std::nullopt;
}

std::optional<std::string> read_limit(std::string_view text, Target& target) {
  const std::optional<double> number = take_number(text);
  if (!number) return "a number of at least 0 is missing behind the comparison";
  if (is_latency(target.metric) || target.metric == Metric::kCpu) {
    const std::optional<double> factor = factor_of(kTimes, text);
    if (!factor) return "a time needs a unit: ns, us, ms or s";
    target.limit = *number * *factor;
  } else if (target.metric == Metric::kRate) {
    const std::optional<double> factor = factor_of(kRates, text);
    if (!factor) return "a rate is per second, with k or M or without";
    target.limit = *number * *factor;
  } else {
    if (!text.empty()) return "this metric is a number without a unit";
    target.limit = *number;
  }
  if (!std::isfinite(target.limit)) return "the number is too large";
  const bool is_count = target.metric == Metric::kRule || target.metric == Metric::kViolations;
  if (is_count && *number != std::floor(*number)) return "a count is a whole number";
  const bool is_least = target.comparison == Comparison::kAtLeast;
  if (target.limit <= 0 && (is_least || target.comparison == Comparison::kLess)) {
    return is_least ? "everything is at least 0" : "nothing is below 0";
  }
  return std::nullopt;
}

}  // namespace

std::variant<Target, std::string> parse_target(std::string_view text,
                                               std::span<const std::string_view> figures) {
  const auto wrong = [&](const std::string& what) {
    return "the target " + quote(text) + ": " + what;
  };
  const std::size_t at = text.find_first_of("<>=");
  if (at == std::string_view::npos) return wrong("a comparison is missing: < <= > >= or =");
  Target target;
  target.text = text;
  if (auto error = read_metric(text.substr(0, at), figures, target)) return wrong(*error);
  std::string_view rest = text.substr(at);
  if (take_prefix(rest, "<=")) {
    target.comparison = Comparison::kAtMost;
  } else if (take_prefix(rest, ">=")) {
    target.comparison = Comparison::kAtLeast;
  } else if (take_prefix(rest, "<")) {
    target.comparison = Comparison::kLess;
  } else if (take_prefix(rest, ">")) {
    target.comparison = Comparison::kMore;
  } else {
    if (!take_prefix(rest, "==")) take_prefix(rest, "=");
    target.comparison = Comparison::kEqual;
  }
  if (auto error = read_limit(rest, target)) return wrong(*error);
  return target;
}

bool meets(const Target& target, double value) noexcept {
  switch (target.comparison) {
    case Comparison::kLess: return value < target.limit;
    case Comparison::kAtMost: return value <= target.limit;
    case Comparison::kMore: return value > target.limit;
    case Comparison::kAtLeast: return value >= target.limit;
    case Comparison::kEqual: return value >= target.limit && value <= target.limit;
  }
  return false;
}

std::string format_value(const Target& target, double value) {
  if (is_latency(target.metric) || target.metric == Metric::kCpu) return format_time(value);
  if (target.metric == Metric::kFigure) return fixed(value, 3);
  return with_commas(value) + (target.metric == Metric::kRate ? "/s" : "");
}

}  // namespace ims::bench
