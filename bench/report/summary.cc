// The table that a run ends with (report.h).
#include <algorithm>

#include "bench/report/core_probe.h"
#include "bench/report/figures.h"
#include "bench/report/report.h"

namespace ims::bench {
namespace {

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string left(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

constexpr std::size_t kNameWidth = 22;
constexpr std::size_t kFigureWidth = 10;

void append_histogram(std::string& text, const std::string& name, const FineHistogram& histogram) {
  text += "  " + left(name, kNameWidth);
  for (const double fraction : {0.5, 0.9, 0.99, 0.999, 0.9999}) {
    text += padded(format_time(static_cast<double>(histogram.quantile(fraction))), kFigureWidth);
  }
  text += padded(format_time(static_cast<double>(histogram.max_ns)), kFigureWidth);
  text += padded(format_time(histogram.mean_ns()), kFigureWidth);
  text += padded(with_commas(static_cast<double>(histogram.count)), kFigureWidth + 4) + "\n";
}

std::string rate_text(const Report& report, std::uint64_t count, const char* what) {
  const double seconds = report.tally->seconds_measured();
  if (count == 0 || seconds <= 0) return {};
  return "  " + with_commas(static_cast<double>(count) / seconds) + " " + what + "/s";
}

void append_latencies(std::string& text, const Report& report) {
  const Tally& tally = *report.tally;
  text += "  " + left("latency", kNameWidth);
  for (const char* column : {"p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"}) {
    text += padded(column, kFigureWidth);
  }
  text += padded("count", kFigureWidth + 4) + "\n";
  for (int i = 0; i < kKindCount; ++i) {
    if (tally.corrected[i].count == 0) continue;
    const std::string name(name_of(static_cast<Kind>(i)));
    if (!report.rate) {  // nothing was intended: both are the same
      append_histogram(text, name, tally.corrected[i]);
      continue;
    }
    append_histogram(text, name + ", corrected", tally.corrected[i]);
    append_histogram(text, name + ", uncorrected", tally.uncorrected[i]);
  }
  if (!report.rate) return;
  if (tally.send_lag.count != 0) append_histogram(text, "sent behind its time", tally.send_lag);
  if (tally.generator.held_back == 0) return;
  text += "  held back " + with_commas(static_cast<double>(tally.generator.held_back)) + " of " +
          with_commas(static_cast<double>(tally.generator.due)) + " that were due, by the server\n";
  if (tally.never_sent == 0) return;
  text += "            " + with_commas(static_cast<double>(tally.never_sent)) +
          " of them never went: in the corrected latency by their age at the end\n";
}

void append_server(std::string& text, const Report& report) {
  if (!report.server_use) return;
  const ServerUse& use = *report.server_use;
  text += "  server   ";
  for (int i = 0; i < kKindCount; ++i) {
    const auto kind = static_cast<Kind>(i);
    const std::optional<double> ns = server_cpu_ns(report, kind);
    if (!ns) continue;
    text += " CPU " + fixed(*ns / 1000, 3) + " us per " + std::string(name_of(kind)) + ",";
  }
  const double seconds = report.tally->seconds_measured();
  text += " busy " + fixed(seconds > 0 ? static_cast<double>(use.cpu_ns) / seconds * 1e-7 : 0, 0) +
          " % of a core, " + with_commas(static_cast<double>(use.sleeps)) + " sleeps\n";
}

void append_figures(std::string& text, const Report& report) {
  std::size_t width = kNameWidth;
  for (const auto& [name, value] : report.figures) width = std::max(width, name.size() + 1);
  for (const auto& [name, value] : report.figures) {
    const std::string figure = value >= 1000 ? with_commas(value) : fixed(value, 3);
    text += "  " + left(name, width) + padded(figure, kFigureWidth + 4) + "\n";
  }
}

void append_violations(std::string& text, const Tally& tally) {
  if (tally.not_verified != 0) {
    text += "  NOT VERIFIED  " + with_commas(static_cast<double>(tally.not_verified)) +
            ": it ended before it was known what became of them\n";
  }
  if (tally.violation_count() == 0) {
    text += tally.not_verified == 0 ? "  verified  no rule is broken\n"
                                    : "  verified  no rule is broken by the rest\n";
    return;
  }
  text += "  VIOLATED ";
  for (int i = 0; i < kRuleCount; ++i) {
    if (tally.violations[i] == 0) continue;
    text += " " + std::string(name_of(static_cast<Rule>(i))) + " " +
            with_commas(static_cast<double>(tally.violations[i]));
  }
  text += "\n";
  for (std::size_t i = 0; i < std::min<std::uint64_t>(tally.notes, kNotes); ++i) {
    text += "            " + std::string(tally.note[i]) + "\n";
  }
  if (tally.notes > kNotes) {
    text += "            and " + with_commas(static_cast<double>(tally.notes - kNotes)) + " more\n";
  }
}

}  // namespace

std::string summary_text(const Report& report, std::span<const Target> targets) {
  const Tally& tally = *report.tally;
  std::string text = report.title + ", " + fixed(tally.seconds_measured(), 1) + " s\n";
  text += "  counted   " + with_commas(static_cast<double>(tally.measured.sent)) + " sent, " +
          with_commas(static_cast<double>(tally.measured.answered)) + " answered, " +
          with_commas(static_cast<double>(tally.measured.delivered)) + " delivered, " +
          with_commas(static_cast<double>(tally.measured.logins)) + " logins\n";
  text += "  rate    " + rate_text(report, tally.measured.answered, "answers") +
          rate_text(report, tally.measured.delivered, "deliveries") +
          rate_text(report, tally.measured.logins, "logins") + "\n";
  append_latencies(text, report);
  append_server(text, report);
  append_figures(text, report);
  text += "  generator " + fixed(100 * generator_busy(report), 0) + " % busy, " +
          std::to_string(report.processes) + (report.processes == 1 ? " process" : " processes");
  const std::string limit = generator_limit(report);
  text += limit.empty() ? "\n" : "; IT WAS THE LIMIT: " + limit + "\n";
  if (report.probe_before_ns && report.probe_after_ns) {
    text += "  CPUs      " + fixed(*report.probe_before_ns, 0) + " ns round trip before, " +
            fixed(*report.probe_after_ns, 0) + " ns behind: " +
            std::string(placement_class(report.probe_before_ns, report.probe_after_ns)) + "\n";
  }
  append_violations(text, tally);
  for (const Target& target : targets) {
    const std::optional<double> value = value_of(report, target);
    text += value && meets(target, *value) ? "  met       " : "  MISSED    ";
    text += left(target.text, kNameWidth);
    text += " " + (value ? format_value(target, *value) : "was not measured") + "\n";
  }
  return text;
}

}  // namespace ims::bench
