// Rates from two looks at the counts (live_line.h).
#include "bench/report/live_line.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

#include "bench/report/figures.h"

namespace ims::bench {
namespace {

constexpr int kBarWidth = 20;

std::uint64_t violations_of(std::span<const Tally* const> tallies) {
  std::uint64_t count = 0;
  for (const Tally* tally : tallies) count += tally->violation_count();
  return count;
}

// Of the last slot that is over in the phase of the first tally; 0 without one.
std::uint64_t last_p99_ns(std::span<const Tally* const> tallies, Kind kind, std::uint64_t now_ns) {
  const Tally& first = *tallies.front();
  if (first.begin_ns == 0 || now_ns < first.begin_ns + first.slot_ns) return 0;
  const std::uint64_t slot =
      std::min<std::uint64_t>((now_ns - first.begin_ns) / first.slot_ns - 1, kSecondsMax - 1);
  const auto sum = std::make_unique<CoarseHistogram>();
  for (const Tally* tally : tallies) sum->add(tally->seconds[slot].of[static_cast<int>(kind)]);
  return sum->quantile(0.99);
}

}  // namespace

LiveLine::LiveLine(std::FILE* out, Kind primary, double expected_s)
    : out_(out),
      primary_(primary),
      expected_s_(expected_s),
      is_terminal_(isatty(fileno(out)) == 1) {}

std::string LiveLine::text(std::span<const Tally* const> tallies, std::uint64_t now_ns) {
  Counts now{};
  for (const Tally* tally : tallies) now.add(tally->total);
  const Tally& first = *tallies.front();
  const double elapsed_s =
      first.begin_ns == 0 ? 0.0 : static_cast<double>(now_ns - first.begin_ns) * 1e-9;
  std::string text;
  if (first.begin_ns == 0) {
    text = "warming up";
  } else if (expected_s_ > 0) {
    const double done = std::clamp(elapsed_s / expected_s_, 0.0, 1.0);
    const auto bars = static_cast<std::size_t>(done * kBarWidth);
    text = "[" + std::string(bars, '#') + std::string(kBarWidth - bars, '-') + "] " +
           fixed(elapsed_s, 0) + " s of " + fixed(expected_s_, 0);
  } else {
    text = fixed(elapsed_s, 0) + " s";
  }
  const bool is_first = last_ns_ == 0;  // then it is since the phase began
  const double since_s =
      is_first ? elapsed_s : static_cast<double>(now_ns - last_ns_) * 1e-9;
  const auto add_rate = [&](const char* name, std::uint64_t count, std::uint64_t before) {
    if (count == before || since_s <= 0) return;
    text += "  " + std::string(name) + " " +
            with_commas(static_cast<double>(count - before) / since_s) + "/s";
  };
  if (is_first) {
    Counts measured{};
    for (const Tally* tally : tallies) measured.add(tally->measured);
    last_.sent = now.sent - measured.sent;
    last_.answered = now.answered - measured.answered;
    last_.delivered = now.delivered - measured.delivered;
    last_.logins = now.logins - measured.logins;
  }
  add_rate("sent", now.sent, last_.sent);
  add_rate("answers", now.answered, last_.answered);
  add_rate("deliveries", now.delivered, last_.delivered);
  add_rate("logins", now.logins, last_.logins);
  const std::uint64_t p99_ns = last_p99_ns(tallies, primary_, now_ns);
  if (p99_ns != 0) text += "  p99 " + format_time(static_cast<double>(p99_ns));
  const std::uint64_t violations = violations_of(tallies);
  if (violations != 0) text += "  VIOLATIONS " + with_commas(static_cast<double>(violations));
  last_ = now;
  last_ns_ = now_ns;
  return text;
}

void LiveLine::show(std::span<const Tally* const> tallies, std::uint64_t now_ns) {
  const std::string line = text(tallies, now_ns);
  std::fprintf(out_, is_terminal_ ? "\r\x1b[K%s" : "%s\n", line.c_str());
  std::fflush(out_);
  shown_ = true;
}

void LiveLine::end() {
  if (shown_ && is_terminal_) std::fputc('\n', out_);
  std::fflush(out_);
  shown_ = false;
}

}  // namespace ims::bench
