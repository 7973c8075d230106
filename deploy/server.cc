// The server's threads: started in the order of the data's way, stopped against it.
#include "deploy/server.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "deploy/allocator.h"
#include "deploy/server_parts.h"
#include "shared/log.h"

namespace ims {
namespace {

constexpr std::int64_t kDrainMsMax = 15'000;  // for gateways, and again for workers
constexpr std::int64_t kFailedAnswerMs = 300;  // for the last UNAVAILABLE answers

std::uint64_t raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// By the parent, so that the names stand when the server says that it is ready.
void name_thread(std::thread& thread, const std::string& name) {
  pthread_setname_np(thread.native_handle(), name.c_str());
}

void pin_thread(bool pin, std::size_t index) {
  if (!pin) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(index % std::thread::hardware_concurrency(), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

void sleep_ms(std::int64_t ms) {
  const timespec time{ms / 1000, (ms % 1000) * 1'000'000};
  nanosleep(&time, nullptr);
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Server::Server(const Config& config) : parts_(std::make_unique<Parts>(config)) {
  // Blocked before any thread exists: all of them inherit it, and run() alone takes the signals.
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  Parts& parts = *parts_;
  parts.nofile = raise_file_limit();
  parts.open_store();
  parts.gateways.resize(config.gateways);
  parts.workers.resize(config.workers);
  parts.allocated = decltype(parts.allocated)(config.gateways + config.workers);
  parts.make_rings();
  parts.make_workers();
  parts.make_helpers();
  parts.make_gateways();
  parts.make_admin();
}

Server::~Server() = default;

int Server::run() {
  Parts& parts = *parts_;
  parts.start_threads();
  if (parts.config.durability != Durability::kSync) {
    IMS_LOG(kWarn, "durability_is_not_sync",
            {{"durability", parts.config.durability == Durability::kInterval ? "interval" : "os"},
             {"means", "an OK may be lost in a power cut"}});
  }
  std::fprintf(stderr, "listening on %s\n", parts.address.c_str());

  const sigset_t signals = stop_signals();
  for (;;) {
    const timespec tick{0, 100'000'000};
    if (sigtimedwait(&signals, nullptr, &tick) > 0) break;
    parts.count_allocations();
    if (parts.committer->failed()) {
      IMS_LOG(kError, "store_failed", {{"exit", kExitStoreFailed}});
      sleep_ms(kFailedAnswerMs);
      _exit(kExitStoreFailed);  // nothing may be written any more; recovery decides
    }
  }
  IMS_LOG(kInfo, "stopping", {});
  parts.stop_gateways();
  parts.stop_workers();
  parts.stop_helpers();
  return parts.committer->failed() ? kExitStoreFailed : 0;
}

// Release and acquire: the cell was made before its address is seen.
void Server::Parts::watch_allocations(std::size_t thread) {
  allocated[thread].store(thread_allocated_bytes(), std::memory_order_release);
}

void Server::Parts::count_allocations() {
  std::uint64_t bytes = 0;
  for (const auto& thread : allocated) {
    const std::uint64_t* const cell = thread.load(std::memory_order_acquire);
    if (cell != nullptr) bytes += read_allocated_bytes(cell);
  }
  main_counters->set(Counter::kAllocatedBytes, bytes);
}

void Server::Parts::start_threads() {
  commit_thread = std::thread([this] {
    std::vector<Wakeup*> wakes;
    for (WorkerThread& worker : workers) wakes.push_back(worker.wakeup);
    logic::run_committer(*committer, commit_wakeup, wakes, nullptr, helpers_stop);
  });
  name_thread(commit_thread, "commit0");
  reader_thread = std::thread([this] {
    std::vector<Wakeup*> wakes;
    for (WorkerThread& worker : workers) wakes.push_back(worker.wakeup);
    logic::run_reader(*reader, reader_wakeup, wakes, helpers_stop);
  });
  name_thread(reader_thread, "reader0");
  auth_thread = std::thread([this] {
    std::vector<logic::AuthChannel*> channels;
    for (WorkerThread& worker : workers) channels.push_back(worker.passwords.get());
    logic::run_authenticator(authenticator, channels, auth_wakeup, auth_stop);
  });
  name_thread(auth_thread, "auth0");
  admin_thread = std::thread([this] { admin->run(admin_stop); });
  name_thread(admin_thread, "admin0");
  if (!fused()) {
    for (std::uint32_t i = 0; i < workers.size(); ++i) {
      workers[i].thread = std::thread([this, i] {
        pin_thread(config.pin, config.gateways + i);
        watch_allocations(config.gateways + i);
        WorkerThread& mine = workers[i];
        logic::run_worker(*mine.core, *mine.wakeup, mine.peers, *mine.counters, *mine.quiet,
                          workers_stop);
      });
      name_thread(workers[i].thread, "worker" + std::to_string(i));
    }
  }
  gateways_running.store(config.gateways, std::memory_order_relaxed);  // before the threads
  for (std::uint32_t i = 0; i < gateways.size(); ++i) {
    gateways[i].thread = std::thread([this, i] {
      pin_thread(config.pin, i);
      watch_allocations(i);
      GatewayThread& mine = gateways[i];
      const auto serve = [&](auto& io) {
        if (!fused()) {
          gateway::run_gateway(*mine.core, io, *mine.wakeup, mine.workers, *mine.counters,
                               gateway_stop);
          gateways_running.fetch_sub(1, std::memory_order_release);  // pairs with stop_gateways()
          return;
        }
        WorkerThread& worker = workers[i];
        logic::FusedWorker companion(*worker.core, worker.peers, *worker.counters);
        gateway::run_gateway(*mine.core, io, *mine.wakeup, mine.workers, *mine.counters,
                             gateway_stop, companion);
        gateways_running.fetch_sub(1, std::memory_order_release);  // pairs with stop_gateways()
        logic::run_worker(*worker.core, *worker.wakeup, worker.peers, *worker.counters,
                          *worker.quiet, workers_stop);
      };
      if (mine.uring) {
        serve(*mine.uring);
      } else {
        serve(*mine.epoll);
      }
    });
    name_thread(gateways[i].thread, "gw" + std::to_string(i));
  }
}

// ---- stop ---------------------------------------------------------------------------------------

// Flags are relaxed: they order nothing, and the notify behind them wakes who sleeps.
void Server::Parts::stop_gateways() {
  gateway_stop.begin.store(true, std::memory_order_relaxed);
  for (GatewayThread& thread : gateways) thread.wakeup->notify();
  const std::int64_t deadline_ms = read_clock().mono_ms + kDrainMsMax;
  // acquire: pairs with the release at the end of a gateway's loop.
  while (gateways_running.load(std::memory_order_acquire) > 0) {
    if (read_clock().mono_ms >= deadline_ms || committer->failed()) {
      gateway_stop.abandon.store(true, std::memory_order_relaxed);
      for (GatewayThread& thread : gateways) thread.wakeup->notify();
    }
    sleep_ms(5);
  }
}

void Server::Parts::stop_workers() {
  const std::int64_t deadline_ms = read_clock().mono_ms + kDrainMsMax;
  const auto all_quiet = [&] {
    for (WorkerThread& thread : workers) {
      if (!thread.quiet->load(std::memory_order_relaxed)) return false;
    }
    return true;
  };
  for (int calm = 0; calm < 3 && read_clock().mono_ms < deadline_ms && !committer->failed();) {
    sleep_ms(5);
    calm = all_quiet() ? calm + 1 : 0;
  }
  workers_stop.store(true, std::memory_order_relaxed);
  for (WorkerThread& thread : workers) thread.wakeup->notify();
  for (WorkerThread& thread : workers) {
    if (thread.thread.joinable()) thread.thread.join();
  }
  for (GatewayThread& thread : gateways) thread.thread.join();
}

void Server::Parts::stop_helpers() {
  admin_stop.store(true, std::memory_order_relaxed);
  admin_wakeup.notify();
  admin_thread.join();
  auth_stop.store(true, std::memory_order_relaxed);
  auth_wakeup.notify();
  auth_thread.join();
  helpers_stop.store(true, std::memory_order_relaxed);
  commit_wakeup.notify();
  reader_wakeup.notify();
  commit_thread.join();
  reader_thread.join();
}

}  // namespace ims
