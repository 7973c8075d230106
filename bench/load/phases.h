// What the processes of a run share: where it stands, and what each of them found.
//
// Owner    The parent maps it before it forks; each child writes its own Part and reads the rest.
// Threads  One per process. Atomics: a phase's time is written before the flag that announces it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bench/report/tally.h"

namespace ims::bench {

enum class PartState : std::uint32_t { kSettingUp, kReady, kLoading, kDraining, kDone, kFailed };

struct Figure {
  char name[40];
  double value;
  bool is_sum;  // over the processes, else the largest
};

struct Part {
  std::atomic<PartState> state;
  std::atomic<std::uint32_t> progress;  // of the set-up: logins, for who waits
  char failure[256];                    // with kFailed
  std::size_t figure_count;
  Figure figures[16];
  Tally tally;

  void fail(std::string_view why) noexcept;
  void figure(std::string_view name, double value, bool is_sum) noexcept;
};

struct Phases {
  std::atomic<std::uint64_t> load_ns;   // 0: not yet; when sending starts
  std::atomic<std::uint64_t> begin_ns;  // of what is measured
  std::atomic<std::uint64_t> end_ns;    // 0: whoever sends decides
  std::atomic<std::uint64_t> interrupted_ns;  // 0: it is not
  std::uint32_t run;                    // a number unlike that of other runs
  std::uint32_t part_count;

  static Phases* map(std::uint32_t parts);  // zeroed; throws
  Part& part(std::uint32_t index) noexcept;  // they lie behind it
  const Part& part(std::uint32_t index) const noexcept {
    return const_cast<Phases*>(this)->part(index);
  }
};

}  // namespace ims::bench
