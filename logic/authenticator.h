// The authenticator: checks passwords, one argon2id at a time, away from every request path.
//
//   worker w --- AuthChannel w: PasswordJob ---> thread auth0: Authenticator
//            <-- AuthChannel w: PasswordVerdict --
//
// Fairness   auth0 takes one job from each worker in turn: a flood on one does not starve others.
// Bounds     A worker has at most `jobs_max` (password_queue) jobs undecided; beyond it
//            try_submit() says no and the worker answers OVERLOADED. So a verdict always finds
//            room, and neither side ever waits for the other.
// Deadline   A job past its deadline is not hashed, only reported as `overloaded`: a queue that
//            grew too long costs no CPU. (The worker has its own limit of password_timeout; a late
//            verdict finds no ticket.)
// Secrets    Passwords live in a Secret, wiped when the job is done or the queue destroyed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "logic/secret.h"
#include "shared/ids.h"
#include "shared/limits.h"
#include "shared/spsc_ring.h"
#include "shared/wakeup.h"

namespace ims::logic {

struct PasswordJob {
  std::uint64_t ticket = 0;  // the worker's name for the pending login; comes back unchanged
  WorkerIndex worker = 0;
  Secret password;
  std::string hash;                   // empty: unknown user; the work is done all the same
  std::int64_t deadline_mono_ms = 0;  // Now::mono_ms from which on the answer is of no use; 0: none
};

struct PasswordVerdict {
  std::uint64_t ticket = 0;
  bool ok = false;          // the password is right
  bool overloaded = false;  // not decided: too late or no memory. Never together with ok.
};

// The core, without a thread.
class Authenticator {
 public:
  PasswordVerdict decide(PasswordJob job, std::int64_t mono_ms) noexcept;

  // Counted by reason; plain cells of the authenticator's thread.
  struct Counts {
    std::uint64_t ok = 0;
    std::uint64_t wrong = 0;
    std::uint64_t unknown_user = 0;
    std::uint64_t late = 0;
    std::uint64_t no_memory = 0;
  };
  const Counts& counts() const noexcept { return counts_; }

 private:
  Counts counts_;
};

// The two queues between one worker and the authenticator.
class AuthChannel {
 public:
  // Both wakeups outlive the channel.
  AuthChannel(Wakeup& authenticator, Wakeup& worker,
              std::uint32_t jobs_max = kPasswordQueueDefault);

  // ---- worker thread ----

  // False, and `job` untouched: jobs_max are undecided. Wakes the authenticator if it sleeps.
  [[nodiscard]] bool try_submit(PasswordJob& job) noexcept;
  [[nodiscard]] std::optional<PasswordVerdict> try_take() noexcept;
  bool has_verdicts() const noexcept { return !verdicts_.empty(); }  // the re-check before a sleep
  std::size_t undecided() const noexcept { return undecided_; }

  // ---- authenticator's thread ----

  [[nodiscard]] std::optional<PasswordJob> try_pop_job() noexcept { return jobs_.try_pop(); }
  bool has_jobs() const noexcept { return !jobs_.empty(); }
  void answer(PasswordVerdict verdict) noexcept;  // wakes the worker if it sleeps

 private:
  Wakeup& authenticator_;
  Wakeup& worker_;
  const std::size_t jobs_max_;
  SpscRing<PasswordJob> jobs_;
  SpscRing<PasswordVerdict> verdicts_;
  std::size_t undecided_ = 0;  // worker's: submitted and its verdict not yet taken
};

// One turn: at most one job of each channel. Returns how many it decided. Authenticator's thread.
std::size_t run_authenticator_turn(Authenticator& core, std::span<AuthChannel* const> channels);

// The thread: names itself auth0, then turns and sleeps on `wakeup` (kFutex) until `stop`. Whoever
// sets `stop` calls wakeup.notify() after it. Jobs still queued then stay undecided.
void run_authenticator(Authenticator& core, std::span<AuthChannel* const> channels, Wakeup& wakeup,
                       const std::atomic<bool>& stop);

}  // namespace ims::logic
