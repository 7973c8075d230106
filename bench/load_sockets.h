// The connections of the load generator: one epoll loop over all of them, output of one round of
// events collected and sent once per connection, as the server under load does it.
//
// Threads  One.
// Errors   std::runtime_error: a connection that breaks ends the run, whatever the cause.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/load_wire.h"

namespace ims::bench {

struct Connection {
  int fd = -1;
  std::uint32_t index = 0;
  bool logged_in = false;
  bool flushing = false;    // stands in the list of those with output
  bool waits_write = false; // EPOLLOUT is asked for
  std::string in;           // a cut frame
  std::string out;
  std::size_t out_at = 0;
};

class Sockets {
 public:
  using OnFrame = std::function<void(Connection&, ByteView frame)>;

  Sockets(std::string_view address, std::uint32_t count, OnFrame on_frame);
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // Non-blocking; what is put out before it is connected leaves then.
  void connect(Connection& connection);

  // To be called after something was appended to `out`.
  void touched(Connection& connection) {
    if (connection.flushing) return;
    connection.flushing = true;
    dirty_.push_back(connection.index);
  }

  // One round: events, their frames, then everything that is to be sent.
  void turn(std::chrono::milliseconds timeout);

  std::vector<Connection>& all() noexcept { return connections_; }
  std::uint64_t sends() const noexcept { return sends_; }
  std::uint64_t recvs() const noexcept { return recvs_; }

 private:
  void receive(Connection& connection);
  void flush(Connection& connection);
  void watch(Connection& connection, bool write, bool added);

  const int epoll_;
  const std::string address_;
  const OnFrame on_frame_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> flushing_;
  std::vector<std::byte> buffer_;
  std::uint64_t sends_ = 0;
  std::uint64_t recvs_ = 0;
};

}  // namespace ims::bench
