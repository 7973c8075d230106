// The results as JSON; README.md lists the keys. Times are microseconds, the order is that of the
// code.
#include <nlohmann/json.hpp>

#include <cmath>

#include "bench/report/core_probe.h"
#include "bench/report/figures.h"
#include "bench/report/report.h"

namespace ims::bench {
namespace {

using Json = nlohmann::ordered_json;

// Three digits behind the point are enough for any of these, and shorter to read.
double rounded(double value) { return std::round(value * 1000) / 1000; }

Json optional_number(std::optional<double> value) {
  return value ? Json(rounded(*value)) : Json(nullptr);
}

double us(double ns) { return rounded(ns / 1000); }
double us(std::uint64_t ns) { return us(static_cast<double>(ns)); }

Json counts_json(const Counts& counts) {
  Json json{{"sent", counts.sent},           {"answered", counts.answered},
            {"delivered", counts.delivered}, {"logins", counts.logins},
            {"bytes_sent", counts.bytes_sent}, {"bytes_delivered", counts.bytes_delivered}};
  Json codes = Json::object();
  for (int code = 0; code < kCodeCount; ++code) {
    if (counts.codes[code] != 0) codes[std::to_string(code)] = counts.codes[code];
  }
  json["codes"] = std::move(codes);
  return json;
}

Json histogram_json(const FineHistogram& histogram) {
  Json json{{"count", histogram.count}, {"mean", us(histogram.mean_ns())}};
  constexpr std::pair<const char*, double> kQuantiles[] = {
      {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
  for (const auto& [name, fraction] : kQuantiles) json[name] = us(histogram.quantile(fraction));
  json["max"] = us(histogram.max_ns);
  return json;
}

Json series_json(const Tally& tally) {
  const double slot_s = static_cast<double>(tally.slot_ns) * 1e-9;
  Json json{{"slot_s", slot_s}, {"sent", Json::array()}};
  for (std::size_t i = 0; i < tally.slots; ++i) json["sent"].push_back(tally.seconds[i].sent);
  for (std::size_t kind = 0; kind < kKindCount; ++kind) {
    if (tally.corrected[kind].count == 0) continue;
    Json of{{"count", Json::array()},
            {"p50", Json::array()},
            {"p99", Json::array()},
            {"max", Json::array()}};
    for (std::size_t i = 0; i < tally.slots; ++i) {
      const Second& second = tally.seconds[i];
      of["count"].push_back(second.counts[kind]);
      of["p50"].push_back(us(second.of[kind].quantile(0.5)));
      of["p99"].push_back(us(second.of[kind].quantile(0.99)));
      of["max"].push_back(us(second.of[kind].max_ns));
    }
    json[std::string(name_of(static_cast<Kind>(kind)))] = std::move(of);
  }
  return json;
}

Json server_json(const Report& report) {
  if (!report.server_use) return nullptr;
  const ServerUse& use = *report.server_use;
  Json json{{"cpu_s", rounded(static_cast<double>(use.cpu_ns) * 1e-9)},
            {"user_s", rounded(use.user_s)},
            {"kernel_s", rounded(use.kernel_s)},
            {"sleeps", use.sleeps},
            {"preempted", use.preempted},
            {"rss_anon_bytes", use.rss_anon_bytes}};
  Json cpu_us = Json::object();
  for (int i = 0; i < kKindCount; ++i) {
    const auto kind = static_cast<Kind>(i);
    const std::optional<double> ns = server_cpu_ns(report, kind);
    if (ns) cpu_us[std::string(name_of(kind))] = us(*ns);
  }
  json["cpu_us"] = std::move(cpu_us);
  return json;
}

Json host_json(const Host& host) {
  return {{"cpu_model", host.cpu_model},       {"cpus", host.cpus},
          {"allowed_cpus", host.allowed_cpus}, {"memory_bytes", host.memory_bytes},
          {"kernel", host.kernel},             {"compiler", host.compiler},
          {"load_average", rounded(host.load_average)}, {"time", host.time}};
}

}  // namespace

std::string results_json(const Report& report, std::span<const Target> targets, int indent) {
  const Tally& tally = *report.tally;
  const double seconds = tally.seconds_measured();
  Json json{{"format", "imsbench 1"},
            {"version", IMS_VERSION},
            {"workload", report.workload},
            {"title", report.title},
            {"primary", name_of(report.primary)},
            {"loop", report.rate ? "open" : "closed"},
            {"rate", optional_number(report.rate)},
            {"server_address", report.server},
            {"host", host_json(report.host)}};
  json["options"] = Json::object();
  for (const auto& [name, value] : report.options) json["options"][name] = value;
  json["probe"] = {{"before_ns", optional_number(report.probe_before_ns)},
                   {"after_ns", optional_number(report.probe_after_ns)},
                   {"class", placement_class(report.probe_before_ns, report.probe_after_ns)}};
  json["processes"] = report.processes;
  json["seconds"] = rounded(seconds);
  json["interrupted"] = report.interrupted;
  json["measured"] = counts_json(tally.measured);
  json["total"] = counts_json(tally.total);
  json["per_second"] = Json::object();
  json["latency_us"] = Json::object();
  const std::uint64_t counts[kKindCount] = {tally.measured.answered, tally.measured.delivered,
                                            tally.measured.logins};
  for (std::size_t kind = 0; kind < kKindCount; ++kind) {
    const std::string name(name_of(static_cast<Kind>(kind)));
    json["per_second"][name] =
        seconds > 0 ? rounded(static_cast<double>(counts[kind]) / seconds) : 0.0;
    if (tally.corrected[kind].count == 0) continue;
    json["latency_us"][name] = {{"corrected", histogram_json(tally.corrected[kind])},
                                {"uncorrected", histogram_json(tally.uncorrected[kind])}};
  }
  json["figures"] = Json::object();
  for (const auto& [name, value] : report.figures) json["figures"][name] = rounded(value);
  json["send_lag_us"] = histogram_json(tally.send_lag);
  json["server"] = server_json(report);
  const std::string limit = generator_limit(report);
  json["generator"] = {{"busy", rounded(generator_busy(report))},
                       {"cpu_s", rounded(static_cast<double>(tally.generator.cpu_ns) * 1e-9)},
                       {"turns", tally.generator.turns},
                       {"sends", tally.generator.sends},
                       {"due", tally.generator.due},
                       {"held_back", tally.generator.held_back},
                       {"never_sent", tally.never_sent},
                       {"late", tally.generator.late},
                       {"missed", tally.generator.missed},
                       {"was_the_limit", !limit.empty()},
                       {"why", limit}};
  json["violations"] = Json::object();
  for (int i = 0; i < kRuleCount; ++i) {
    json["violations"][std::string(name_of(static_cast<Rule>(i)))] = tally.violations[i];
  }
  json["not_verified"] = tally.not_verified;
  json["notes"] = Json::array();
  for (std::size_t i = 0; i < std::min<std::uint64_t>(tally.notes, kNotes); ++i) {
    json["notes"].push_back(tally.note[i]);
  }
  json["targets"] = Json::array();
  for (const Target& target : targets) {
    const std::optional<double> value = value_of(report, target);
    Json json_target{{"target", target.text}, {"value", nullptr}, {"met", false}};
    if (value) {
      json_target["value"] = format_value(target, *value);
      json_target["met"] = meets(target, *value);
    }
    json["targets"].push_back(std::move(json_target));
  }
  json["series"] = series_json(tally);
  json["exit_code"] = exit_code(report, targets);
  // A note may quote bytes of a frame that is not UTF-8.
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ims::bench
