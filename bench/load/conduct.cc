// Parent and children of a run (conduct.h).
#include "bench/load/conduct.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/load/clock.h"
#include "bench/load/outcome.h"
#include "bench/load/phases.h"
#include "bench/load/workloads.h"
#include "bench/pin.h"
#include "bench/report/core_probe.h"
#include "bench/report/figures.h"
#include "bench/report/live_line.h"

namespace ims::bench {
namespace {

constexpr std::uint64_t kStartDelayNs = 5 * kNsPerMillisecond;  // for all to see the times
constexpr std::uint64_t kLookNs = 10 * kNsPerMillisecond;
constexpr int kLookMs = 10;
constexpr int kInterruptsMax = 3;               // then nothing is waited for any more
volatile sig_atomic_t g_interrupted = 0;        // how often

void sleep_ns(std::uint64_t ns) {
  const timespec time{static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
  nanosleep(&time, nullptr);
}

// ---- a child -----------------------------------------------------------------------------------

void bind_to(int cpu) {
  if (!pin_to_cpu(cpu)) {
    throw std::runtime_error("--cpus " + std::to_string(cpu) + ": " + std::strerror(errno));
  }
}

[[noreturn]] void be_child(const LoadOptions& options, Phases& phases, std::uint32_t index) {
  Part& part = phases.part(index);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1UL);
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  try {
    if (!options.cpus.empty()) bind_to(options.cpus[index % options.cpus.size()]);
    make_load({options, phases, index})->run();
    part.state.store(PartState::kDone, std::memory_order_release);
  } catch (const std::exception& error) {
    part.fail(error.what());
  }
  _exit(0);
}

// ---- the parent --------------------------------------------------------------------------------

class Conductor {
 public:
  explicit Conductor(const LoadOptions& options)
      : options_(options),
        targets_(parse_targets(options)),
        phases_(*Phases::map(options.processes)),
        live_(stderr, primary_of(options.workload), is_timed() ? options.seconds : 0) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    phases_.run = static_cast<std::uint32_t>(now / std::chrono::microseconds(1) ^ getpid());
    for (std::uint32_t i = 0; i < options.processes; ++i) {
      tallies_.push_back(&phases_.part(i).tally);
    }
  }

  // Children that still run end here; a server that was stopped goes on.
  ~Conductor() {
    let_server_go_on();
    std::erase(children_, 0);
    for (const pid_t child : children_) kill(child, SIGKILL);
    for (const pid_t child : children_) waitpid(child, nullptr, 0);
  }
  Conductor(const Conductor&) = delete;
  Conductor& operator=(const Conductor&) = delete;

  int run() {
    try_outputs(outputs_of(options_));
    if (options_.server_pid != 0) observed_.server_before = look_at_server();
    start_children();
    wait_for(PartState::kReady, 0);
    say("ready");
    if (options_.wait) wait_for_line(PartState::kReady);
    observed_.probe_before_ns = probe();
    const std::uint64_t load_ns = read_ns() + kStartDelayNs;
    begin_ns_ = load_ns + ns_of(options_.warmup_seconds);
    phases_.begin_ns.store(begin_ns_, std::memory_order_relaxed);
    if (is_timed()) {
      phases_.end_ns.store(begin_ns_ + ns_of(options_.seconds),
                           std::memory_order_relaxed);
    }
    phases_.load_ns.store(load_ns, std::memory_order_release);  // the children acquire it
    wait_until(begin_ns_);
    say("start");
    if (options_.server_pid != 0) observed_.server_begin = read_server_use(options_.server_pid);
    wait_for(PartState::kDraining, begin_ns_);
    let_server_go_on();
    if (options_.server_pid != 0) observed_.server_end = read_server_use(options_.server_pid);
    live_.end();
    say("stop");
    if (options_.wait) wait_for_line(PartState::kDraining);
    wait_for(PartState::kDone, 0);
    observed_.probe_after_ns = probe();
    observed_.interrupted = g_interrupted != 0;
    const int code = report_outcome(options_, phases_, observed_, targets_);
    if (code == kExitMet || code == kExitMissed) say("verified");
    return code;
  }

 private:
  // Otherwise the children know when it is over.
  bool is_timed() const {
    return options_.messages == 0 && options_.workload != Workload::kStorm;
  }

