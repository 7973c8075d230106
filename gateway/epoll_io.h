// The backend on epoll, where io_uring is refused: same requests, same completions, about 15% more
// cycles per message.
//
//   accept    accept4 until it would block, at most kAcceptsPerTurn
//   receive   edge-triggered; a connection that may have more is kept in a list and read again next
//             turn, a share of the turn's 1 MiB each, so that one client cannot starve the others
//   send      at once, in submit(); what the socket does not take waits for EPOLLOUT
//   close     close(); kClosed follows
//   wake-up   the gateway's eventfd in the epoll set
//
// Threads   The constructor anywhere, all else on the gateway's thread.
// Limits    Sockets are file descriptors: RLIMIT_NOFILE over the whole process. When it is reached,
//           a reserve descriptor is given up to accept and drop the waiting client, then accepting
//           pauses for kAcceptBackoffMs and kAcceptErrors counts.
// Errors    The constructor throws std::system_error. Later, a failing epoll_ctl is a bug:
//           assertion.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gateway/io.h"
#include "gateway/listener.h"
#include "gateway/slot_array.h"
#include "shared/counters.h"
#include "shared/wakeup.h"

namespace ims::gateway {

class EpollIo {
 public:
  EpollIo(Listener& listener, Wakeup& wakeup, CounterBlock& counters, GatewayIndex gateway);
  ~EpollIo();
  EpollIo(const EpollIo&) = delete;
  EpollIo& operator=(const EpollIo&) = delete;

  std::span<const Completion> wait(std::chrono::milliseconds timeout);
  void submit(std::span<const IoRequest> requests);
  void set_accepting(bool accepting);

 private:
  // One connection, by its slot.
  struct Socket {
    ConnectionId connection;
    SocketHandle fd = -1;     // -1: not open
    bool armed = false;       // kStartRecv is in force
    bool readable = false;    // the last edge was not read to its end
    bool hung_up = false;     // an edge told of EOF or an error: read until it shows
    bool listed = false;      // stands in readable_
    bool registered = false;  // in the epoll set
    ByteView unsent;          // of the send in flight; waits for EPOLLOUT
  };

  void on_listener();
  void on_socket(ConnectionId connection, std::uint32_t events);
  void receive(Socket& socket, std::size_t share_bytes);
  void try_send(Socket& socket);
  void set_listening(bool listening);
  void pause_accepting(int error);
  Socket& socket_of(ConnectionId connection);
  Socket& registered(const IoRequest& request);
  void register_socket(Socket& socket, const IoRequest& request);
  void list_readable(Socket& socket);

  Listener& listener_;
  Wakeup& wakeup_;
  CounterBlock& counters_;
  const GatewayIndex gateway_;
  int epoll_fd_ = -1;
  int reserve_fd_ = -1;
  SlotArray<Socket> sockets_;
  std::vector<ConnectionId> readable_;      // read this turn, and those to read next turn
  std::vector<ConnectionId> reading_;
  std::vector<Completion> completions_;
  std::vector<Completion> submitted_;       // made by submit(), reported by the next wait()
  std::unique_ptr<std::byte[]> buffer_;     // lent to this turn's completions
  std::size_t buffer_used_ = 0;
  bool accepting_ = true;
  bool listening_ = false;                  // the listener is in the epoll set
  std::int64_t accept_retry_ms_ = 0;
};

}  // namespace ims::gateway
