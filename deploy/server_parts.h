// Everything that the server is made of, by owner. Made by server_make.cc, run and taken down by
// server.cc; nothing else includes this.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "deploy/admin_server.h"
#include "deploy/data_dir.h"
#include "deploy/server.h"
#include "gateway/epoll_io.h"
#include "gateway/gateway.h"
#include "gateway/gateway_thread.h"
#include "gateway/uring_io.h"
#include "logic/authenticator.h"
#include "logic/committer.h"
#include "logic/reader.h"
#include "logic/retention_clock.h"
#include "logic/run_ends.h"
#include "logic/store_identity.h"
#include "logic/durable_store.h"
#include "logic/worker.h"
#include "logic/worker_thread.h"
#include "shared/counter_file.h"

namespace ims {

struct Server::Parts {
  explicit Parts(const Config& configuration) : config(configuration) {}

  // Everything that one gateway thread owns. Its I/O backend is made in the constructor of the
  // server, so that a refusal is an error at start, and used on the thread alone.
  struct GatewayThread {
    std::optional<gateway::Listener> listener;
    std::unique_ptr<gateway::UringIo> uring;
    std::unique_ptr<gateway::EpollIo> epoll;
    std::unique_ptr<gateway::Gateway> core;
    std::unique_ptr<Wakeup> wakeup;
    std::optional<CounterBlock> counters;
    std::vector<ByteRing*> requests;
    std::vector<ByteRing*> deliveries;
    std::vector<Wakeup*> workers;
    std::thread thread;
  };
  struct WorkerThread {
    std::unique_ptr<logic::Worker> core;
    std::unique_ptr<Wakeup> own_wakeup;  // split
    Wakeup* wakeup = nullptr;
    std::optional<CounterBlock> counters;
    std::unique_ptr<std::atomic<bool>> quiet = std::make_unique<std::atomic<bool>>(false);
    std::unique_ptr<logic::CommitPort> commits;
    std::unique_ptr<logic::ReadPort> reads;
    std::unique_ptr<logic::AuthChannel> passwords;
    std::unique_ptr<logic::AdminPort> admin;
    logic::WorkerPeers peers;
    std::thread thread;  // split
  };

  void open_store();
  void make_rings();
  void make_workers();
  void make_helpers();
  void make_gateways();
  void make_admin();
  void start_threads();
  void stop_gateways();
  void stop_workers();
  void stop_helpers();
  bool fused() const { return config.placement == Placement::kFused; }
  CounterBlock block(const std::string& thread);
  // Called by each gateway and worker thread: it is one of those whose allocations are watched.
  void watch_allocations(std::size_t thread);
  void count_allocations();

  const Config& config;
  DataDir data;
  std::uint64_t nofile = 0;
  bool uring = false;
  std::string address;

  std::optional<CounterFileWriter> counter_file;
  std::optional<TraceMemory> trace_memory;  // where there is no file
  Traces traces;
  std::optional<CounterBlock> main_counters;
  // By gateway, then by worker; null until the thread runs. What they allocated, by the allocator.
  std::vector<std::atomic<const std::uint64_t*>> allocated;
  std::optional<CounterBlock> commit_counters;
  std::optional<CounterBlock> reader_counters;
  std::unique_ptr<logic::RetentionClock> clock;
  std::unique_ptr<logic::DurableStore> store;
  logic::StoreIdentity identity;
  std::vector<std::int64_t> run_ends_ms;
  std::string epoch;

  std::vector<std::unique_ptr<ByteRing>> rings;
  std::vector<std::vector<ByteRing*>> requests;    // [gateway][worker]
  std::vector<std::vector<ByteRing*>> deliveries;  // [worker][gateway]
  std::vector<std::vector<ByteRing*>> handoffs;    // [from][to]

  Wakeup commit_wakeup{Wakeup::Kind::kFutex};
  Wakeup reader_wakeup{Wakeup::Kind::kFutex};
  Wakeup auth_wakeup{Wakeup::Kind::kFutex};
  Wakeup admin_wakeup{Wakeup::Kind::kEventFd};
  std::vector<GatewayThread> gateways;
  std::vector<WorkerThread> workers;
  std::unique_ptr<logic::Committer> committer;
  std::unique_ptr<logic::Reader> reader;
  logic::Authenticator authenticator;

  gateway::GatewayStop gateway_stop;
  std::atomic<std::uint32_t> gateways_running{0};
  std::atomic<bool> workers_stop{false};
  std::atomic<bool> helpers_stop{false};
  std::atomic<bool> auth_stop{false};
  std::thread commit_thread;
  std::thread reader_thread;
  std::thread auth_thread;
  std::unique_ptr<AdminServer> admin;
  std::atomic<bool> admin_stop{false};
  std::thread admin_thread;
};

}  // namespace ims