  void start_children() {
    std::fflush(nullptr);
    for (std::uint32_t i = 0; i < options_.processes; ++i) {
      const pid_t child = fork();
      if (child < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
      if (child == 0) be_child(options_, phases_, i);
      children_.push_back(child);
    }
    struct sigaction action {};
    action.sa_handler = [](int) { g_interrupted = g_interrupted + 1; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);  // a server that is stopped has to go on
  }

  // Until all children are there. With `live_from_ns`: shows how it goes, and stalls the server.
  void wait_for(PartState state, std::uint64_t live_from_ns) {
    std::uint64_t shown_ns = live_from_ns;
    for (;;) {
      const bool all = look_at_parts(state);
      if (state == PartState::kReady) show_set_up(all);
      if (all) return;
      const std::uint64_t now_ns = read_ns();
      if (live_from_ns != 0) {
        if (!options_.quiet && now_ns - shown_ns >= kNsPerSecond) {
          live_.show(tallies_, now_ns);
          shown_ns += kNsPerSecond;
        }
        stall(now_ns);
      }
      heed_interrupts(state == PartState::kReady);
      sleep_ns(options_.messages != 0 ? kNsPerMillisecond : kLookNs);
    }
  }

  // Whether all of them are there. Throws where one has failed or died.
  bool look_at_parts(PartState state) {
    bool all = true;
    for (std::uint32_t i = 0; i < options_.processes; ++i) {
      const PartState now = phases_.part(i).state.load(std::memory_order_acquire);
      if (now == PartState::kFailed) throw std::runtime_error(phases_.part(i).failure);
      if (now < state) all = false;
    }
    if (!all || state < PartState::kDone) look_for_dead();
    return all;
  }

  // The first one ends the load, and leaves the children a while to verify; the second one does not
  // even leave that. Before the load it ends the run.
  void heed_interrupts(bool before_load) {
    const int interrupts = g_interrupted;
    if (interrupts == 0) return;
    if (before_load || interrupts >= kInterruptsMax) throw std::runtime_error("interrupted");
    const std::uint64_t now_ns = read_ns();
    if (interrupts_heeded_ == 0) {
      phases_.end_ns.store(now_ns, std::memory_order_relaxed);
      phases_.interrupted_ns.store(now_ns, std::memory_order_relaxed);
    }
    if (interrupts > 1) phases_.interrupted_ns.store(1, std::memory_order_relaxed);
    interrupts_heeded_ = interrupts;
  }

  // On a terminal: how many are online.
  void show_set_up(bool over) const {
    if (options_.quiet || isatty(STDERR_FILENO) == 0) return;
    std::uint32_t online = 0;
    for (std::uint32_t i = 0; i < options_.processes; ++i) {
      online += phases_.part(i).progress.load(std::memory_order_relaxed);
    }
    std::fprintf(stderr, "\r%s online%s", with_commas(online).c_str(), over ? "\r\x1b[K" : "");
  }

  void look_for_dead() {
    for (std::uint32_t i = 0; i < children_.size(); ++i) {
      int status = 0;
      if (children_[i] == 0 || waitpid(children_[i], &status, WNOHANG) != children_[i]) continue;
      children_[i] = 0;
      if (phases_.part(i).state.load(std::memory_order_acquire) < PartState::kDone) {
        throw std::runtime_error("a process of the generator died, status " +
                                 std::to_string(status));
      }
    }
  }

  static void wait_until(std::uint64_t ns) {
    for (std::uint64_t now = read_ns(); now < ns && g_interrupted == 0; now = read_ns()) {
      sleep_ns(std::min(ns - now, kLookNs));
    }
  }

  // For the whole time asked for, however late it begins.
  void stall(std::uint64_t now_ns) {
    if (options_.stall_seconds == 0) return;
    if (stall_ns_ == 0 && now_ns >= begin_ns_ + ns_of(options_.stall_at_seconds)) {
      if (kill(options_.server_pid, SIGSTOP) != 0) {
        throw std::runtime_error(std::string("--stall: ") + std::strerror(errno));
      }
      stalled_ = true;
      stall_ns_ = read_ns();
    } else if (stalled_ && now_ns >= stall_ns_ + ns_of(options_.stall_seconds)) {
      let_server_go_on();
    }
  }
  void let_server_go_on() {
    if (stalled_) kill(options_.server_pid, SIGCONT);
    stalled_ = false;
  }

  ServerUse look_at_server() const {
    const auto use = read_server_use(options_.server_pid);
    if (!use) {
      throw std::runtime_error("--server-pid " + std::to_string(options_.server_pid) +
                               ": no process that may be looked at");
    }
    return *use;
  }

  // How near the server's CPU and the generator's are, where both are bound to one.
  std::optional<double> probe() const {
    if (options_.server_pid == 0 || options_.cpus.size() != 1) return std::nullopt;
    cpu_set_t set;
    if (sched_getaffinity(options_.server_pid, sizeof set, &set) != 0 || CPU_COUNT(&set) != 1) {
      return std::nullopt;
    }
    int cpu = 0;
    while (!CPU_ISSET(static_cast<std::size_t>(cpu), &set)) ++cpu;
    return cpu == options_.cpus.front() ? std::nullopt
                                        : probe_round_trip_ns(cpu, options_.cpus.front());
  }

  void say(const char* word) const {
    if (!options_.phases) return;
    std::puts(word);
    std::fflush(stdout);
  }

  // Or for the end of the input, or an interrupt; a child that fails meanwhile ends the run.
  void wait_for_line(PartState state) {
    for (char byte = 0; byte != '\n';) {
      look_at_parts(state);
      heed_interrupts(state == PartState::kReady);
      if (g_interrupted != 0) return;
      pollfd input{STDIN_FILENO, POLLIN, 0};
      if (poll(&input, 1, kLookMs) <= 0) continue;  // EINTR: the loop sees why
      if (read(STDIN_FILENO, &byte, 1) != 1) return;
    }
  }

  const LoadOptions& options_;
  const std::vector<Target> targets_;
  Phases& phases_;
  LiveLine live_;
  std::vector<const Tally*> tallies_;
  std::vector<pid_t> children_;  // 0: has ended
  std::uint64_t begin_ns_ = 0;
  std::uint64_t stall_ns_ = 0;  // when it began; 0: not yet
  bool stalled_ = false;
  int interrupts_heeded_ = 0;
  Observed observed_;
};

}  // namespace

int conduct(const LoadOptions& options) {
  try {
    return Conductor(options).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsbench %s: %s\n", options.name.c_str(), error.what());
    return kExitFailed;
  }
}

}  // namespace ims::bench
