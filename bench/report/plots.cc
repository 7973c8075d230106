// The two plots of a run (report.h): over time, and by percentile.
#include <algorithm>
#include <cmath>

#include "bench/report/figures.h"
#include "bench/report/report.h"
#include "bench/report/svg_chart.h"

namespace ims::bench {
namespace {

constexpr const char* kKindColours[kKindCount] = {"#1b6ca8", "#c44e1a", "#3a8a3a"};
constexpr const char* kGrey = "#808080";

std::string plural(Kind kind) {
  switch (kind) {
    case Kind::kAnswer: return "answers";
    case Kind::kDelivery: return "deliveries";
    case Kind::kLogin: return "logins";
  }
  return {};
}

std::string subtitle_of(const Report& report) {
  const Host& host = report.host;
  return report.server + ", " + host.cpu_model + ", " + std::to_string(host.cpus) + " CPUs, " +
         host.kernel + ", " + host.time;
}

// The length of a slot: whole ones but for the last.
double slot_seconds(const Tally& tally, std::size_t slot) {
  const std::uint64_t begin = slot * tally.slot_ns;
  const std::uint64_t length = tally.end_ns - tally.begin_ns;
  const std::uint64_t end = std::max(begin + 1, std::min(begin + tally.slot_ns, length));
  return static_cast<double>(end - begin) * 1e-9;
}

// A rate over the last piece of a second says nothing.
std::size_t whole_slots(const Tally& tally) {
  const bool cut = tally.slots > 1 && slot_seconds(tally, tally.slots - 1) <
                                          0.5 * static_cast<double>(tally.slot_ns) * 1e-9;
  return tally.slots - (cut ? 1 : 0);
}

Panel throughput(const Report& report) {
  const Tally& tally = *report.tally;
  Panel panel{.title = "Throughput", .x = {}, .y = {}, .lines = {}};
  double highest = 0;
  const auto add = [&](const std::string& name, const char* colour, bool dashed, auto count_of) {
    Line line{.name = name, .colour = colour, .dashed = dashed, .points = {}};
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < whole_slots(tally); ++i) {
      const std::uint64_t count = count_of(tally.seconds[i]);
      const double seconds = slot_seconds(tally, i);
      sum += count;
      highest = std::max(highest, static_cast<double>(count) / seconds);
      const double middle = static_cast<double>(i * tally.slot_ns) * 1e-9 + seconds / 2;
      line.points.emplace_back(middle, static_cast<double>(count) / seconds);
    }
    if (sum != 0) panel.lines.push_back(std::move(line));
  };
  add("sent", kGrey, true, [](const Second& second) { return second.sent; });
  for (std::size_t kind = 0; kind < kKindCount; ++kind) {
    add(plural(static_cast<Kind>(kind)), kKindColours[kind], false,
        [kind](const Second& second) { return second.counts[kind]; });
  }
  panel.x = linear_axis("seconds of the measured phase", tally.seconds_measured());
  panel.y = linear_axis("per second", highest);
  return panel;
}

Panel latency(const Report& report) {
  const Tally& tally = *report.tally;
  const auto kind = static_cast<std::size_t>(report.primary);
  Panel panel{.title = "Latency of " + plural(report.primary) +
                       (report.rate ? ", from the intended time" : ""),
              .x = {}, .y = {}, .lines = {{"p50", "#1b6ca8", false, {}},
                                          {"p99", "#c44e1a", false, {}},
                                          {"max", kGrey, true, {}}}};
  double low = 1e12;
  double high = 1;
  for (std::size_t i = 0; i < tally.slots; ++i) {
    const CoarseHistogram& of = tally.seconds[i].of[kind];
    if (of.count == 0) continue;
    const double middle =
        static_cast<double>(i * tally.slot_ns) * 1e-9 + slot_seconds(tally, i) / 2;
    const std::uint64_t values[] = {of.quantile(0.5), of.quantile(0.99), of.max_ns};
    for (std::size_t line = 0; line < 3; ++line) {
      const auto value = std::max(1.0, static_cast<double>(values[line]));
      panel.lines[line].points.emplace_back(middle, value);
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  panel.x = linear_axis("seconds of the measured phase", tally.seconds_measured());
  panel.y = log_time_axis("latency (logarithmic)", std::min(low, high), high);
  return panel;
}

// x is 1 / (1 - q): each nine takes the same width.
Axis percentile_axis(std::uint64_t count) {
  Axis axis{.label = "percentile", .is_log = true, .low = 1, .high = 10, .ticks = {}};
  axis.ticks = {{1, "0 %"}, {2, "50 %"}, {10, "90 %"}};
  std::string text = "99";
  while (axis.high < static_cast<double>(count) && axis.high < 1e7) {
    axis.high *= 10;
    axis.ticks.push_back({axis.high, text + " %"});
    text += text.size() == 2 ? ".9" : "9";
  }
  return axis;
}

Line percentile_line(const FineHistogram& histogram, const Axis& axis) {
  Line line;
  constexpr double kPointsPerDecade = 40;
  const double decades = std::log10(axis.high);
  std::vector<double> levels;
  for (double at = 0; at <= decades * kPointsPerDecade; ++at) {
    levels.push_back(std::pow(10.0, at / kPointsPerDecade));
  }
  for (const double x : levels) {
    const auto value = static_cast<double>(histogram.quantile(1 - 1 / x));
    line.points.emplace_back(x, std::max(1.0, value));
  }
  return line;
}

}  // namespace

std::string time_plot(const Report& report) {
  const Panel panels[] = {throughput(report), latency(report)};
  return svg_chart(report.title, subtitle_of(report), panels);
}

std::string percentile_plot(const Report& report) {
  const Tally& tally = *report.tally;
  std::uint64_t most = 1;
  for (const FineHistogram& histogram : tally.corrected) most = std::max(most, histogram.count);
  Panel panel{.title = "Latency by percentile", .x = percentile_axis(most), .y = {}, .lines = {}};
  double low = 1e12;
  double high = 1;
  const auto add = [&](const FineHistogram& histogram, const std::string& name, const char* colour,
                       bool dashed) {
    if (histogram.count == 0) return;
    Line line = percentile_line(histogram, panel.x);
    line.name = name;
    line.colour = colour;
    line.dashed = dashed;
    low = std::min(low, line.points.front().second);
    high = std::max(high, static_cast<double>(histogram.max_ns));
    panel.lines.push_back(std::move(line));
  };
  for (std::size_t kind = 0; kind < kKindCount; ++kind) {
    const std::string name(name_of(static_cast<Kind>(kind)));
    const bool is_open = report.rate.has_value();
    add(tally.corrected[kind], name + (is_open ? ", corrected" : ""), kKindColours[kind], false);
    if (is_open) add(tally.uncorrected[kind], name + ", uncorrected", kKindColours[kind], true);
  }
  panel.y = log_time_axis("latency (logarithmic)", std::min(low, high), high);
  return svg_chart(report.title, subtitle_of(report), {&panel, 1});
}

}  // namespace ims::bench
