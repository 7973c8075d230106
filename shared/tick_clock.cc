// Which counter there is, and how fast it goes (tick_clock.h).
#include "shared/tick_clock.h"

#include <fstream>
#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ims {
namespace {

constexpr std::uint64_t kMeasureNs = 5'000'000;
constexpr int kTries = 8;  // of one reading: the narrowest counts, whatever interrupted others

// The kernel leaves a counter that differs between CPUs, stops or jumps.
bool kernel_trusts(const std::string& source) {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string current;
  return std::getline(file, current) && current == source;
}

bool has_invariant_counter() {
#if defined(__x86_64__)
  constexpr unsigned kPowerLeaf = 0x8000'0007;
  constexpr unsigned kInvariantTsc = 1u << 8;  // EDX
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(kPowerLeaf, &a, &b, &c, &d) != 0 && (d & kInvariantTsc) != 0 &&
         kernel_trusts("tsc");
#elif defined(__aarch64__)
  return kernel_trusts("arch_sys_counter");
#else
  return false;
#endif
}

struct Pair {
  std::uint64_t ticks;
  std::uint64_t ns;
};

// Both clocks at one moment.
Pair read_both(const TickClock& counter, const TickClock& monotonic) {
  Pair best{};
  std::uint64_t narrowest = ~std::uint64_t{0};
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t before = counter.now();
    const std::uint64_t ns = monotonic.now();
    const std::uint64_t width = counter.now() - before;
    if (width >= narrowest) continue;
    narrowest = width;
    best = {before + width / 2, ns};
  }
  return best;
}

}  // namespace

TickClock TickClock::measure() {
  TickClock clock;
  if (!has_invariant_counter()) return clock;
  const TickClock monotonic;
  clock.source_ = Source::kTsc;
  const Pair begin = read_both(clock, monotonic);
  const timespec pause{0, static_cast<long>(kMeasureNs)};
  nanosleep(&pause, nullptr);
  const Pair end = read_both(clock, monotonic);
  if (end.ticks <= begin.ticks || end.ns <= begin.ns) return monotonic;
  __extension__ using Wide = unsigned __int128;
  clock.ns_per_tick_ = static_cast<std::uint64_t>((Wide{end.ns - begin.ns} << kScaleBits) /
                                                  (end.ticks - begin.ticks));
  return clock;
}

TickClock TickClock::by_hand(const std::uint64_t* ns) noexcept {
  TickClock clock;
  clock.source_ = Source::kByHand;
  clock.by_hand_ = ns;
  return clock;
}

const char* TickClock::name() const noexcept {
  switch (source_) {
    case Source::kTsc: return "tsc";
    case Source::kMonotonic: return "monotonic";
    case Source::kByHand: return "by hand";
  }
  return "";
}

}  // namespace ims
