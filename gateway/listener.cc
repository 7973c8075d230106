// Opening, closing and opening again (listener.h).
#include "gateway/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "shared/config_value.h"

namespace ims::gateway {
namespace {

// Between the probes of a silent peer: several come before tcp_user_timeout ends the connection.
constexpr int kKeepaliveIntervalSeconds = 10;
// The kernel takes an io_uring apart behind the back of a process that was killed, its listening
// socket with it: who starts again at once waits for that.
constexpr int kAddressTries = 100;
constexpr std::chrono::milliseconds kAddressPause{20};

std::string likely_cause(int error) {
  switch (error) {
    case EADDRINUSE:
      return "; another process listens there: stop it or choose another --listen";
    case EADDRNOTAVAIL:
      return "; no interface of this machine has that address";
    case EACCES:
      return "; ports below net.ipv4.ip_unprivileged_port_start need a privilege";
    default:
      return "";
  }
}

[[noreturn]] void fail(const std::string& address, const char* what, int error) {
  throw std::runtime_error("cannot listen on " + address + ": " + what + ": " +
                           std::strerror(error) + likely_cause(error));
}

struct Step {
  const char* what = nullptr;  // that failed
  int error = 0;
};

Step set_option(int fd, int level, int name, int value, const char* what) {
  if (setsockopt(fd, level, name, &value, sizeof value) == 0) return {};
  return {what, errno};
}

Step set_options(int fd, const Config& config, bool share) {
  const auto seconds = [](std::int64_t ms) { return static_cast<int>((ms + 999) / 1000); };
  Step step;
  const auto set = [&](int level, int name, int value, const char* what) {
    if (step.what == nullptr) step = set_option(fd, level, name, value, what);
  };
  set(SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  if (share) set(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  set(SOL_SOCKET, SO_RCVBUF, static_cast<int>(config.so_rcvbuf_bytes), "SO_RCVBUF");
  set(SOL_SOCKET, SO_SNDBUF, static_cast<int>(config.so_sndbuf_bytes), "SO_SNDBUF");
  set(SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE");
  set(IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
  set(IPPROTO_TCP, TCP_KEEPIDLE, seconds(config.tcp_keepalive_idle_ms), "TCP_KEEPIDLE");
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds, "TCP_KEEPINTVL");
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(config.tcp_user_timeout_ms),
      "TCP_USER_TIMEOUT");
  set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(config.tcp_notsent_lowat_bytes),
      "TCP_NOTSENT_LOWAT");
  if (step.what == nullptr && !config.tcp_congestion.empty() &&
      setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, config.tcp_congestion.data(),
                 static_cast<socklen_t>(config.tcp_congestion.size())) != 0) {
    step = {"TCP_CONGESTION (is tcp_congestion one of net.ipv4.tcp_available_congestion_control?)",
            errno};
  }
  return step;
}

// A listening socket in `fd`, or what failed.
Step listen_on(const ListenAddress& address, const Config& config, bool share, int& fd) {
  fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return {"socket", errno};
  Step step = set_options(fd, config, share);
  const auto* name = reinterpret_cast<const sockaddr*>(&address.storage);
  if (step.what == nullptr && bind(fd, name, address.size) != 0) step = {"bind", errno};
  if (step.what == nullptr && listen(fd, static_cast<int>(config.listen_backlog)) != 0) {
    step = {"listen", errno};
  }
  if (step.what != nullptr) {
    ::close(fd);
    fd = -1;
  }
  return step;
}

// The same, for the first of a server.
Step listen_first(const ListenAddress& address, const Config& config, bool share, int& fd) {
  Step step;
  for (int left = kAddressTries; left > 0; --left) {
    step = listen_on(address, config, share, fd);
    if (step.error != EADDRINUSE) return step;
    std::this_thread::sleep_for(kAddressPause);
  }
  return step;
}

}  // namespace

Listener Listener::open(const Config& config, const std::string& address, bool first) {
  std::optional<ListenAddress> parsed = parse_listen_address(address);
  if (!parsed) {
    throw std::runtime_error("cannot listen on \"" + address +
                             "\": not an address like 127.0.0.1:7000 or [::1]:7000");
  }
  Listener listener(config, address);
  const bool share = config.gateways > 1;
  int fd = -1;
  if (first && share) {
    // Alone on the address? The kernel's choice of a port stays free for the moment in between.
    const Step step = listen_first(*parsed, config, false, fd);
    if (step.what != nullptr) fail(address, step.what, step.error);
    parsed->size = sizeof parsed->storage;
    getsockname(fd, reinterpret_cast<sockaddr*>(&parsed->storage), &parsed->size);
    ::close(fd);
  }
  const Step step = first ? listen_first(*parsed, config, share, fd)
                          : listen_on(*parsed, config, share, fd);
  if (step.what != nullptr) fail(address, step.what, step.error);
  listener.fd_ = fd;
  ListenAddress bound;
  bound.size = sizeof bound.storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size);
  listener.address_ = format_listen_address(bound);
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : config_(other.config_),
      address_(std::move(other.address_)),
      fd_(std::exchange(other.fd_, -1)) {}

Listener::~Listener() { close(); }

void Listener::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int Listener::reopen() {
  if (fd_ >= 0) return 0;
  const std::optional<ListenAddress> parsed = parse_listen_address(address_);
  if (!parsed) return EINVAL;
  return listen_on(*parsed, *config_, config_->gateways > 1, fd_).error;
}

}  // namespace ims::gateway
