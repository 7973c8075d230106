// The rings of a gateway: the first at start-up, further ones when connections outgrow the tables
// (uring_io.h).
#include <algorithm>
#include <cstring>
#include <thread>

#include "gateway/uring_io.h"
#include "gateway/uring_probe.h"
#include "shared/assert.h"
#include "shared/log.h"

namespace ims::gateway {
namespace {

// Rings are made on a thread of their own: one that goes away interrupts system calls of every
// thread that ever touched it, and the caller's may be in the middle of anything.
std::string on_own_thread(auto work) {
  std::string why_not;
  std::thread([&] { why_not = work(); }).join();
  return why_not;
}

}  // namespace

std::string UringIo::probe() { return on_own_thread(probe_uring); }

std::unique_ptr<UringIo> UringIo::create(Listener& listener, Wakeup& wakeup, CounterBlock& counters,
                                         GatewayIndex gateway, Tables tables,
                                         std::string& why_not) {
  tables.ring_slots = std::min({tables.ring_slots, tables.slots, kConnectionsPerGatewayMax});
  IMS_ASSERT(tables.ring_slots > 0);
  std::unique_ptr<UringIo> io(new UringIo(listener, wakeup, counters, gateway, tables));
  why_not = on_own_thread([&] {
    const std::string refused = probe_uring();
    return refused.empty() ? io->set_up() : refused;
  });
  if (!why_not.empty()) return nullptr;
  return io;
}

std::string UringIo::set_up() {
  std::string why_not = buffers_.map();
  if (!why_not.empty()) return why_not;
  std::unique_ptr<Uring> ring = make_ring(why_not);
  if (ring == nullptr) return why_not;
  rings_.push_back(std::move(ring));
  return share_buffers();
}

// The next ring, with the slots that the others leave it.
std::unique_ptr<Uring> UringIo::make_ring(std::string& why_not) {
  const auto index = static_cast<std::uint32_t>(rings_.size());
  IMS_ASSERT(index * tables_.ring_slots < tables_.slots);
  const std::uint32_t left = tables_.slots - index * tables_.ring_slots;
  return Uring::make({.index = index, .table_slots = std::min(left, tables_.ring_slots)}, buffers_,
                     counters_, why_not);
}

// Every ring gets as many buffers as the others.
std::string UringIo::share_buffers() {
  buffers_per_ring_ = kReceiveBufferCount / rings_.size();
  for (const std::unique_ptr<Uring>& ring : rings_) {
    const std::string why_not =
        ring->share_buffers(static_cast<std::uint16_t>(ring->index() * buffers_per_ring_),
                            static_cast<std::uint16_t>(buffers_per_ring_));
    if (!why_not.empty()) return why_not;
  }
  return {};
}

void UringIo::enable() {
  const int error = rings_[0]->enable();
  IMS_ASSERT(error == 0);
  enabled_ = true;
  counters_.set(Counter::kIoRings, 1);
  arm_wakeup();
}

// Once no buffer is out. The new ring is enabled by this thread, the only one that submits to it.
std::string UringIo::try_add_ring() {
  std::string why_not;
  std::unique_ptr<Uring> ring = make_ring(why_not);
  if (ring == nullptr) return why_not;
  int error = ring->enable();
  if (error == 0) error = ring->ring_bell(wakeup_.fd());
  if (error != 0) return uring_refusal("enabling another ring", error);
  rings_.push_back(std::move(ring));
  why_not = share_buffers();
  IMS_ASSERT(why_not.empty());  // it was possible for the first one
  counters_.set(Counter::kIoRings, rings_.size());
  IMS_LOG(kInfo, "ring_added", {{"gateway", gateway_}, {"rings", rings_.size()}});
  return {};
}

}  // namespace ims::gateway
