// Counting, and adding up (tally.h).
#include "bench/report/tally.h"

#include <algorithm>
#include <cstring>

#include "shared/assert.h"

namespace ims::bench {
namespace {

constexpr std::string_view kKindNames[] = {"answer", "delivery", "login"};
static_assert(std::size(kKindNames) == kKindCount);

constexpr std::string_view kRuleNames[] = {
    "unanswered", "answer_unknown", "answer_twice", "refused",         "lost",
    "duplicate",  "order",          "gap",          "content",         "wrong_recipient",
    "seq",        "disconnected",   "protocol"};
static_assert(std::size(kRuleNames) == kRuleCount);

}  // namespace

std::string_view name_of(Kind kind) noexcept { return kKindNames[static_cast<int>(kind)]; }
std::string_view name_of(Rule rule) noexcept { return kRuleNames[static_cast<int>(rule)]; }

void Counts::add(const Counts& other) noexcept {
  sent += other.sent;
  answered += other.answered;
  delivered += other.delivered;
  logins += other.logins;
  bytes_sent += other.bytes_sent;
  bytes_delivered += other.bytes_delivered;
  for (int i = 0; i < kCodeCount; ++i) codes[i] += other.codes[i];
}

// ---- the measured phase ------------------------------------------------------------------------

void Tally::begin(std::uint64_t now_ns, std::uint64_t expected_ns) noexcept {
  IMS_ASSERT(begin_ns == 0);
  begin_ns = now_ns;
  slot_ns = std::max(kSecondNs, (expected_ns + kSecondsMax - 1) / kSecondsMax);
  measuring = true;
}

void Tally::end(std::uint64_t now_ns) noexcept {
  IMS_ASSERT(measuring);
  end_ns = now_ns;
  measuring = false;
}

// What comes behind the last slot is counted in it.
Second& Tally::slot_at(std::uint64_t now_ns) noexcept {
  const std::uint64_t since = now_ns > begin_ns ? now_ns - begin_ns : 0;
  const std::uint64_t index = std::min<std::uint64_t>(since / slot_ns, kSecondsMax - 1);
  slots = std::max(slots, index + 1);
  return seconds[index];
}

bool Tally::is_measured(std::uint64_t due_ns) const noexcept {
  return begin_ns != 0 && due_ns >= begin_ns && (end_ns == 0 || due_ns < end_ns);
}

void Tally::timed(Kind kind, std::uint64_t intended_ns, std::uint64_t sent_ns,
                  std::uint64_t now_ns) noexcept {
  const auto at = static_cast<std::size_t>(kind);
  if (measuring) ++slot_at(now_ns).counts[at];
  if (sent_ns == 0 || !is_measured(intended_ns)) return;
  Second& slot = slot_at(end_ns == 0 ? now_ns : std::min(now_ns, end_ns - 1));
  const std::uint64_t latency_ns = now_ns > intended_ns ? now_ns - intended_ns : 0;
  corrected[at].record(latency_ns);
  uncorrected[at].record(now_ns > sent_ns ? now_ns - sent_ns : 0);
  slot.of[at].record(latency_ns);
}

// ---- per message -------------------------------------------------------------------------------

void Tally::sent(std::size_t bytes, std::uint64_t intended_ns, std::uint64_t sent_ns,
                 bool held_back) noexcept {
  put(bytes, sent_ns);
  went(intended_ns, sent_ns, held_back);
}

void Tally::put(std::size_t bytes, std::uint64_t sent_ns) noexcept {
  ++total.sent;
  total.bytes_sent += bytes;
  if (!measuring) return;
  ++measured.sent;
  measured.bytes_sent += bytes;
  ++slot_at(sent_ns).sent;
}

void Tally::went(std::uint64_t intended_ns, std::uint64_t sent_ns, bool held_back) noexcept {
  if (!measuring) return;
  ++generator.due;
  if (held_back) {
    ++generator.held_back;
    return;
  }
  const std::uint64_t lag_ns = sent_ns > intended_ns ? sent_ns - intended_ns : 0;
  send_lag.record(lag_ns);
  if (lag_ns > kLateNs) ++generator.late;
}

void Tally::unsent(std::uint64_t intended_ns, std::uint64_t count, bool held_back) noexcept {
  if (!is_measured(intended_ns)) return;
  generator.due += count;
  if (held_back) {
    generator.held_back += count;
    never_sent += count;
    return;
  }
  generator.missed += count;
  send_lag.record(end_ns - intended_ns, count);
}

void Tally::overdue(Kind kind, std::uint64_t intended_ns, std::uint64_t count) noexcept {
  if (!is_measured(intended_ns)) return;
  const auto at = static_cast<std::size_t>(kind);
  corrected[at].record(end_ns - intended_ns, count);
  slot_at(end_ns - 1).of[at].record(end_ns - intended_ns, count);
}

void Tally::answered(Code code, std::uint64_t intended_ns, std::uint64_t sent_ns,
                     std::uint64_t now_ns) noexcept {
  const auto at = static_cast<std::size_t>(code);
  ++total.answered;
  ++total.codes[at];
  if (measuring) {
    ++measured.answered;
    ++measured.codes[at];
  }
  timed(Kind::kAnswer, intended_ns, sent_ns, now_ns);
}

void Tally::delivered(std::size_t bytes, std::uint64_t intended_ns, std::uint64_t sent_ns,
                      std::uint64_t now_ns) noexcept {
  ++total.delivered;
  total.bytes_delivered += bytes;
  if (measuring) {
    ++measured.delivered;
    measured.bytes_delivered += bytes;
  }
  timed(Kind::kDelivery, intended_ns, sent_ns, now_ns);
}

void Tally::logged_in(std::uint64_t intended_ns, std::uint64_t sent_ns,
                      std::uint64_t now_ns) noexcept {
  ++total.logins;
  if (measuring) ++measured.logins;
  timed(Kind::kLogin, intended_ns, sent_ns, now_ns);
}

void Tally::violation(Rule rule, std::string_view what) noexcept {
  ++violations[static_cast<std::size_t>(rule)];
  if (notes < kNotes) {
    const std::string_view name = name_of(rule);
    char* const text = note[notes];
    std::size_t at = 0;
    for (const std::string_view part : {name, std::string_view(": "), what}) {
      const std::size_t size = std::min(part.size(), kNoteBytes - 1 - at);
      std::memcpy(text + at, part.data(), size);
      at += size;
    }
    text[at] = '\0';
  }
  ++notes;
}

// ---- afterwards --------------------------------------------------------------------------------

std::uint64_t Tally::violation_count() const noexcept {
  std::uint64_t count = 0;
  for (const std::uint64_t of_rule : violations) count += of_rule;
  return count;
}

double Tally::seconds_measured() const noexcept {
  return end_ns > begin_ns ? static_cast<double>(end_ns - begin_ns) * 1e-9 : 0.0;
}

// The phase of the sum lasts from the first begin to the last end; slots are added by their number.
void Tally::merge(const Tally& other) noexcept {
  IMS_ASSERT(slot_ns == 0 || other.slot_ns == 0 || slot_ns == other.slot_ns);
  const bool is_earlier = other.begin_ns != 0 && other.begin_ns < begin_ns;
  if (begin_ns == 0 || is_earlier) begin_ns = other.begin_ns;
  end_ns = std::max(end_ns, other.end_ns);
  slot_ns = std::max(slot_ns, other.slot_ns);
  slots = std::max(slots, other.slots);
  total.add(other.total);
  measured.add(other.measured);
  for (int i = 0; i < kRuleCount; ++i) violations[i] += other.violations[i];
  for (std::size_t i = 0; i < std::min<std::uint64_t>(other.notes, kNotes); ++i) {
    if (notes + i < kNotes) std::memcpy(note[notes + i], other.note[i], kNoteBytes);
  }
  notes += other.notes;
  not_verified += other.not_verified;
  never_sent += other.never_sent;
  generator.cpu_ns += other.generator.cpu_ns;
  generator.idle_ns += other.generator.idle_ns;
  generator.turns += other.generator.turns;
  generator.sends += other.generator.sends;
  generator.due += other.generator.due;
  generator.held_back += other.generator.held_back;
  generator.late += other.generator.late;
  generator.missed += other.generator.missed;
  for (int kind = 0; kind < kKindCount; ++kind) {
    corrected[kind].add(other.corrected[kind]);
    uncorrected[kind].add(other.uncorrected[kind]);
  }
  send_lag.add(other.send_lag);
  for (std::size_t i = 0; i < other.slots; ++i) {
    seconds[i].sent += other.seconds[i].sent;
    for (int kind = 0; kind < kKindCount; ++kind) {
      seconds[i].counts[kind] += other.seconds[i].counts[kind];
      seconds[i].of[kind].add(other.seconds[i].of[kind]);
    }
  }
}

}  // namespace ims::bench
