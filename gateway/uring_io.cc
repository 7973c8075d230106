// Requests as SQEs, CQEs as completions (uring_io.h).
#include "gateway/uring_io.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "shared/assert.h"
#include "shared/clock.h"
#include "shared/log.h"

namespace ims::gateway {
namespace {

// user_data = op | generation | slot: a ConnectionId whose gateway byte tells the operation.
enum class Tag : std::uint8_t { kIgnore, kAccept, kWake, kRecv, kSend, kShutdown, kClose };

constexpr std::uint16_t kBufferGroup = 0;
constexpr std::int64_t kAcceptBackoffMs = 100;
constexpr int kPassesMax = 8;         // enters per wait() while each one brings more
constexpr unsigned kPassBusyCqes = 16;  // DEFER_TASKRUN runs about 20 receives per enter

std::uint64_t user_data(Tag tag, ConnectionId connection) noexcept {
  return (connection.bits & 0x00ff'ffff'ffff'ffffull) | (static_cast<std::uint64_t>(tag) << 56);
}

void set_user_data(io_uring_sqe* sqe, Tag tag, ConnectionId connection) noexcept {
  sqe->user_data = user_data(tag, connection);
}

}  // namespace

UringIo::UringIo(Listener& listener, Wakeup& wakeup, CounterBlock& counters, GatewayIndex gateway)
    : listener_(listener), wakeup_(wakeup), counters_(counters), gateway_(gateway) {
  used_buffers_.reserve(kReceiveBufferCount);
  completions_.reserve(kCompletionsPerTurnMax + kReceiveBufferCount);
}

// ---- waiting -----------------------------------------------------------------------------------

std::span<const Completion> UringIo::wait(std::chrono::milliseconds timeout) {
  if (!enabled_) enable();
  completions_.clear();
  if (accepting_ && !accept_armed_) arm_accept();
  enter(timeout);
  reap();
  // One enter runs a bounded amount of task work: go on while it is worth it, and buffers are left.
  std::size_t before = 0;
  for (int pass = 1; pass < kPassesMax && completions_.size() - before >= kPassBusyCqes &&
                     used_buffers_.size() < kReceiveBufferCount / 2;
       ++pass) {
    before = completions_.size();
    enter(std::chrono::milliseconds{0});
    reap();
  }
  return completions_;
}

// Submits what is prepared and runs the kernel's pending work. Blocks only when there is nothing to
// submit and nothing to reap.
void UringIo::enter(std::chrono::milliseconds timeout) {
  counters_.add(Counter::kSyscalls);
  if (io_uring_cq_has_overflow(&ring_)) counters_.add(Counter::kCqOverflow);
  const bool may_block = timeout.count() > 0 && io_uring_sq_ready(&ring_) == 0 &&
                         io_uring_cq_ready(&ring_) == 0;
  if (!may_block) {
    const int result = io_uring_submit_and_get_events(&ring_);
    IMS_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
    return;
  }
  __kernel_timespec wait_time{timeout.count() / 1000, timeout.count() % 1000 * 1'000'000};
  io_uring_getevents_arg argument{};
  argument.ts = reinterpret_cast<std::uint64_t>(&wait_time);
  unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  if (no_iowait_) flags |= IORING_ENTER_NO_IOWAIT;
  if ((ring_.int_flags & 1) != 0) flags |= IORING_ENTER_REGISTERED_RING;
  const int result = io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), 0, 1, flags,
                                     reinterpret_cast<sigset_t*>(&argument), sizeof argument);
  IMS_ASSERT(result >= 0 || result == -EINTR || result == -ETIME || result == -EAGAIN ||
             result == -EBUSY);
}

void UringIo::reap() {
  io_uring_cqe* cqes[256];
  while (completions_.size() < kCompletionsPerTurnMax) {
    const unsigned count = io_uring_peek_batch_cqe(&ring_, cqes, 256);
    if (count == 0) return;
    for (unsigned i = 0; i < count; ++i) on_cqe(*cqes[i]);
    io_uring_cq_advance(&ring_, count);
  }
}

void UringIo::on_cqe(const io_uring_cqe& cqe) {
  const auto tag = static_cast<Tag>(cqe.user_data >> 56);
  if (tag == Tag::kIgnore) return;
  if (tag == Tag::kAccept) return on_accept_cqe(cqe);
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
      on_recv_cqe(connection, in_flight, cqe);
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

void UringIo::on_accept_cqe(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) accept_armed_ = false;
  if (cqe.res >= 0) {
    accept_retry_ms_ = 0;
    completions_.push_back({IoOp::kAccept, kNoConnection, 0, cqe.res, {}, false});
  } else if (cqe.res != -ECANCELED) {
    // Out of memory or of slots, or a client that is gone already: not at once again.
    counters_.add(Counter::kAcceptErrors);
    IMS_LOG(kWarn, "accept_failed", {{"error", std::strerror(-cqe.res)}, {"gateway", gateway_}});
    accept_retry_ms_ = read_clock().mono_ms + kAcceptBackoffMs;
  }
}

