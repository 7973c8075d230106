// Requests as SQEs, CQEs as completions (uring_io.h).
#include "gateway/uring_io.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "gateway/uring_tags.h"
#include "shared/assert.h"

// ThreadSanitizer does not model fences, and g++ says so. The one before a sleep pairs with the
// kernel, which it does not see either.
#if defined(__SANITIZE_THREAD__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

namespace ims::gateway {
namespace {

constexpr std::uint16_t kBufferGroup = 0;
constexpr int kPassesMax = 8;         // enters per wait() while each one brings more
constexpr unsigned kPassBusyCqes = 16;  // DEFER_TASKRUN runs about 20 receives per enter

void cancel(Uring& ring, Tag what, ConnectionId connection) {
  io_uring_sqe* sqe = ring.next_sqe();
  io_uring_prep_cancel64(sqe, user_data(what, connection), 0);
  set_user_data(sqe, Tag::kIgnore, connection);
}

}  // namespace

UringIo::UringIo(Listener& listener, Wakeup& wakeup, CounterBlock& counters, GatewayIndex gateway,
                 Tables tables)
    : listener_(listener),
      wakeup_(wakeup),
      counters_(counters),
      gateway_(gateway),
      tables_(tables) {
  completions_.reserve(kCompletionsPerTurnMax + kReceiveBufferCount);
}

// ---- waiting -----------------------------------------------------------------------------------

std::span<const Completion> UringIo::wait(std::chrono::milliseconds timeout) {
  if (!enabled_) enable();
  completions_.clear();
  if (accepting_) keep_accepting();
  if (listener_look_ms_ != 0) timeout = std::min(timeout, kListenerLook);
  if (timeout.count() > 0 && rings_.size() > 1 && !others_quiet_for_sleep()) {
    timeout = std::chrono::milliseconds{0};
  }
  look(timeout);
  // One enter runs a bounded amount of task work: go on while it is worth it, and buffers are left.
  std::size_t before = 0;
  for (int pass = 1; pass < kPassesMax && completions_.size() - before >= kPassBusyCqes &&
                     buffers_left();
       ++pass) {
    before = completions_.size();
    look(std::chrono::milliseconds{0});
  }
  return completions_;
}

// Enters every ring that has something. Sleeps in the first alone.
void UringIo::look(std::chrono::milliseconds timeout) {
  visit(*rings_[0], timeout);
  for (std::size_t i = 1; i < rings_.size(); ++i) {
    Uring& ring = *rings_[i];
    ring.listen(false);
    if (!ring.idle()) visit(ring, std::chrono::milliseconds{0});
  }
}

void UringIo::visit(Uring& ring, std::chrono::milliseconds timeout) {
  ring.enter(timeout);
  ring.reap([&](const io_uring_cqe& cqe) { on_cqe(ring, cqe); },
            [&] { return completions_.size() >= kCompletionsPerTurnMax; });
}

// Before a sleep: from here on the other rings write the eventfd that the first one polls. True if
// none of them had something already.
//
// The pattern is that of wakeup.h: the kernel marks the ring (TASKRUN), then looks whether it is
// listened to; this thread listens, then looks for the mark. The fence pairs with the kernel's
// atomic update of the mark, so that at least one side sees the other.
bool UringIo::others_quiet_for_sleep() noexcept {
  for (std::size_t i = 1; i < rings_.size(); ++i) rings_[i]->listen(true);
  io_uring_smp_mb();
  for (std::size_t i = 1; i < rings_.size(); ++i) {
    if (!rings_[i]->idle()) return false;
  }
  return true;
}

bool UringIo::buffers_left() const noexcept {
  for (const std::unique_ptr<Uring>& ring : rings_) {
    if (ring->lent_count() >= buffers_per_ring_ / 2) return false;
  }
  return true;
}

void UringIo::on_cqe(Uring& ring, const io_uring_cqe& cqe) {
  const auto tag = static_cast<Tag>(cqe.user_data >> 56);
  if (tag == Tag::kIgnore) return;
  if (tag == Tag::kAccept) return on_accept_cqe(ring, cqe);
  if (tag == Tag::kWake) {
    wakeup_.drain();
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) arm_wakeup();
    return;
  }
  const ConnectionId connection =
      ConnectionId::make(gateway_, static_cast<std::uint32_t>(cqe.user_data >> 32),
                         static_cast<std::uint32_t>(cqe.user_data));
  InFlight& in_flight = in_flight_of(connection);
  switch (tag) {
    case Tag::kRecv:
      on_recv_cqe(ring, connection, in_flight, cqe);
      break;
    case Tag::kSend:
      in_flight.send = false;
      completions_.push_back({IoOp::kSend, connection, cqe.res, -1, {}, false});
      break;
    case Tag::kShutdown:
      in_flight.shutdown = false;
      completions_.push_back({IoOp::kShutdown, connection, cqe.res, -1, {}, false});
      break;
    case Tag::kClose:
      IMS_ASSERT(cqe.res == 0);
      in_flight.close = false;
      break;
    default:
      IMS_ASSERT(false);
  }
  report_if_closed(connection, in_flight);
}

