// Readiness as requests and completions (epoll_io.h).
#include "gateway/epoll_io.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "shared/assert.h"
#include "shared/clock.h"
#include "shared/limits.h"
#include "shared/log.h"

namespace ims::gateway {
namespace {

constexpr std::uint64_t kListenerKey = ~std::uint64_t{0};
constexpr std::uint64_t kWakeupKey = ~std::uint64_t{0} - 1;
constexpr int kEventsMax = 1024;
constexpr int kAcceptsPerTurn = 256;
constexpr std::int64_t kAcceptBackoffMs = 100;
constexpr std::size_t kBufferBytes = kReceiveBufferCount * kReceiveBufferBytes;
constexpr std::size_t kShareBytesMax = 64 * kKiB;

// recv() and send() without being points of cancellation, which costs more than the calls' own
// instructions; no thread here is ever cancelled.
ssize_t receive_now(int fd, std::byte* at, std::size_t bytes) noexcept {
  return syscall(SYS_recvfrom, fd, at, bytes, 0, nullptr, nullptr);
}
ssize_t send_now(int fd, ByteView bytes) noexcept {
  return syscall(SYS_sendto, fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, nullptr,
                 0);
}

int open_reserve() noexcept { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

EpollIo::EpollIo(Listener& listener, Wakeup& wakeup, CounterBlock& counters, GatewayIndex gateway)
    : listener_(listener),
      wakeup_(wakeup),
      counters_(counters),
      gateway_(gateway),
      buffer_(std::make_unique<std::byte[]>(kBufferBytes)) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  reserve_fd_ = open_reserve();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeupKey;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wakeup_.fd(), &event) != 0) {
    const int error = errno;
    close(epoll_fd_);
    throw std::system_error(error, std::generic_category(), "epoll_ctl of the wakeup");
  }
}

EpollIo::~EpollIo() {
  sockets_.for_each([](const Socket& socket) {
    if (socket.fd >= 0) close(socket.fd);
  });
  if (reserve_fd_ >= 0) close(reserve_fd_);
  close(epoll_fd_);
}

// ---- waiting -----------------------------------------------------------------------------------

std::span<const Completion> EpollIo::wait(std::chrono::milliseconds timeout) {
  completions_.clear();
  completions_.swap(submitted_);
  set_listening(accepting_);
  const bool may_block = completions_.empty() && readable_.empty();
  epoll_event events[kEventsMax];
  counters_.add(Counter::kSyscalls);
  const int count = epoll_wait(epoll_fd_, events, kEventsMax,
                               may_block ? static_cast<int>(timeout.count()) : 0);
  IMS_ASSERT(count >= 0 || errno == EINTR);
  bool accept_ready = false;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t key = events[i].data.u64;
    if (key == kListenerKey) {
      accept_ready = true;
    } else if (key == kWakeupKey) {
      wakeup_.drain();
    } else {
      on_socket(ConnectionId{key}, events[i].events);
    }
  }
  completions_.insert(completions_.end(), submitted_.begin(), submitted_.end());
  submitted_.clear();

  // Everyone who may have something is read once, an equal share of the buffer each.
  if (!readable_.empty()) {
    reading_.clear();
    reading_.swap(readable_);
    const std::size_t share =
        std::clamp(kBufferBytes / reading_.size(), kReceiveBufferBytes, kShareBytesMax);
    for (const ConnectionId id : reading_) {
      Socket& socket = sockets_[id.slot()];
      if (socket.connection != id) continue;
      socket.listed = false;
      receive(socket, share);
    }
  }
  if (accept_ready) on_listener();
  return completions_;
}

void EpollIo::on_socket(ConnectionId connection, std::uint32_t events) {
  Socket& socket = socket_of(connection);
  IMS_ASSERT(socket.connection == connection);  // close() took it out of the set
  constexpr std::uint32_t kHungUp = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | kHungUp)) != 0) {
    socket.readable = true;
    socket.hung_up = socket.hung_up || (events & kHungUp) != 0;
    list_readable(socket);
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 && !socket.unsent.empty()) {
    try_send(socket);
  }
}

void EpollIo::list_readable(Socket& socket) {
  if (!socket.readable || !socket.armed || socket.listed) return;
  socket.listed = true;
  readable_.push_back(socket.connection);
}

void EpollIo::receive(Socket& socket, std::size_t share_bytes) {
  if (!socket.armed || !socket.readable) return;
  const std::size_t room = std::min(share_bytes, kBufferBytes - buffer_used_);
  if (room < kReceiveBufferBytes) return list_readable(socket);  // next turn
  std::byte* at = buffer_.get() + buffer_used_;
  counters_.add(Counter::kSyscalls);
  const ssize_t result = receive_now(socket.fd, at, room);
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) {
    if (errno == EINTR) return list_readable(socket);
    socket.readable = false;
    return;
  }
  Completion completion{IoOp::kRecv, socket.connection, 0, -1, {}, false};
  if (result <= 0) {
    completion.result = result == 0 ? 0 : -errno;
    completion.ended = true;
    socket.armed = false;
  } else {
    completion.result = static_cast<std::int32_t>(result);
    completion.bytes = {at, static_cast<std::size_t>(result)};
    buffer_used_ += static_cast<std::size_t>(result);
    // Less than asked for: the socket is empty, and what comes next makes a new edge. An end that
    // an edge told of already makes none.
    socket.readable = static_cast<std::size_t>(result) == room || socket.hung_up;
    list_readable(socket);
  }
  completions_.push_back(completion);
}