void UringIo::on_recv_cqe(ConnectionId connection, InFlight& in_flight, const io_uring_cqe& cqe) {
  ByteView bytes;
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    used_buffers_.push_back(buffer);
    if (cqe.res > 0) {
      bytes = {buffers_ + buffer * kReceiveBufferBytes, static_cast<std::size_t>(cqe.res)};
    }
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
  return_buffers();  // first: a receive that is armed now must find them
  for (const IoRequest& request : requests) {
    switch (request.op) {
      case IoOp::kStartRecv:
        start_recv(request);
        break;
      case IoOp::kStopRecv: {
        io_uring_sqe* sqe = next_sqe();
        io_uring_prep_cancel64(sqe, user_data(Tag::kRecv, request.connection), 0);
        set_user_data(sqe, Tag::kIgnore, request.connection);
        break;
      }
      case IoOp::kSend: {
        io_uring_sqe* sqe = next_sqe();
        io_uring_prep_send(sqe, request.socket, request.bytes.data(), request.bytes.size(),
                           MSG_NOSIGNAL);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        set_user_data(sqe, Tag::kSend, request.connection);
        in_flight_of(request.connection).send = true;
        break;
      }
      case IoOp::kShutdown: {
        io_uring_sqe* sqe = next_sqe();
        io_uring_prep_shutdown(sqe, request.socket, SHUT_WR);
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
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_recv_multishot(sqe, request.socket, nullptr, 0, 0);
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
// receive.
void UringIo::close_now(const IoRequest& request) {
  io_uring_sqe* cancel = next_sqe();
  io_uring_prep_cancel_fd(cancel, request.socket,
                          IORING_ASYNC_CANCEL_FD_FIXED | IORING_ASYNC_CANCEL_ALL);
  set_user_data(cancel, Tag::kIgnore, request.connection);
  io_uring_sqe* close = next_sqe();
  io_uring_prep_close_direct(close, static_cast<unsigned>(request.socket));
  const bool nobody = request.connection == kNoConnection;
  set_user_data(close, nobody ? Tag::kIgnore : Tag::kClose, request.connection);
  if (nobody) return;
  InFlight& in_flight = in_flight_of(request.connection);
  in_flight.close = true;
  in_flight.closing = true;
}

void UringIo::return_buffers() {
  if (used_buffers_.empty()) return;
  const int mask = io_uring_buf_ring_mask(kReceiveBufferCount);
  int offset = 0;
  for (const std::uint16_t buffer : used_buffers_) {
    io_uring_buf_ring_add(buffer_ring_, buffers_ + buffer * kReceiveBufferBytes,
                          kReceiveBufferBytes, buffer, mask, offset++);
  }
  io_uring_buf_ring_advance(buffer_ring_, offset);
  used_buffers_.clear();
}

io_uring_sqe* UringIo::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {  // the queue is full: hand it over
    counters_.add(Counter::kSyscalls);
    const int result = io_uring_submit(&ring_);
    IMS_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

UringIo::InFlight& UringIo::in_flight_of(ConnectionId connection) {
  const std::uint32_t slot = connection.slot();
  if (slot >= in_flight_.size()) in_flight_.resize(slot + slot / 2 + 64);
  InFlight& found = in_flight_[slot];
  if (found.generation == 0) found.generation = connection.generation();
  IMS_ASSERT(found.generation == connection.generation());
  return found;
}

// ---- accepting ---------------------------------------------------------------------------------

void UringIo::set_accepting(bool accepting) {
  if (accepting == accepting_) return;
  accepting_ = accepting;
  if (accepting) return;  // wait() arms
  if (accept_armed_) {
    io_uring_sqe* sqe = next_sqe();
    io_uring_prep_cancel64(sqe, user_data(Tag::kAccept, kNoConnection), 0);
    set_user_data(sqe, Tag::kIgnore, kNoConnection);
    counters_.add(Counter::kSyscalls);
    io_uring_submit(&ring_);
  }
  listener_.close();
}

void UringIo::arm_accept() {
  if (accept_retry_ms_ != 0 && read_clock().mono_ms < accept_retry_ms_) return;
  if (listener_.fd() < 0) {
    if (const int error = listener_.reopen(); error != 0) {
      counters_.add(Counter::kAcceptErrors);
      IMS_LOG(kWarn, "listen_failed", {{"error", std::strerror(error)}, {"gateway", gateway_}});
      accept_retry_ms_ = read_clock().mono_ms + kAcceptBackoffMs;
      return;
    }
  }
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_multishot_accept_direct(sqe, listener_.fd(), nullptr, nullptr, 0);
  set_user_data(sqe, Tag::kAccept, kNoConnection);
  accept_armed_ = true;
}

void UringIo::arm_wakeup() {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_poll_multishot(sqe, wakeup_.fd(), POLLIN);
  set_user_data(sqe, Tag::kWake, kNoConnection);
}

void UringIo::enable() {
  const int result = enable_ring(ring_);
  IMS_ASSERT(result >= 0);
  io_uring_register_ring_fd(&ring_);  // cheaper enters; not essential
  enabled_ = true;
  return_buffers();
  arm_wakeup();
}

}  // namespace ims::gateway
