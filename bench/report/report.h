// A run that is over: what it was, what it counted, and the judgement of it.
//
// Exit codes   0  every rule held and every target is met
//              1  a rule of correctness is broken, whatever the targets say
//              2  a target is missed, or could not be measured
//              3  the run itself could not be done: no server, a file that cannot be written
#pragma once

#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/report/host.h"
#include "bench/report/server_use.h"
#include "bench/report/tally.h"
#include "bench/report/targets.h"

namespace ims::bench {

struct Report {
  std::string workload;  // "pair"
  std::string title;     // "pair, open loop at 50,000/s, 1,000 connections": heads the plots
  Kind primary = Kind::kDelivery;  // what the workload is about: of targets without a kind
  std::optional<double> rate;      // open loop: what was asked for per second
  std::vector<std::pair<std::string, std::string>> options;  // all of them, defaults included
  std::string server;              // what it ran against: "127.0.0.1:7000", with "floor" if so
  Host host;
  std::optional<double> probe_before_ns;  // core_probe.h
  std::optional<double> probe_after_ns;
  std::optional<ServerUse> server_use;    // over the measured phase
  std::vector<std::pair<std::string, double>> figures;  // the workload's own: "drain_seconds"
  std::size_t processes = 1;
  const Tally* tally = nullptr;           // of all processes together
};

inline constexpr int kExitMet = 0;
inline constexpr int kExitViolated = 1;
inline constexpr int kExitMissed = 2;
inline constexpr int kExitFailed = 3;

// The value of a target's metric: ns, per second or a count; nullopt when it was not measured.
std::optional<double> value_of(const Report& report, const Target& target);

int exit_code(const Report& report, std::span<const Target> targets);

// Why the generator, not the server, set the figures; empty when it did not.
std::string generator_limit(const Report& report);

// The share of the measured time in which the generator's processes had work, 0..1.
double generator_busy(const Report& report);

// Nanoseconds of the server's CPU for each of `kind`; nullopt without a server or without any.
std::optional<double> server_cpu_ns(const Report& report, Kind kind);

// ---- the forms of it ----

// Everything, the keys as README.md lists them.
std::string results_json(const Report& report, std::span<const Target> targets, int indent);

// The table for people.
std::string summary_text(const Report& report, std::span<const Target> targets);

// SVG: throughput and latency over time; latency by percentile, both logarithmic.
std::string time_plot(const Report& report);
std::string percentile_plot(const Report& report);

struct Outputs {
  std::string json_file;  // "-": one line on standard output, the table on standard error
  std::string hgrm_stem;  // STEM-delivery.hgrm, STEM-delivery-raw.hgrm ...
  std::string plot_stem;  // STEM-time.svg, STEM-percentiles.svg
};

// Writes what is asked for, prints the table, returns the exit code. Throws std::runtime_error
// where a file cannot be written.
int finish(const Report& report, std::span<const Target> targets, const Outputs& outputs);

}  // namespace ims::bench
