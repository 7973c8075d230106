// The simulated kernel: sockets in memory, faults from a seed (sim_io.h).
#include "tests/support/sim_io.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "shared/assert.h"

namespace ims::test {

using gateway::Completion;
using gateway::IoOp;
using gateway::IoRequest;

namespace {
constexpr std::size_t kReceiveBytesMax = 2048;
constexpr int kReceivesPerTurn = 8;
}  // namespace

SimIo::SimIo(std::uint64_t seed, GatewayIndex, SimFaults faults) : prng_(seed), faults_(faults) {}

SimIo::~SimIo() = default;

// ---- the gateway's side ------------------------------------------------------------------------

std::span<const Completion> SimIo::wait(std::chrono::milliseconds) {
  completions_.clear();
  for (std::size_t i = 0; i < live_.size(); ++i) pump(live_[i]);
  std::erase_if(live_, [this](Client client) { return at(client).released || at(client).refused; });
  return completions_;
}

void SimIo::pump(Client client) {
  Socket& socket = at(client);
  if (!socket.accepted) {
    if (!accepting_ || !now_due()) return;
    socket.accepted = true;
    completions_.push_back({IoOp::kAccept, gateway::kNoConnection, 0,
                            static_cast<gateway::SocketHandle>(client), {}, false});
    return;
  }
  if (socket.released) return;
  if (!socket.client_reset && socket.connection != gateway::kNoConnection &&
      prng_.chance(faults_.reset_percent)) {
    reset(client);
  }
  pump_send(socket);
  pump_receive(socket);
  if (socket.shutdown_in_flight && now_due()) {
    socket.shutdown_in_flight = false;
    socket.server_fin = true;
    completions_.push_back({IoOp::kShutdown, socket.connection,
                            socket.client_reset ? -ENOTCONN : 0, -1, {}, false});
  }
  pump_close(socket);
}

void SimIo::lend(Socket& socket, std::size_t bytes) {
  lent_.push_back(socket.to_server.substr(0, bytes));
  socket.to_server.erase(0, bytes);
}

void SimIo::pump_receive(Socket& socket) {
  for (int n = 0; n < kReceivesPerTurn && socket.armed && now_due(); ++n) {
    Completion completion{IoOp::kRecv, socket.connection, 0, -1, {}, false};
    if (socket.stop && prng_.chance(50)) {  // the cancellation may come before or after data
      completion.result = -ECANCELED;
      completion.ended = true;
    } else if (socket.client_reset) {
      completion.result = -ECONNRESET;
      completion.ended = true;
    } else if (!socket.to_server.empty()) {
      if (prng_.chance(faults_.enobufs_percent)) {
        completion.result = -ENOBUFS;
        completion.ended = true;
      } else {
        std::size_t bytes = std::min(socket.to_server.size(), kReceiveBytesMax);
        if (prng_.chance(faults_.cut_percent)) bytes = 1 + prng_.below(bytes);
        lend(socket, bytes);
        completion.result = static_cast<std::int32_t>(bytes);
        completion.bytes = as_bytes(lent_.back());
        // As after an overflow of the completion queue: bytes, and yet it ended.
        completion.ended = prng_.chance(faults_.enobufs_percent / 2);
      }
    } else if (socket.client_fin) {
      completion.ended = true;
    } else if (socket.stop) {
      completion.result = -ECANCELED;
      completion.ended = true;
    } else {
      return;
    }
    if (completion.ended) socket.armed = socket.stop = false;
    completions_.push_back(completion);
  }
}

void SimIo::pump_send(Socket& socket) {
  if (!socket.send_in_flight || !now_due()) return;
  IMS_ASSERT(as_text(socket.send) == socket.send_copy);  // the kernel was reading these bytes
  Completion completion{IoOp::kSend, socket.connection, 0, -1, {}, false};
  if (socket.close_requested) {
    completion.result = -ECANCELED;
  } else if (socket.client_reset) {
    completion.result = -EPIPE;
  } else if (socket.send_error != 0) {
    completion.result = -std::exchange(socket.send_error, 0);
  } else {
    if (socket.sends_held || socket.to_client.size() >= socket.window_bytes) return;
    std::size_t bytes =
        std::min(socket.send.size(), socket.window_bytes - socket.to_client.size());
    if (bytes > 1 && prng_.chance(faults_.short_send_percent)) bytes = 1 + prng_.below(bytes);
    if (bytes < socket.send.size()) ++short_sends_;
    socket.to_client.append(socket.send_copy, 0, bytes);
    completion.result = static_cast<std::int32_t>(bytes);
  }
  socket.send_in_flight = false;
  completions_.push_back(completion);
}

void SimIo::pump_close(Socket& socket) {
  if (!socket.close_requested || socket.released || !now_due()) return;
  if (socket.send_in_flight) return;  // its cancellation is reported first
  if (socket.armed) {
    socket.armed = socket.stop = false;
    completions_.push_back({IoOp::kRecv, socket.connection, -ECANCELED, -1, {}, true});
  }
  socket.released = true;
  completions_.push_back({IoOp::kClosed, socket.connection, 0, -1, {}, false});
}

void SimIo::submit(std::span<const IoRequest> requests) {
  for (std::string& buffer : lent_) std::fill(buffer.begin(), buffer.end(), '\xdd');
  lent_.clear();
  shut_down_now_.clear();
  for (const IoRequest& request : requests) {
    Socket& socket = at(static_cast<Client>(request.socket));
    IMS_ASSERT(socket.accepted && !socket.close_requested);
    if (request.connection != gateway::kNoConnection) {
      IMS_ASSERT(socket.connection == gateway::kNoConnection ||
                 socket.connection == request.connection);
      socket.connection = request.connection;
    }
    switch (request.op) {
      case IoOp::kStartRecv:
        IMS_ASSERT(!socket.armed);
        socket.armed = true;
        break;
      case IoOp::kStopRecv:
        if (socket.armed) socket.stop = true;
        break;
      case IoOp::kSend:
        IMS_ASSERT(!socket.send_in_flight && !request.bytes.empty());
        IMS_ASSERT(!socket.server_fin && !socket.shutdown_in_flight);
        socket.send_in_flight = true;
        socket.send = request.bytes;
        socket.send_copy = std::string(as_text(request.bytes));
        ++sends_;
        break;
      case IoOp::kShutdown:
        IMS_ASSERT(!socket.send_in_flight && !socket.shutdown_in_flight);
        socket.shutdown_in_flight = true;
        shut_down_now_.push_back(request.socket);
        break;
      case IoOp::kCloseNow:
        IMS_ASSERT(!socket.shutdown_in_flight);
        socket.close_requested = true;
        socket.closed = true;
        // Unread input: the kernel answers with a reset, and the client loses what it had not read.
        if (!socket.to_server.empty() && !socket.client_reset) {
          socket.server_reset = true;
          socket.to_client.clear();
        }
        socket.server_fin = true;
        break;
      case IoOp::kAccept:
      case IoOp::kRecv:
      case IoOp::kClosed:
        IMS_ASSERT(false);
    }
  }
}

void SimIo::set_accepting(bool accepting) {
  if (accepting_ == accepting) return;
  accepting_ = accepting;
  if (accepting) return;
  for (const Client client : live_) {  // a closing listener resets who waits in its queue
    if (!at(client).accepted) at(client).refused = true;
  }
}

// ---- clients -----------------------------------------------------------------------------------

SimIo::Client SimIo::connect(std::size_t window_bytes) {
  sockets_.emplace_back();
  sockets_.back().window_bytes = window_bytes;
  if (accepting_) {
    live_.push_back(sockets_.size() - 1);
  } else {
    sockets_.back().refused = true;
  }
  return sockets_.size() - 1;
}

void SimIo::write(Client client, std::string_view bytes) {
  Socket& socket = at(client);
  IMS_ASSERT(!socket.client_fin);
  if (socket.client_reset || socket.server_reset || socket.refused) return;
  if (socket.closed) {  // bytes for a closed socket: a reset comes back
    socket.server_reset = true;
    socket.to_client.clear();
    return;
  }
  socket.to_server += bytes;
}

std::string SimIo::read(Client client) { return std::exchange(at(client).to_client, {}); }

void SimIo::half_close(Client client) { at(client).client_fin = true; }

void SimIo::reset(Client client) {
  Socket& socket = at(client);
  socket.client_reset = true;
  socket.to_server.clear();
  socket.to_client.clear();
}

SimIo::End SimIo::ended(Client client) const {
  const Socket& socket = at(client);
  if (socket.refused) return End::kRefused;
  if (socket.client_reset || socket.server_reset) return End::kReset;
  if (socket.server_fin && socket.to_client.empty()) return End::kClosed;
  return End::kOpen;
}

bool SimIo::server_holds(Client client) const {
  return at(client).accepted && !at(client).released;
}

}  // namespace ims::test