// ---- submitting --------------------------------------------------------------------------------

IMS_INLINE EpollIo::Socket& EpollIo::socket_of(ConnectionId connection) {
  return sockets_[connection.slot()];
}

// The connection's socket, put into the epoll set by its first request.
IMS_INLINE EpollIo::Socket& EpollIo::registered(const IoRequest& request) {
  Socket& socket = socket_of(request.connection);
  if (socket.registered) [[likely]] {
    IMS_ASSERT(socket.connection == request.connection);
    return socket;
  }
  register_socket(socket, request);
  return socket;
}

void EpollIo::submit(std::span<const IoRequest> requests) {
  buffer_used_ = 0;
  for (const IoRequest& request : requests) {
    switch (request.op) {
      case IoOp::kStartRecv: {
        Socket& socket = registered(request);
        IMS_ASSERT(!socket.armed);
        socket.armed = true;
        list_readable(socket);
        break;
      }
      case IoOp::kStopRecv: {
        Socket& socket = registered(request);
        if (!socket.armed) break;  // it ended by itself, and said so
        socket.armed = false;
        submitted_.push_back({IoOp::kRecv, request.connection, -ECANCELED, -1, {}, true});
        break;
      }
      case IoOp::kSend: {
        Socket& socket = registered(request);
        IMS_ASSERT(socket.unsent.empty());
        socket.unsent = request.bytes;
        try_send(socket);
        break;
      }
      case IoOp::kShutdown: {
        counters_.add(Counter::kSyscalls);
        const int result = shutdown(request.socket, SHUT_WR);
        submitted_.push_back({IoOp::kShutdown, request.connection, result == 0 ? 0 : -errno, -1, {},
                              false});
        break;
      }
      case IoOp::kCloseNow:
        counters_.add(Counter::kSyscalls);
        close(request.socket);  // and out of the epoll set with it
        if (request.connection != kNoConnection) socket_of(request.connection) = {};
        submitted_.push_back({IoOp::kClosed, request.connection, 0, -1, {}, false});
        break;
      case IoOp::kAccept:
      case IoOp::kRecv:
      case IoOp::kClosed:
        IMS_ASSERT(false);  // completions only
    }
  }
}

void EpollIo::try_send(Socket& socket) {
  counters_.add(Counter::kSyscalls);
  const ssize_t result = send_now(socket.fd, socket.unsent);
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) return;  // EPOLLOUT will come
  socket.unsent = {};
  submitted_.push_back({IoOp::kSend, socket.connection,
                        static_cast<std::int32_t>(result < 0 ? -errno : result), -1, {}, false});
}

[[gnu::noinline]] void EpollIo::register_socket(Socket& socket, const IoRequest& request) {
  socket = {};
  socket.connection = request.connection;
  socket.fd = request.socket;
  socket.registered = true;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = request.connection.bits;
  counters_.add(Counter::kSyscalls);
  const int result = epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, request.socket, &event);
  IMS_ASSERT(result == 0);
}

// ---- accepting ---------------------------------------------------------------------------------

void EpollIo::on_listener() {
  for (int n = 0; n < kAcceptsPerTurn && accepting_; ++n) {
    counters_.add(Counter::kSyscalls);
    const int fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      completions_.push_back({IoOp::kAccept, kNoConnection, 0, fd, {}, false});
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    return pause_accepting(errno);
  }
}

// Out of descriptors, mostly. A client that can be dropped learns it now, not by its own timeout.
void EpollIo::pause_accepting(int error) {
  counters_.add(Counter::kAcceptErrors);
  IMS_LOG(kWarn, "accept_failed", {{"error", std::strerror(error)}, {"gateway", gateway_}});
  if (error == EMFILE && reserve_fd_ >= 0) {
    close(reserve_fd_);
    const int fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    reserve_fd_ = open_reserve();
  }
  accept_retry_ms_ = read_clock().mono_ms + kAcceptBackoffMs;
  set_listening(false);
}

void EpollIo::set_accepting(bool accepting) {
  if (accepting == accepting_) return;
  accepting_ = accepting;
  if (accepting) return;  // wait() opens it
  set_listening(false);
  listener_.close();
}

void EpollIo::set_listening(bool listening) {
  if (listening == listening_) return;
  if (!listening) {
    if (listener_.fd() >= 0) epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, listener_.fd(), nullptr);
    listening_ = false;
    return;
  }
  if (accept_retry_ms_ != 0 && read_clock().mono_ms < accept_retry_ms_) return;
  accept_retry_ms_ = 0;
  if (const int error = listener_.reopen(); error != 0) {
    counters_.add(Counter::kAcceptErrors);
    IMS_LOG(kWarn, "listen_failed", {{"error", std::strerror(error)}, {"gateway", gateway_}});
    accept_retry_ms_ = read_clock().mono_ms + kAcceptBackoffMs;
    return;
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenerKey;
  const int result = epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listener_.fd(), &event);
  IMS_ASSERT(result == 0);
  listening_ = true;
}

}  // namespace ims::gateway
