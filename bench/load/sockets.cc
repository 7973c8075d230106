// Connections over rings (sockets.h).
#include "bench/load/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "bench/load/clock.h"
#include "shared/assert.h"
#include "shared/frame.h"
#include "shared/limits.h"

namespace ims::bench {
namespace {

constexpr int kPassesMax = 8;           // enters of a turn while each one brings more
constexpr unsigned kPassBusyCqes = 16;  // DEFER_TASKRUN runs about 20 receives per enter
constexpr std::uint32_t kSourceFirst = 0x7f00'0002;  // 127.0.0.2
constexpr std::size_t kKeptBytes = 64 * kKiB;        // of an idle output buffer

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

ListenAddress parse(const std::string& address) {
  const auto target = parse_listen_address(address);
  if (!target) throw std::runtime_error("'" + address + "' is no address such as 127.0.0.1:7000");
  return *target;
}

std::uint32_t descriptors_max() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t kTableMax = 32'768;
  return static_cast<std::uint32_t>(std::min(limit.rlim_cur, kTableMax));
}

}  // namespace

Sockets::Sockets(const SocketsOptions& options, SocketsListener& listener)
    : options_(options), target_(parse(options.address)), listener_(listener) {
  connections_.resize(options.connections);
  const std::uint32_t limit = descriptors_max();
  ring_slots_ = std::min(options.ring_slots == 0 ? limit : options.ring_slots, limit);
  ring_slots_ = std::clamp(options.connections, 1u, ring_slots_);
  const std::uint32_t rings = std::max(1u, (options.connections + ring_slots_ - 1) / ring_slots_);
  for (std::uint32_t i = 0; i < rings; ++i) rings_.push_back(std::make_unique<Ring>(ring_slots_));
  if (rings > 1) {
    signal_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signal_ < 0) fail("eventfd");
    for (std::uint32_t i = 1; i < rings; ++i) rings_[i]->signal(signal_);
  }
  now_ns_ = read_ns();
}

Sockets::~Sockets() {
  rings_.clear();
  if (signal_ >= 0) ::close(signal_);
}

std::uint64_t Sockets::idle_ns() const noexcept {
  std::uint64_t sum = empty_ns_;
  for (const auto& ring : rings_) sum += ring->waited_ns();
  return sum;
}

// ---- a connection's life -----------------------------------------------------------------------

