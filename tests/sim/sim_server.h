// All cores of one server in one thread: deploy/server_make.cc's wiring without its threads.
//
//   step(thread)   one turn of what that thread runs: a gateway, a worker, both (fused), the
//                  committer, the reader. It wakes whom the turn published to, by the same masks.
//   sleeping       a thread sleeps as the real loops do: after a turn without work, when a fresh
//                  look found nothing. check_wakes(): nobody sleeps who has something to do, and
//                  who waits for room in a ring sleeps for a millisecond.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gateway/gateway.h"
#include "logic/committer.h"
#include "logic/reader.h"
#include "logic/retention_clock.h"
#include "logic/store_identity.h"
#include "logic/worker.h"
#include "shared/trace.h"
#include "tests/support/sim_io.h"
#include "tests/support/sim_store.h"

namespace ims::sim {

// orgN/app with the secret "secretN", for N of 0 and 1, in a store that has no identity yet.
void create_tenants(testing::SimStore& store, std::uint64_t seed);

class SimServer {
 public:
  struct Rings {
    std::size_t requests = 0;  // bytes of each
    std::size_t deliveries = 0;
    std::size_t handoffs = 0;
  };

  // `config` and `store` outlive it. `after_wait(gateway)` is called when that gateway's kernel has
  // moved, before the gateway acts on it.
  SimServer(const Config& config, testing::SimStore& store, const Rings& rings,
            const test::SimFaults& faults, std::uint64_t seed, Now now,
            std::function<void(std::size_t)> after_wait);
  ~SimServer();

  std::size_t thread_count() const { return threads_.size(); }
  bool asleep(std::size_t thread) const { return threads_[thread].asleep; }
  // Its sleep ends by itself.
  bool due(std::size_t thread, Now now) const { return now.mono_ms >= threads_[thread].wake_at_ms; }
  bool is_gateway(std::size_t thread) const { return threads_[thread].gateway >= 0; }
  void step(std::size_t thread, Now now);
  void check_wakes();

  std::size_t gateway_count() const { return gateways_.size(); }
  test::SimIo& io(std::size_t gateway) { return *gateways_[gateway].io; }
  void begin_shutdown(Now now);
  bool drained() const;
  bool failed() const { return committer_->failed(); }
  // Nothing is pending anywhere.
  bool quiet();
  // No connection, no session.
  bool empty() const;
  std::uint64_t count(Counter counter) const;
  // To that worker, from the first of the others.
  ByteRing& handoffs_to(std::size_t worker) { return *workers_[worker].handoffs.front(); }
  std::size_t commit_thread() const { return commit_thread_; }
  // Of the followed messages that have ended the stages add up, to the nanosecond; each has ended
  // once, or its slot is still in use (a login that nobody waits for dies without a word).
  void check_traces();

 private:
  struct GatewayParts {
    std::unique_ptr<test::SimIo> io;
    std::unique_ptr<CounterBlock> counters;
    std::vector<ByteRing*> requests;
    std::vector<ByteRing*> deliveries;
    std::unique_ptr<gateway::Gateway> core;
  };
  struct WorkerParts {
    std::unique_ptr<CounterBlock> counters;
    std::unique_ptr<logic::CommitPort> commits;
    std::unique_ptr<logic::ReadPort> reads;
    std::vector<ByteRing*> handoffs;  // to it
    std::unique_ptr<logic::Worker> core;
    bool kept_back = false;  // in its last turn a handoff found no room
  };
  struct Thread {
    int gateway = -1;
    int worker = -1;
    bool commits = false;
    bool reads = false;
    bool asleep = false;
    std::int64_t wake_at_ms = 0;
  };

  ByteRing* make_ring(const char* name, std::size_t bytes);
  bool worker_turn(std::size_t worker, Now now);
  void step_gateway(Thread& thread, Now now);
  void wake(std::size_t thread) { threads_[thread].asleep = false; }
  bool has_input(const Thread& thread);
  bool has_more_than_requests(std::size_t worker);

  const Config& config_;
  std::function<void(std::size_t)> after_wait_;
  std::uint64_t ticks_ = 0;  // of the step that runs: the clock of traces
  TraceMemory trace_memory_;
  Traces traces_;
  logic::RetentionClock clock_;
  std::vector<std::unique_ptr<ByteRing>> rings_;
  std::vector<GatewayParts> gateways_;
  std::vector<WorkerParts> workers_;
  CounterBlock commit_counters_;
  CounterBlock reader_counters_;
  std::unique_ptr<logic::Committer> committer_;
  std::unique_ptr<logic::Reader> reader_;
  std::vector<Thread> threads_;
  std::vector<std::size_t> gateway_thread_;  // by gateway
  std::vector<std::size_t> worker_thread_;
  std::size_t commit_thread_ = 0;
  std::size_t reader_thread_ = 0;
};

}  // namespace ims::sim
