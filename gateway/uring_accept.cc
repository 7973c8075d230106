// Taking connections in, with several tables to put them into (uring_io.h).
//
// An accept that finds its table full has taken the connection already, and drops it; and one
// multishot takes all that waits in the listen queue at a stroke. So it is armed only while a table
// has room for two such queues; towards its end there are single accepts, no more than it has
// places. Which ring's turn it is: ring_choice.h.
//
// Overlooked  The kernel counts wake-ups of a multishot up to 128 and notes further ones in a flag,
// at which it does not look before it drops the count. So when 128 connections came before this
// thread ran, and more come between the kernel's last look into the listen queue and the end of its
// work (it may be preempted there), nobody hears of these before the next one comes: the last
// clients of a burst would wait for ever. Such a loss follows connections that were taken; so some
// time after the last of them the listener is polled once, and if somebody waits in it the accept
// is ended and armed anew, which takes all of them.
// Source   io_poll_get_ownership() and io_poll_check_events() of io_uring/poll.c, from Linux 6.1
//          on; seen on 6.18: 32 of 232 connections made at once, other threads on the CPU.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "gateway/uring_io.h"
#include "gateway/uring_tags.h"
#include "shared/assert.h"
#include "shared/clock.h"
#include "shared/log.h"

namespace ims::gateway {
namespace {

constexpr std::int64_t kAcceptBackoffMs = 100;
constexpr std::uint32_t kSingleAcceptsMax = 32;

}  // namespace

void UringIo::set_accepting(bool accepting) {
  if (accepting == accepting_) return;
  accepting_ = accepting;
  if (accepting) return;  // wait() arms
  accepted_ = false;
  listener_look_ms_ = 0;
  for (const std::unique_ptr<Uring>& ring : rings_) {
    if (ring->accepts_armed == 0) continue;
    stop_accepting(*ring);
    ring->submit();
  }
  listener_.close();
}

// Arms what is missing. Each turn, so the usual case comes first.
void UringIo::keep_accepting() {
  if (accepted_ || listener_look_ms_ != 0) watch_listener();
  const std::uint32_t burst = 2 * listener_.backlog();
  Uring* ring = rings_[accepting_ring_].get();
  if (ring->accepts_many && ring->room.left() > burst) return;
  if (ring->accepts_many) {
    if (!ring->accepts_ending) stop_accepting(*ring);
    return;  // goes on once that one has ended
  }
  if (accept_retry_ms_ != 0 && read_clock().mono_ms < accept_retry_ms_) return;
  if (!choose_accepting_ring()) return;
  ring = rings_[accepting_ring_].get();
  if (ring->accepts_ending) return;
  const bool many = ring->room.left() > burst && ring->accepts_armed == 0;
  const std::uint32_t wanted = std::min(ring->room.left(), kSingleAcceptsMax);
  if (!many && ring->accepts_armed >= wanted) return;
  if (listener_.fd() < 0) {
    if (const int error = listener_.reopen(); error != 0) {
      return pause_accepting("listen_failed", std::strerror(error));
    }
  }
  if (many) return accept_many(*ring);
  accept_each(*ring, wanted - ring->accepts_armed);
}

// False: there is none now.
bool UringIo::choose_accepting_ring() {
  std::array<RingRoom, kRingsPerGatewayMax> rooms;
  for (std::size_t i = 0; i < rings_.size(); ++i) rooms[i] = rings_[i]->room;
  const bool may_add = rings_.size() < kRingsPerGatewayMax &&
                       rings_.size() * tables_.ring_slots < tables_.slots;
  const std::size_t chosen =
      choose_ring(std::span(rooms).first(rings_.size()), accepting_ring_, may_add);
  if (chosen == rings_.size()) {
    // The buffers are shared out anew: none may be on its way here. Next turn, then.
    for (const std::unique_ptr<Uring>& ring : rings_) {
      if (!ring->reaped()) return false;
    }
    if (const std::string why_not = try_add_ring(); !why_not.empty()) {
      pause_accepting("ring_refused", why_not);
      return false;
    }
  }
  accepting_ring_ = chosen;
  return rings_[chosen]->room.left() > 0;
}

void UringIo::accept_many(Uring& ring) {
  io_uring_sqe* sqe = ring.next_sqe();
  io_uring_prep_multishot_accept_direct(sqe, listener_.fd(), nullptr, nullptr, 0);
  set_user_data(sqe, Tag::kAccept, kNoConnection);
  ring.accepts_armed = 1;
  ring.accepts_many = true;
}

void UringIo::accept_each(Uring& ring, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    io_uring_sqe* sqe = ring.next_sqe();
    io_uring_prep_accept(sqe, listener_.fd(), nullptr, nullptr, 0);
    sqe->file_index = IORING_FILE_INDEX_ALLOC;  // a place in the table, as the multishot asks for
    set_user_data(sqe, Tag::kAccept, kNoConnection);
  }
  ring.accepts_armed += count;
}

// Each accept that is armed ends with a completion.
void UringIo::stop_accepting(Uring& ring) {
  io_uring_sqe* sqe = ring.next_sqe();
  io_uring_prep_cancel64(sqe, user_data(Tag::kAccept, kNoConnection), IORING_ASYNC_CANCEL_ALL);
  set_user_data(sqe, Tag::kIgnore, kNoConnection);
  ring.accepts_ending = true;
}

// Whom the kernel did not tell of waits in the listener although nobody came for a while.
void UringIo::watch_listener() {
  const std::int64_t now_ms = read_clock().mono_ms;
  if (accepted_) {
    accepted_ = false;
    listener_look_ms_ = now_ms + kListenerLook.count();
    return;
  }
  if (now_ms < listener_look_ms_) return;
  listener_look_ms_ = 0;
  Uring& ring = *rings_[accepting_ring_];
  if (ring.accepts_armed == 0 || ring.accepts_ending) return;  // who arms, looks
  pollfd listener{listener_.fd(), POLLIN, 0};
  counters_.add(Counter::kSyscalls);
  if (poll(&listener, 1, 0) != 1) return;
  counters_.add(Counter::kAcceptsOverlooked);
  stop_accepting(ring);
}

void UringIo::on_accept_cqe(Uring& ring, const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
    IMS_ASSERT(ring.accepts_armed > 0);
    if (--ring.accepts_armed == 0) ring.accepts_many = ring.accepts_ending = false;
  }
  if (cqe.res >= 0) {
    accept_retry_ms_ = 0;
    accepted_ = true;
    ++ring.room.used;
    completions_.push_back(
        {IoOp::kAccept, kNoConnection, 0, ring.handle_of(cqe.res), {}, false});
  } else if (cqe.res != -ECANCELED) {
    // Out of memory or of slots, or a client that is gone already: not at once again.
    pause_accepting("accept_failed", std::strerror(-cqe.res));
  }
}

void UringIo::pause_accepting(const char* event, const std::string& error) {
  counters_.add(Counter::kAcceptErrors);
  IMS_LOG(kWarn, event, {{"error", error}, {"gateway", gateway_}});
  accept_retry_ms_ = read_clock().mono_ms + kAcceptBackoffMs;
}

}  // namespace ims::gateway
