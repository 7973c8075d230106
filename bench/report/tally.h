// What one generator process counts: plain memory, shared with the process that reports.
//
// Ownership  the parent maps it shared and zeroed (that is an empty tally), one child writes it.
// Threads    one writer. The parent reads the counts of a running child for the live line, where a
//            figure may be a message old; it merges after the child has ended.
// Time       nanoseconds of the monotonic clock. `intended` is when the rate asked for the message,
//            `sent` when it went out: latency from the first is corrected for coordinated omission,
//            from the second is not. In a closed loop both are the same. Counts are of what
//            happened in the measured phase; latencies are of what was due in it, even if it ended
//            later: else a stall at the phase's end would leave no trace in them. What was due in
//            it and never sent, or never answered, is in the corrected ones by its age at the end.
// Lateness   What is due may be held back by the server: a window that is full, a socket that takes
//            no more, nobody online. That is in the corrected latency, and no fault of the
//            generator's. `send_lag` is of the rest alone: due, free to go, and still sent later.
// Limits     kSecondsMax slots of time; the slots of a longer run are longer than a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "bench/report/histogram.h"
#include "shared/codes.h"

namespace ims::bench {

// What takes time: from a message to its answer, to its delivery, from a connect to its ConAck.
enum class Kind : std::uint8_t { kAnswer, kDelivery, kLogin };
inline constexpr int kKindCount = 3;
[[nodiscard]] std::string_view name_of(Kind kind) noexcept;

// The rules that a run checks; each breach is counted and makes the exit code 1.
enum class Rule : std::uint8_t {
  kUnanswered,      // a request without an answer within the patience of the run
  kAnswerUnknown,   // an answer to no request of this connection
  kAnswerTwice,     // the second to one
  kRefused,         // a code that the workload does not allow for
  kLost,            // accepted, never delivered
  kDuplicate,       // delivered twice to one device
  kOrder,           // delivered behind a later one of the same sender
  kGap,             // the seqs of a device's inbox, or of its group, have a hole
  kContent,         // not the bytes that were sent
  kWrongRecipient,  // delivered to somebody it was not for
  kSeq,             // seqs go back, are missing, or differ between answer and delivery
  kDisconnected,    // by the server, without the workload asking for it
  kProtocol,        // a frame that does not decode
};
inline constexpr int kRuleCount = 13;
[[nodiscard]] std::string_view name_of(Rule rule) noexcept;

// Counts of one stretch of time.
struct Counts {
  std::uint64_t sent;
  std::uint64_t answered;
  std::uint64_t delivered;
  std::uint64_t logins;
  std::uint64_t bytes_sent;
  std::uint64_t bytes_delivered;
  std::uint64_t codes[kCodeCount];  // of the answers

  void add(const Counts& other) noexcept;
};

// What the generator itself did in the measured phase; whether it was the limit follows from it.
struct GeneratorLoad {
  std::uint64_t cpu_ns;    // user and kernel
  std::uint64_t idle_ns;   // of its loop, waiting with nothing due, spins included
  std::uint64_t turns;
  std::uint64_t sends;
  // Of what was due in an open loop's measured phase:
  std::uint64_t due;
  std::uint64_t held_back;  // by the server: sent later, or never
  std::uint64_t late;       // free to go, and sent over kLateNs behind its time
  std::uint64_t missed;     // free to go, and the phase was over before the loop came to it
};
inline constexpr std::uint64_t kLateNs = 1'000'000;

// One slot of time of the measured phase.
struct Second {
  std::uint64_t sent;
  CoarseHistogram of[kKindCount];  // corrected
  std::uint64_t counts[kKindCount];
};

inline constexpr std::size_t kSecondsMax = 3600;
inline constexpr std::uint64_t kSecondNs = 1'000'000'000;
inline constexpr std::size_t kNotes = 8;
inline constexpr std::size_t kNoteBytes = 160;

struct Tally {
  // ---- the measured phase ----
  std::uint64_t begin_ns;
  std::uint64_t end_ns;      // 0 while it lasts
  std::uint64_t slot_ns;     // of `seconds`
  std::uint64_t slots;       // used so far
  bool measuring;

  Counts total;     // from the first message to the last answer, warm-up and drain included
  Counts measured;
  std::uint64_t violations[kRuleCount];  // of the whole run
  std::uint64_t not_verified;            // messages whose fate an interrupt left open
  std::uint64_t never_sent;              // due in the measured phase, at its end still held back
  std::uint64_t notes;                   // given; the first kNotes are kept, ended by a zero
  char note[kNotes][kNoteBytes];
  GeneratorLoad generator;

  FineHistogram corrected[kKindCount];
  FineHistogram uncorrected[kKindCount];
  FineHistogram send_lag;  // sent - intended, of what was not held back
  Second seconds[kSecondsMax];

  // `expected_ns` is the length that is planned: it gives the slots their width.
  void begin(std::uint64_t now_ns, std::uint64_t expected_ns) noexcept;
  void end(std::uint64_t now_ns) noexcept;

  // Per message. An answer or a delivery whose `sent_ns` is 0 is counted, not timed.
  void sent(std::size_t bytes, std::uint64_t intended_ns, std::uint64_t sent_ns,
            bool held_back = false) noexcept;
  void answered(Code code, std::uint64_t intended_ns, std::uint64_t sent_ns,
                std::uint64_t now_ns) noexcept;
  void delivered(std::size_t bytes, std::uint64_t intended_ns, std::uint64_t sent_ns,
                 std::uint64_t now_ns) noexcept;
  void logged_in(std::uint64_t intended_ns, std::uint64_t sent_ns, std::uint64_t now_ns) noexcept;

  // The two parts of sent(), for a message that no rate asked for, and for what is no message.
  void put(std::size_t bytes, std::uint64_t sent_ns) noexcept;
  void went(std::uint64_t intended_ns, std::uint64_t sent_ns, bool held_back) noexcept;

  // Behind end(): `count` of what was due at about `intended_ns` never went, and what would have
  // been timed of it, by its age now.
  void unsent(std::uint64_t intended_ns, std::uint64_t count, bool held_back) noexcept;
  void overdue(Kind kind, std::uint64_t intended_ns, std::uint64_t count) noexcept;

  // The note says who and what, as "user 17: seq 7 behind 5"; a longer one is cut.
  void violation(Rule rule, std::string_view what) noexcept;

  [[nodiscard]] std::uint64_t violation_count() const noexcept;
  [[nodiscard]] double seconds_measured() const noexcept;

  void merge(const Tally& other) noexcept;

 private:
  Second& slot_at(std::uint64_t now_ns) noexcept;
  bool is_measured(std::uint64_t due_ns) const noexcept;
  void timed(Kind kind, std::uint64_t intended_ns, std::uint64_t sent_ns,
             std::uint64_t now_ns) noexcept;
};
static_assert(std::is_trivially_copyable_v<Tally>);
static_assert(std::is_trivially_default_constructible_v<Tally>);

}  // namespace ims::bench
