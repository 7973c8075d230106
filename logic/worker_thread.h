// The loop of a worker thread, and whom a turn wakes. With fused placement the gateway's loop runs
// the turns instead, through FusedWorker.
//
// Sleeping  Only after a turn without work, with the flag set and every ring looked at once more
//           (shared/wakeup.h).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "logic/worker.h"
#include "shared/clock.h"
#include "shared/wake_peer.h"
#include "shared/wakeup.h"

namespace ims::logic {

// Null: runs on the same thread.
struct WorkerPeers {
  std::vector<Wakeup*> gateways;
  std::vector<Wakeup*> workers;
  Wakeup* committer = nullptr;
  Wakeup* reader = nullptr;
  Wakeup* admin = nullptr;
};

inline void wake_peers(const Worker& worker, const WorkerPeers& peers, CounterBlock& counters) {
  const auto wake = [&](Wakeup* peer) { wake_peer(peer, counters); };
  const Worker::Published& published = worker.published();
  for (std::uint64_t left = published.gateways; left != 0; left &= left - 1) {
    wake(peers.gateways[static_cast<std::size_t>(__builtin_ctzll(left))]);
  }
  for (std::uint64_t left = published.workers; left != 0; left &= left - 1) {
    wake(peers.workers[static_cast<std::size_t>(__builtin_ctzll(left))]);
  }
  if (published.commits) wake(peers.committer);
  if (published.reads) wake(peers.reader);
  if (published.admin) wake(peers.admin);
}

// Until `stop`; whoever sets it notifies `own`. `quiet` says whether anything was pending after the
// last turn: what a shutdown waits for.
inline void run_worker(Worker& worker, Wakeup& own, const WorkerPeers& peers,
                       CounterBlock& counters, std::atomic<bool>& quiet,
                       const std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {  // relaxed: a flag, it orders nothing
    const Now now = read_clock();
    const bool worked = worker.turn(now);
    wake_peers(worker, peers, counters);
    quiet.store(!worked && worker.quiet(), std::memory_order_relaxed);  // relaxed: a hint, polled
    if (worked) continue;
    own.prepare_sleep();
    if (!worker.idle() || stop.load(std::memory_order_relaxed)) {
      own.cancel_sleep();
      continue;
    }
    const std::int64_t tick_ms = worker.next_tick_ms() - now.mono_ms;
    const std::int64_t wait_ms = worker.blocked() ? 1 : std::clamp<std::int64_t>(tick_ms, 1, 100);
    if (own.kind() == Wakeup::Kind::kFutex) {
      own.sleep(static_cast<int>(wait_ms));
    } else {
      own.cancel_sleep();  // a fused thread whose gateway has ended: its last milliseconds
      own.drain();
    }
  }
}

// What the gateway's loop sees of a worker on its thread.
class FusedWorker {
 public:
  FusedWorker(Worker& worker, const WorkerPeers& peers, CounterBlock& counters)
      : worker_(worker), peers_(peers), counters_(counters) {}

  void turn(Now now) {
    worked_ = worker_.turn(now);
    wake_peers(worker_, peers_, counters_);
  }
  bool has_work() const { return worked_ || !worker_.idle(); }
  std::chrono::milliseconds wait_max() const {
    return std::chrono::milliseconds(worker_.blocked() ? 1 : 100);
  }

 private:
  Worker& worker_;
  const WorkerPeers& peers_;
  CounterBlock& counters_;
  bool worked_ = true;
};

}  // namespace ims::logic
