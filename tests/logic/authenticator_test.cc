// The authenticator: its verdicts, its bounds, its fairness, and the thread.
#include "logic/authenticator.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "logic/password.h"
#include "shared/clock.h"

namespace ims::logic {
namespace {

using std::chrono::steady_clock;

const std::string& alice_hash() {
  static const std::string hash = *hash_password("alice's");
  return hash;
}

PasswordJob job(std::uint64_t ticket, std::string_view password, std::string hash,
                std::int64_t deadline_mono_ms = 0, WorkerIndex worker = 0) {
  return {ticket, worker, password, std::move(hash), deadline_mono_ms};
}

// Already too late: decided without argon2, so that queues can be tested fast.
PasswordJob late_job(std::uint64_t ticket) { return job(ticket, "x", alice_hash(), 1); }

TEST_CASE("authenticator: verdicts by case, each counted by its reason") {
  Authenticator core;
  struct Row {
    const char* name;
    std::string_view password;
    std::string hash;
    std::int64_t deadline;
    bool ok;
    bool overloaded;
  };
  const Row rows[] = {
      {"right", "alice's", alice_hash(), 0, true, false},
      {"right, in time", "alice's", alice_hash(), 1001, true, false},
      {"right, but due now", "alice's", alice_hash(), 1000, false, true},
      {"right, but late", "alice's", alice_hash(), 999, false, true},
      {"wrong", "bob's", alice_hash(), 0, false, false},
      {"empty", "", alice_hash(), 0, false, false},
      {"unknown user", "alice's", "", 0, false, false},
      {"broken hash", "alice's", "broken", 0, false, false},
  };
  std::uint64_t ticket = 0x1234'5678'9abc'def0;
  for (const Row& row : rows) {
    INFO(row.name);
    const PasswordVerdict verdict =
        core.decide(job(++ticket, row.password, row.hash, row.deadline), 1000);
    CHECK(verdict.ticket == ticket);
    CHECK(verdict.ok == row.ok);
    CHECK(verdict.overloaded == row.overloaded);
  }
  CHECK(core.counts().ok == 2);
  CHECK(core.counts().wrong == 3);
  CHECK(core.counts().unknown_user == 1);
  CHECK(core.counts().late == 2);
  CHECK(core.counts().no_memory == 0);
}

TEST_CASE("authenticator: a worker's undecided jobs are bounded, one below, at and above") {
  for (const std::uint32_t jobs_max : {1u, 2u, 3u, 8u}) {
    INFO(jobs_max);
    Wakeup auth(Wakeup::Kind::kFutex), worker(Wakeup::Kind::kFutex);
    AuthChannel channel(auth, worker, jobs_max);
    Authenticator core;
    AuthChannel* const channels[] = {&channel};
    std::uint64_t submitted = 0;
    std::uint64_t taken = 0;
    for (int round = 0; round < 5; ++round) {
      while (channel.undecided() < jobs_max) {
        PasswordJob next = late_job(submitted);
        REQUIRE(channel.try_submit(next));
        CHECK(next.password.empty());  // taken over
        ++submitted;
      }
      PasswordJob refused = job(99, "kept", "hash");
      CHECK_FALSE(channel.try_submit(refused));
      CHECK(refused.password.view() == "kept");
      CHECK(refused.hash == "hash");
      // Decided but not taken still counts: so the verdicts have room.
      while (run_authenticator_turn(core, channels) > 0) {
      }
      CHECK_FALSE(channel.has_jobs());
      CHECK(channel.has_verdicts());
      CHECK_FALSE(channel.try_submit(refused));
      for (auto verdict = channel.try_take(); verdict; verdict = channel.try_take()) {
        CHECK(verdict->ticket == taken++);  // in order
        CHECK(verdict->overloaded);
      }
      CHECK(taken == submitted);
      CHECK_FALSE(channel.has_verdicts());
    }
  }
}

TEST_CASE("authenticator: one job of each worker a turn, whoever floods") {
  Wakeup auth(Wakeup::Kind::kFutex), worker(Wakeup::Kind::kFutex);
  AuthChannel flood(auth, worker), quiet(auth, worker), silent(auth, worker);
  AuthChannel* const channels[] = {&flood, &quiet, &silent};
  Authenticator core;
  for (std::uint64_t i = 0; i < 100; ++i) {
    PasswordJob next = late_job(i);
    REQUIRE(flood.try_submit(next));
  }
  PasswordJob one = late_job(7);
  REQUIRE(quiet.try_submit(one));
  CHECK(run_authenticator_turn(core, channels) == 2);
  REQUIRE(quiet.has_verdicts());
  CHECK(quiet.try_take()->ticket == 7);
  CHECK_FALSE(silent.has_verdicts());
  CHECK(run_authenticator_turn(core, channels) == 1);
  for (int i = 2; i < 100; ++i) CHECK(run_authenticator_turn(core, channels) == 1);
  CHECK(run_authenticator_turn(core, channels) == 0);
}

TEST_CASE("authenticator: submitting wakes it only if it sleeps, a verdict wakes the worker") {
  Wakeup auth(Wakeup::Kind::kFutex), worker(Wakeup::Kind::kFutex);
  AuthChannel channel(auth, worker);
  AuthChannel* const channels[] = {&channel};
  Authenticator core;
  PasswordJob awake = late_job(1);
  REQUIRE(channel.try_submit(awake));
  CHECK(run_authenticator_turn(core, channels) == 1);

  auth.prepare_sleep();
  worker.prepare_sleep();
  PasswordJob asleep = late_job(2);
  REQUIRE(channel.try_submit(asleep));
  CHECK_FALSE(auth.claim_sleeper());  // submitting did
  CHECK(run_authenticator_turn(core, channels) == 1);
  CHECK_FALSE(worker.claim_sleeper());  // the verdict did
}

// The authenticator in its thread; stopped and joined at the end of the scope.
class RunningAuthenticator {
 public:
  explicit RunningAuthenticator(std::size_t workers) {
    for (std::size_t i = 0; i < workers; ++i) {
      worker_wakeups_.push_back(std::make_unique<Wakeup>(Wakeup::Kind::kFutex));
      owned_.push_back(std::make_unique<AuthChannel>(wakeup_, *worker_wakeups_.back()));
      channels_.push_back(owned_.back().get());
    }
    thread_ = std::thread([this] { run_authenticator(core_, channels_, wakeup_, stop_); });
  }
  ~RunningAuthenticator() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    stop_.store(true, std::memory_order_release);
    wakeup_.notify();
    thread_.join();
  }

