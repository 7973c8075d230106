// Waking another thread's loop: counted, and a probe. Not inlined, so that there is one probe to
// attach to in each program part that wakes.
//
// Threads  The waking one's.
#pragma once

#include "shared/counters.h"
#include "shared/probes.h"
#include "shared/wakeup.h"

namespace ims {

// Null: the peer runs on this very thread.
[[gnu::noinline]] inline void wake_peer(Wakeup* peer, CounterBlock& counters) {
  if (peer == nullptr) return;
  const bool sent = peer->notify();
  counters.add(sent ? Counter::kWakesSent : Counter::kWakesSuppressed);
  IMS_PROBE(wake, sent ? 1 : 0);
}

}  // namespace ims
