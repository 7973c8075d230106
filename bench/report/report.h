// A run that is over: what it was, what it counted, and the judgement of it.
//
// Exit codes   0  every rule held and every target is met
//              1  a rule of correctness is broken, whatever the targets say
//              2  a target is missed, or could not be measured
//              3  the run itself could not be done: no server, an output that cannot be written, an
//                 interrupt that left open whether every rule was kept
//
// The limit    The generator set the figures, not the server, where either
//                - it was late itself: what was due and free to go went over 1 ms behind its time
//                  (p99; what it had not come to at the end counts by its age), and over a tenth of
//                  the p99 that was measured;
//                - it had no time left: its loop was busy over 90 % of the phase, in a closed loop,
//                  or in an open one of which over 1 % was not come to, or held back for answers
//                  (that it may not have come to read).
//              What a full window, a stopped server, a full socket or users without a connection
//              hold back is none of that, nor that chance made fewer arrivals than the rate says.
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
  bool interrupted = false;               // it is a shorter run than was asked for
  const Tally* tally = nullptr;           // of all processes together
};

inline constexpr int kExitMet = 0;
inline constexpr int kExitViolated = 1;
inline constexpr int kExitMissed = 2;
inline constexpr int kExitFailed = 3;

// The value of a target's metric: ns, per second or a count; nullopt when it was not measured.
std::optional<double> value_of(const Report& report, const Target& target);

int exit_code(const Report& report, std::span<const Target> targets);

// Why the generator, not the server, set the figures (above); empty when it did not.
std::string generator_limit(const Report& report);

// The share of the measured time in which the generator's processes had work, 0..1.
double generator_busy(const Report& report);
// And that in which they had a CPU: far less where others had it.
double generator_cpu_share(const Report& report);

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

// Before the run: throws std::runtime_error where one of them could not be written.
void try_outputs(const Outputs& outputs);

// Writes what is asked for, prints the table, returns the exit code: where something could not be
// written, that is said on standard error, and is kExitFailed unless a rule is broken.
int finish(const Report& report, std::span<const Target> targets, const Outputs& outputs);

}  // namespace ims::bench