void UringIo::on_recv_cqe(Uring& ring, ConnectionId connection, InFlight& in_flight,
                          const io_uring_cqe& cqe) {
  ByteView bytes;
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    bytes = ring.take_buffer(static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT),
                             cqe.res);
  }
  const bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;
  if (ended) in_flight.recv = false;
  completions_.push_back({IoOp::kRecv, connection, cqe.res, -1, bytes, ended});
}

void UringIo::report_if_closed(ConnectionId connection, InFlight& in_flight) {
  if (!in_flight.closing || in_flight.recv || in_flight.send || in_flight.shutdown ||
      in_flight.close) {
    return;
  }
  in_flight = {};
  completions_.push_back({IoOp::kClosed, connection, 0, -1, {}, false});
}

// ---- submitting --------------------------------------------------------------------------------

void UringIo::submit(std::span<const IoRequest> requests) {
  // First: a receive that is armed now must find them.
  for (const std::unique_ptr<Uring>& ring : rings_) ring->return_buffers();
  for (const IoRequest& request : requests) {
    switch (request.op) {
      case IoOp::kStartRecv:
        start_recv(request);
        break;
      case IoOp::kStopRecv:
        cancel(ring_of(request), Tag::kRecv, request.connection);
        break;
      case IoOp::kSend: {
        io_uring_sqe* sqe = ring_of(request).next_sqe();
        io_uring_prep_send(sqe, Uring::descriptor_of(request.socket), request.bytes.data(),
                           request.bytes.size(), MSG_NOSIGNAL);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        set_user_data(sqe, Tag::kSend, request.connection);
        in_flight_of(request.connection).send = true;
        break;
      }
      case IoOp::kShutdown: {
        io_uring_sqe* sqe = ring_of(request).next_sqe();
        io_uring_prep_shutdown(sqe, Uring::descriptor_of(request.socket), SHUT_WR);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        set_user_data(sqe, Tag::kShutdown, request.connection);
        in_flight_of(request.connection).shutdown = true;
        break;
      }
      case IoOp::kCloseNow:
        close_now(request);
        break;
      case IoOp::kAccept:
      case IoOp::kRecv:
      case IoOp::kClosed:
        IMS_ASSERT(false);  // completions only
    }
  }
}

// POLL_FIRST: armed while the buffer ring is empty it would fail again at once; so it waits for
// data.
void UringIo::start_recv(const IoRequest& request) {
  io_uring_sqe* sqe = ring_of(request).next_sqe();
  io_uring_prep_recv_multishot(sqe, Uring::descriptor_of(request.socket), nullptr, 0, 0);
  sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
  sqe->buf_group = kBufferGroup;
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
  set_user_data(sqe, Tag::kRecv, request.connection);
  InFlight& in_flight = in_flight_of(request.connection);
  IMS_ASSERT(!in_flight.recv);
  in_flight.recv = true;
  counters_.add(Counter::kRearms);
}

// Cancel first, in the same submission: a close alone would leave the socket open under an armed
// receive. By user_data: the kernel finds a request by it in a hash table, by descriptor only by
// looking at all requests of the ring, which makes closing n connections cost n * n.
void UringIo::close_now(const IoRequest& request) {
  Uring& ring = ring_of(request);
  const bool nobody = request.connection == kNoConnection;
  if (!nobody) {
    InFlight& in_flight = in_flight_of(request.connection);
    IMS_ASSERT(!in_flight.shutdown);  // its completion comes first (closing.cc)
    if (in_flight.recv) cancel(ring, Tag::kRecv, request.connection);
    if (in_flight.send) cancel(ring, Tag::kSend, request.connection);
    in_flight.close = true;
    in_flight.closing = true;
  }
  io_uring_sqe* close = ring.next_sqe();
  io_uring_prep_close_direct(close, static_cast<unsigned>(Uring::descriptor_of(request.socket)));
  set_user_data(close, nobody ? Tag::kIgnore : Tag::kClose, request.connection);
  // The close frees its place in the table as it is submitted, before any accept that is armed
  // behind it.
  IMS_ASSERT(ring.room.used > 0);
  --ring.room.used;
}

UringIo::InFlight& UringIo::in_flight_of(ConnectionId connection) {
  InFlight& found = in_flight_[connection.slot()];
  if (found.generation == 0) found.generation = connection.generation();
  IMS_ASSERT(found.generation == connection.generation());
  return found;
}

void UringIo::arm_wakeup() {
  io_uring_sqe* sqe = rings_[0]->next_sqe();
  io_uring_prep_poll_multishot(sqe, wakeup_.fd(), POLLIN);
  set_user_data(sqe, Tag::kWake, kNoConnection);
}

}  // namespace ims::gateway
