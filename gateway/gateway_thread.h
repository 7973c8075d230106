// The loop of a gateway thread, the only code that sees core, backend and clock together.
//
//   split   one gateway core:            wait, completions, records, tick, submit, wake the workers
//   fused   and a worker core with it:   the worker's turn runs between completions and records,
//                                        so that a request is read, handled and answered in one
//
// Sleeping  A turn that handed something to the kernel is followed by one that only looks; a turn
//           that did not may sleep. Before it sleeps the flag of the wakeup is set and every ring
//           is looked at once more (shared/wakeup.h): no wake is lost, and an awake thread is never
//           woken.
// Stopping  `begin` starts the shutdown of the core, and the loop ends when the core is drained;
//           `abandon` ends it at the next turn. Whoever sets them wakes the thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>

#include "gateway/gateway.h"
#include "gateway/io.h"
#include "shared/clock.h"
#include "shared/wake_peer.h"
#include "shared/wakeup.h"

namespace ims::gateway {

struct GatewayStop {
  std::atomic<bool> begin{false};
  std::atomic<bool> abandon{false};
};

// What else runs on the thread. A worker core satisfies it; so does nothing.
template <typename T>
concept Companion = requires(T& companion, Now now) {
  companion.turn(now);                                                          // one turn
  { companion.has_work() } -> std::convertible_to<bool>;                        // a fresh look
  { companion.wait_max() } -> std::convertible_to<std::chrono::milliseconds>;   // may sleep so long
};

struct NoCompanion {
  void turn(Now) noexcept {}
  bool has_work() const noexcept { return false; }
  std::chrono::milliseconds wait_max() const noexcept { return std::chrono::milliseconds::max(); }
};

// `workers`: by worker, how to wake it; null for the one on this thread.
template <IoBackend Io, Companion Peer>
void run_gateway(Gateway& gateway, Io& io, Wakeup& wakeup, std::span<Wakeup* const> workers,
                 CounterBlock& counters, const GatewayStop& stop, Peer& companion) {
  constexpr std::chrono::milliseconds kLook{0};
  bool submitted = true;
  bool stopping = false;
  // relaxed: flags that order nothing.
  while (!stop.abandon.load(std::memory_order_relaxed)) {
    std::chrono::milliseconds timeout = kLook;
    bool asleep = false;
    if (!submitted && !gateway.has_work()) {
      wakeup.prepare_sleep();
      asleep = true;
      // After the flag was set: whoever pushes from here on wakes us.
      const bool due = gateway.records_waiting() || companion.has_work() ||
                       (!stopping && stop.begin.load(std::memory_order_relaxed));
      if (!due) timeout = std::min(gateway.wait_max(), companion.wait_max());
    }
    const std::span<const Completion> completions = io.wait(timeout);
    if (asleep) wakeup.cancel_sleep();

    const Now now = read_clock();
    if (!stopping && stop.begin.load(std::memory_order_relaxed)) {
      stopping = true;
      gateway.begin_shutdown(now);
    }
    gateway.on_completions(completions, now);
    gateway.publish();
    companion.turn(now);
    gateway.on_records(now);
    gateway.on_tick(now);
    io.set_accepting(gateway.accepting());
    submitted = !gateway.requests().empty();
    // First the rings, then the kernel: a client that saw its connection end and comes back, on
    // another gateway too, finds the end known to its worker.
    gateway.publish();
    io.submit(gateway.requests());

    for (std::uint64_t woken = gateway.end_turn(); woken != 0; woken &= woken - 1) {
      wake_peer(workers[static_cast<std::size_t>(__builtin_ctzll(woken))], counters);
    }
    if (stopping && gateway.drained()) break;
  }
  gateway.leave();
}

template <IoBackend Io>
void run_gateway(Gateway& gateway, Io& io, Wakeup& wakeup, std::span<Wakeup* const> workers,
                 CounterBlock& counters, const GatewayStop& stop) {
  NoCompanion nobody;
  run_gateway(gateway, io, wakeup, workers, counters, stop, nobody);
}

}  // namespace ims::gateway
