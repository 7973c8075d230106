// The listening socket of one gateway. Every socket option is set here, once: accepted connections
// inherit them, so no system call is made per connection.
//
//   NODELAY, SNDBUF, RCVBUF, NOTSENT_LOWAT, USER_TIMEOUT, KEEPALIVE and KEEPIDLE, CONGESTION
//
// With several gateways each has its own listener on the same address (SO_REUSEPORT), and the
// kernel spreads connections by their 4-tuple. The first one makes sure that nobody else holds the
// address: with SO_REUSEPORT alone a second server would silently share it.
//
// Errors   open() throws std::runtime_error, one sentence that names the address and the likely
//          cause; that the address is in use only after 2 s. reopen() returns an errno.
// Threads  open() at start-up, the rest on the gateway's thread.
#pragma once

#include <cstdint>
#include <string>

#include "shared/config.h"

namespace ims::gateway {

class Listener {
 public:
  // `address`: "127.0.0.1:7000", "[::1]:7000"; port 0: the kernel chooses. `first`: of this server.
  static Listener open(const Config& config, const std::string& address, bool first);

  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  int fd() const noexcept { return fd_; }  // -1 while closed
  // With the port that is bound: what the next gateway's open() takes.
  const std::string& address() const noexcept { return address_; }

  // Connections that may wait in it, at most.
  std::uint32_t backlog() const noexcept { return config_->listen_backlog; }

  void close() noexcept;
  // 0, or the errno of what failed; then still closed.
  int reopen();

 private:
  Listener(const Config& config, std::string address)
      : config_(&config), address_(std::move(address)) {}

  const Config* config_;
  std::string address_;
  int fd_ = -1;
};

}  // namespace ims::gateway