  AuthChannel& channel(std::size_t worker) { return *channels_[worker]; }
  Wakeup& worker_wakeup(std::size_t worker) { return *worker_wakeups_[worker]; }
  std::thread& thread() { return thread_; }
  const Authenticator& core() const { return core_; }

 private:
  Wakeup wakeup_{Wakeup::Kind::kFutex};
  std::vector<std::unique_ptr<Wakeup>> worker_wakeups_;
  std::vector<std::unique_ptr<AuthChannel>> owned_;
  std::vector<AuthChannel*> channels_;
  Authenticator core_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Waits as a worker does. Nothing within 20 s: a wake was lost.
std::optional<PasswordVerdict> wait_verdict(AuthChannel& channel, Wakeup& wakeup) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(20);
  while (steady_clock::now() < deadline) {
    if (auto verdict = channel.try_take()) return verdict;
    wakeup.prepare_sleep();
    if (channel.has_verdicts()) {
      wakeup.cancel_sleep();
    } else {
      wakeup.sleep(20'000);
    }
  }
  return std::nullopt;
}

TEST_CASE("authenticator: the thread answers every worker its own tickets, right and wrong") {
  constexpr std::size_t kWorkers = 3;
  constexpr std::uint64_t kJobs = 8;
  RunningAuthenticator running(kWorkers);
  std::array<std::map<std::uint64_t, bool>, kWorkers> verdicts;
  std::vector<std::thread> workers;
  alice_hash();  // made before the threads share it
  for (std::size_t w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      for (std::uint64_t i = 0; i < kJobs; ++i) {
        PasswordJob next = job(w * 100 + i, i % 2 == 0 ? "alice's" : "bob's", alice_hash(), 0,
                               static_cast<WorkerIndex>(w));
        if (!running.channel(w).try_submit(next)) return;
        if (i % 3 == 2) continue;  // sometimes two at once
        while (running.channel(w).undecided() > 0) {
          const auto verdict = wait_verdict(running.channel(w), running.worker_wakeup(w));
          if (!verdict) return;
          verdicts[w][verdict->ticket] = verdict->ok;
        }
      }
      while (running.channel(w).undecided() > 0) {
        const auto verdict = wait_verdict(running.channel(w), running.worker_wakeup(w));
        if (!verdict) return;
        verdicts[w][verdict->ticket] = verdict->ok;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  running.stop();
  for (std::size_t w = 0; w < kWorkers; ++w) {
    REQUIRE(verdicts[w].size() == kJobs);
    for (std::uint64_t i = 0; i < kJobs; ++i) CHECK(verdicts[w].at(w * 100 + i) == (i % 2 == 0));
  }
  CHECK(running.core().counts().ok == kWorkers * kJobs / 2);
  CHECK(running.core().counts().wrong == kWorkers * kJobs / 2);
}

TEST_CASE("authenticator: many short jobs through sleeps and wakes, none lost") {
  RunningAuthenticator running(1);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    PasswordJob next = late_job(i);
    REQUIRE(running.channel(0).try_submit(next));
    const auto verdict = wait_verdict(running.channel(0), running.worker_wakeup(0));
    REQUIRE(verdict.has_value());
    REQUIRE(verdict->ticket == i);
  }
}

TEST_CASE("authenticator: the thread has its name, and stops at once, asleep or with a queue") {
  {
    RunningAuthenticator running(1);
    PasswordJob next = late_job(1);  // once answered, the thread has named itself
    REQUIRE(running.channel(0).try_submit(next));
    REQUIRE(wait_verdict(running.channel(0), running.worker_wakeup(0)).has_value());
    std::array<char, 16> name{};
    pthread_getname_np(running.thread().native_handle(), name.data(), name.size());
    CHECK(std::string(name.data()) == "auth0");
  }
  RunningAuthenticator running(1);
  for (std::uint64_t i = 0; i < kPasswordQueueDefault; ++i) {
    PasswordJob next = job(i, "bob's", alice_hash());
    REQUIRE(running.channel(0).try_submit(next));
  }
  running.stop();
  // Far fewer than all were decided; the rest is destroyed with the channel.
  CHECK(running.core().counts().wrong < kPasswordQueueDefault / 2);
}

}  // namespace
}  // namespace ims::logic