int Sockets::open_socket() const {
  const int fd = socket(target_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (options_.sources > 1) {
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr =
        htonl(kSourceFirst + static_cast<std::uint32_t>(connects_ % options_.sources));
    if (bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) {
      ::close(fd);
      fail("bind to a source address (--sources)");
    }
  }
  return fd;
}

void Sockets::connect(std::uint32_t index) {
  Connection& connection = connections_[index];
  IMS_ASSERT(connection.state == State::kFree);
  const int fd = open_socket();
  ++connects_;
  Ring& ring = ring_of(index);
  ring.install(slot_of(index), fd);
  ::close(fd);
  connection.state = State::kConnecting;
  connection.connecting = true;
  io_uring_sqe* sqe = ring.next_sqe();
  io_uring_prep_connect(sqe, static_cast<int>(slot_of(index)),
                        reinterpret_cast<const sockaddr*>(&target_.storage), target_.size);
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
  sqe->user_data = user_data(Tag::kConnect, index);
}

void Sockets::close(std::uint32_t index) { end(index, kEndedHere); }

// Cancel first, in the same submission: a close alone would leave the socket open under an armed
// receive.
void Sockets::end(std::uint32_t index, int error) {
  Connection& connection = connections_[index];
  if (connection.state == State::kFree || connection.state == State::kClosing) return;
  connection.state = State::kClosing;
  connection.error = error;
  connection.closing = true;
  Ring& ring = ring_of(index);
  const int slot = static_cast<int>(slot_of(index));
  io_uring_sqe* cancel = ring.next_sqe();
  io_uring_prep_cancel_fd(cancel, slot, IORING_ASYNC_CANCEL_FD_FIXED | IORING_ASYNC_CANCEL_ALL);
  cancel->user_data = user_data(Tag::kIgnore, index);
  io_uring_sqe* sqe = ring.next_sqe();
  io_uring_prep_close_direct(sqe, static_cast<unsigned>(slot));
  sqe->user_data = user_data(Tag::kClose, index);
}

void Sockets::report_if_ended(std::uint32_t index) {
  Connection& connection = connections_[index];
  if (connection.state != State::kClosing || connection.connecting || connection.receiving ||
      connection.sending || connection.closing) {
    return;
  }
  const int error = connection.error;
  const bool dirty = connection.dirty;
  connection = {};
  connection.dirty = dirty;  // stands in the list still
  listener_.on_end(index, error);
}

// ---- a turn ------------------------------------------------------------------------------------

void Sockets::turn(std::uint64_t until_ns) {
  flush();
  ++turns_;
  now_ns_ = read_ns();
  const std::uint64_t begin_ns = now_ns_;
  const std::uint64_t wait_ns = options_.spin || until_ns <= now_ns_ ? 0 : until_ns - now_ns_;
  unsigned handled = 0;
  if (rings_.size() == 1) {
    handled = pass(*rings_.front(), wait_ns);
  } else {
    for (const auto& ring : rings_) handled += pass(*ring, 0);
    if (handled == 0 && wait_ns != 0) {
      wait_for_others();
      handled = pass(*rings_.front(), wait_ns);
    }
  }
  if (handled != 0) return;
  now_ns_ = read_ns();
  empty_ns_ += now_ns_ - begin_ns;
}

// One enter runs a bounded amount of task work: go on while it is worth it.
unsigned Sockets::pass(Ring& ring, std::uint64_t wait_ns) {
  unsigned total = 0;
  for (int i = 0; i < kPassesMax; ++i) {
    ring.enter(i == 0 ? wait_ns : 0);
    const unsigned handled = ring.reap([this](const io_uring_cqe& cqe) { on_cqe(cqe); });
    total += handled;
    if (handled < kPassBusyCqes) break;
  }
  return total;
}

void Sockets::wait_for_others() {
  if (signal_armed_) return;
  io_uring_sqe* sqe = rings_.front()->next_sqe();
  io_uring_prep_poll_add(sqe, signal_, POLLIN);
  sqe->user_data = user_data(Tag::kSignal, 0);
  signal_armed_ = true;
  rings_.front()->enter(0);
}

void Sockets::on_cqe(const io_uring_cqe& cqe) {
  const auto index = static_cast<std::uint32_t>(cqe.user_data);
  switch (static_cast<Tag>(cqe.user_data >> 32)) {
    case Tag::kIgnore:
      return;
    case Tag::kSignal: {
      signal_armed_ = false;
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(signal_, &count, sizeof count);
      return;
    }
    case Tag::kConnect: {
      Connection& connection = connections_[index];
      connection.connecting = false;
      now_ns_ = read_ns();
      if (connection.state == State::kConnecting) {
        if (cqe.res < 0) {
          end(index, -cqe.res);
        } else {
          connection.state = State::kOpen;
          connection.receiving = true;
          ring_of(index).prepare_receive(slot_of(index), user_data(Tag::kRecv, index));
          listener_.on_open(index);
        }
      }
      break;
    }
    case Tag::kRecv:
      on_recv(index, cqe);
      break;
    case Tag::kSend:
      on_sent(index, cqe.res);
      break;
    case Tag::kClose:
      connections_[index].closing = false;
      break;
  }
  report_if_ended(index);
}

// ---- input -------------------------------------------------------------------------------------

void Sockets::on_recv(std::uint32_t index, const io_uring_cqe& cqe) {
  Connection& connection = connections_[index];
  const bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
  if (!more) connection.receiving = false;
  const ByteView bytes = ring_of(index).take_buffer(cqe);
  if (connection.state != State::kOpen) return;
  if (!bytes.empty()) {
    now_ns_ = read_ns();
    take_frames(index, bytes);
    if (connection.state != State::kOpen) return;
  }
  if (more) return;
  if (cqe.res > 0 || cqe.res == -ENOBUFS) {
    connection.receiving = true;
    ring_of(index).prepare_receive(slot_of(index), user_data(Tag::kRecv, index));
  } else {
    end(index, -cqe.res);
  }
}

void Sockets::take_frames(std::uint32_t index, ByteView bytes) {
  Connection& connection = connections_[index];
  const bool cut = !connection.in.empty();
  if (cut) {
    connection.in.append(as_text(bytes));
    bytes = as_bytes(connection.in);
  }
  std::size_t taken = 0;
  for (;;) {
    const FrameResult frame = next_frame(bytes.subspan(taken), kMaxFrameBytesCeiling);
    if (frame.status == FrameStatus::kNeedMore) break;
    if (frame.status != FrameStatus::kFrame) return end(index, kEndedByNonsense);
    taken += frame.consumed_bytes;
    listener_.on_frame(index, frame.payload);
    if (connection.state != State::kOpen) return;
  }
  if (cut) {
    connection.in.erase(0, taken);
  } else {
    connection.in.assign(as_text(bytes.subspan(taken)));
  }
}

// ---- output ------------------------------------------------------------------------------------

void Sockets::flush() {
  flushing_.swap(dirty_);
  for (const std::uint32_t index : flushing_) {
    Connection& connection = connections_[index];
    connection.dirty = false;
    if (connection.state != State::kOpen || connection.sending || connection.out.empty()) continue;
    connection.sent.swap(connection.out);
    connection.sent_at = 0;
    submit_send(index);
  }
  flushing_.clear();
}

void Sockets::submit_send(std::uint32_t index) {
  Connection& connection = connections_[index];
  io_uring_sqe* sqe = ring_of(index).next_sqe();
  io_uring_prep_send(sqe, static_cast<int>(slot_of(index)),
                     connection.sent.data() + connection.sent_at,
                     connection.sent.size() - connection.sent_at, MSG_NOSIGNAL);
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
  sqe->user_data = user_data(Tag::kSend, index);
  connection.sending = true;
  ++sends_;
}

// A failing send is left to the receive, which has what the server said before.
void Sockets::on_sent(std::uint32_t index, int result) {
  Connection& connection = connections_[index];
  connection.sending = false;
  if (connection.state != State::kOpen || result < 0) return;
  connection.sent_at += static_cast<std::size_t>(result);
  if (connection.sent_at < connection.sent.size()) return submit_send(index);
  connection.sent.clear();
  connection.sent_at = 0;
  if (connection.sent.capacity() > kKeptBytes) connection.sent.shrink_to_fit();
  if (!connection.out.empty()) touched(index);
}

}  // namespace ims::bench
