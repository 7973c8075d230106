// The authenticator: its core, its queues, its thread.
#include "logic/authenticator.h"

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "logic/password.h"
#include "shared/assert.h"
#include "shared/clock.h"

namespace ims::logic {

// ---- the core ----

PasswordVerdict Authenticator::decide(PasswordJob job, std::int64_t mono_ms) noexcept {
  if (job.deadline_mono_ms != 0 && mono_ms >= job.deadline_mono_ms) {
    ++counts_.late;
    return {job.ticket, false, true};
  }
  const bool is_known = !job.hash.empty();
  const PasswordCheck check = is_known ? check_password(job.password.view(), job.hash)
                                       : check_dummy_password(job.password.view());
  switch (check) {
    case PasswordCheck::kMatch:
      ++counts_.ok;
      return {job.ticket, true, false};
    case PasswordCheck::kMismatch:
      ++(is_known ? counts_.wrong : counts_.unknown_user);
      return {job.ticket, false, false};
    case PasswordCheck::kNoMemory:
      break;
  }
  ++counts_.no_memory;
  return {job.ticket, false, true};
}

// ---- the queues ----

AuthChannel::AuthChannel(Wakeup& authenticator, Wakeup& worker, std::uint32_t jobs_max)
    : authenticator_(authenticator),
      worker_(worker),
      jobs_max_(jobs_max),
      jobs_(std::bit_ceil(std::size_t{jobs_max})),
      verdicts_(std::bit_ceil(std::size_t{jobs_max})) {
  IMS_ASSERT(jobs_max > 0);
}

bool AuthChannel::try_submit(PasswordJob& job) noexcept {
  if (undecided_ == jobs_max_) return false;
  const bool pushed = jobs_.try_push(job);
  IMS_ASSERT(pushed);  // the ring holds jobs_max, and no more are undecided
  ++undecided_;
  authenticator_.notify();
  return true;
}

std::optional<PasswordVerdict> AuthChannel::try_take() noexcept {
  std::optional<PasswordVerdict> verdict = verdicts_.try_pop();
  if (verdict) --undecided_;
  return verdict;
}

void AuthChannel::answer(PasswordVerdict verdict) noexcept {
  const bool pushed = verdicts_.try_push(verdict);
  IMS_ASSERT(pushed);  // as above: each verdict has its job's room
  worker_.notify();
}

// ---- the thread ----

std::size_t run_authenticator_turn(Authenticator& core, std::span<AuthChannel* const> channels) {
  std::size_t decided = 0;
  for (AuthChannel* channel : channels) {
    std::optional<PasswordJob> job = channel->try_pop_job();
    if (!job) continue;
    // The clock is read for each job, because the one before took milliseconds.
    channel->answer(core.decide(std::move(*job), read_clock().mono_ms));
    ++decided;
  }
  return decided;
}

void run_authenticator(Authenticator& core, std::span<AuthChannel* const> channels, Wakeup& wakeup,
                       const std::atomic<bool>& stop) {
  pthread_setname_np(pthread_self(), "auth0");
  // acquire: pairs with the release of whoever stops us.
  while (!stop.load(std::memory_order_acquire)) {
    if (run_authenticator_turn(core, channels) > 0) continue;
    wakeup.prepare_sleep();
    const bool has_work = std::any_of(channels.begin(), channels.end(),
                                      [](const AuthChannel* c) { return c->has_jobs(); });
    if (has_work || stop.load(std::memory_order_acquire)) {
      wakeup.cancel_sleep();
    } else {
      wakeup.sleep(-1);
    }
  }
}

}  // namespace ims::logic
