// How near two CPUs are: two threads, one on each, bounce one cache line.
//
// On a virtual machine the host moves its CPUs between placements while a benchmark runs, and the
// same work then costs up to four times as much CPU time. A round trip of some 50 ns is two threads
// of one core, one of several hundred is two cores that share little; results are compared only
// within one class.
//
// Threads    starts one, moves itself to the first CPU meanwhile and back at the end.
// Limits     at most 60 ms; CPUs that are busy make it slow, not wrong: the median of short bursts.
#pragma once

#include <optional>
#include <string_view>

namespace ims::bench {

// Nanoseconds of one round trip; nullopt where a thread cannot be put on one of the CPUs or the two
// are the same.
std::optional<double> probe_round_trip_ns(int cpu_a, int cpu_b);

inline constexpr double kNearNsMax = 150;
inline constexpr double kFarNsMin = 250;

// "near", "far" or "mixed" from the probes before and behind a run; "unknown" without both.
std::string_view placement_class(std::optional<double> before_ns, std::optional<double> after_ns);

}  // namespace ims::bench
