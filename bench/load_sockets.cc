// The epoll loop and its connections (load_sockets.h).
#include "bench/load_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "shared/config_value.h"
#include "shared/frame.h"
#include "shared/limits.h"

namespace ims::bench {
namespace {

constexpr int kEventsMax = 1024;
constexpr std::size_t kReceiveBytes = 64 * kKiB;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Sockets::Sockets(std::string_view address, std::uint32_t count, OnFrame on_frame)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      address_(address),
      on_frame_(std::move(on_frame)),
      connections_(count),
      buffer_(kReceiveBytes) {
  if (epoll_ < 0) fail("epoll_create1");
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  for (std::uint32_t i = 0; i < count; ++i) connections_[i].index = i;
}

Sockets::~Sockets() {
  for (Connection& connection : connections_) {
    if (connection.fd >= 0) close(connection.fd);
  }
  close(epoll_);
}

void Sockets::connect(Connection& connection) {
  const auto target = parse_listen_address(address_);
  if (!target) throw std::runtime_error("'" + address_ + "' is no address such as 127.0.0.1:7000");
  connection.fd = socket(target->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (connection.fd < 0) fail("socket");
  const int on = 1;
  setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(connection.fd, reinterpret_cast<const sockaddr*>(&target->storage),
                target->size) != 0 &&
      errno != EINPROGRESS) {
    fail("connect");
  }
  connection.waits_write = true;
  watch(connection, true, true);
}

void Sockets::watch(Connection& connection, bool write, bool added) {
  epoll_event event{};
  event.events = EPOLLIN | (write ? EPOLLOUT : 0u);
  event.data.u32 = connection.index;
  if (epoll_ctl(epoll_, added ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection.fd, &event) != 0) {
    fail("epoll_ctl");
  }
}

void Sockets::turn(std::chrono::milliseconds timeout) {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_, events, kEventsMax, static_cast<int>(timeout.count()));
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  for (int i = 0; i < count; ++i) {
    Connection& connection = connections_[events[i].data.u32];
    if ((events[i].events & EPOLLOUT) != 0) {
      connection.waits_write = false;
      watch(connection, false, false);
      touched(connection);
    }
    if ((events[i].events & ~std::uint32_t{EPOLLOUT}) != 0) receive(connection);
  }
  flushing_.swap(dirty_);
  for (const std::uint32_t index : flushing_) flush(connections_[index]);
  flushing_.clear();
}

// One receive a round: what it leaves in the socket comes with the next one.
void Sockets::receive(Connection& connection) {
  ++recvs_;
  const ssize_t got = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) fail("recv");
  if (got == 0) {
    throw std::runtime_error("the server closed connection " + std::to_string(connection.index));
  }
  ByteView bytes{buffer_.data(), static_cast<std::size_t>(got)};
  const bool cut = !connection.in.empty();
  if (cut) {
    connection.in.append(as_text(bytes));
    bytes = as_bytes(connection.in);
  }
  std::size_t taken = 0;
  for (;;) {
    const FrameResult frame = next_frame(bytes.subspan(taken), kMaxFrameBytesCeiling);
    if (frame.status == FrameStatus::kNeedMore) break;
    if (frame.status != FrameStatus::kFrame) throw std::runtime_error("no frame of a server");
    taken += frame.consumed_bytes;
    on_frame_(connection, frame.payload);
  }
  if (cut) {
    connection.in.erase(0, taken);
  } else {
    connection.in.assign(as_text(bytes.subspan(taken)));
  }
}

void Sockets::flush(Connection& connection) {
  connection.flushing = false;
  if (connection.waits_write) return;  // EPOLLOUT comes back to it
  while (connection.out_at < connection.out.size()) {
    ++sends_;
    const ssize_t sent = send(connection.fd, connection.out.data() + connection.out_at,
                              connection.out.size() - connection.out_at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      connection.waits_write = true;
      watch(connection, true, false);
      return;
    }
    if (sent < 0 && errno != EINTR) fail("send");
    if (sent > 0) connection.out_at += static_cast<std::size_t>(sent);
  }
  connection.out.clear();
  connection.out_at = 0;
}

}  // namespace ims::bench
