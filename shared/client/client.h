// A client of imsd on one blocking connection, for tools and tests: log in, send, poll for events.
//
//   Client client(connect_to("127.0.0.1:7000", 5s), kTyped);
//   LoginAnswer answer = client.login({.org = "demo", ...}, 5s);
//   std::uint64_t id = client.send_message({...}, /*offline=*/true);
//   while (auto event = client.poll(100ms)) ...             pushes and answers, in their order
//
// Sending   While the server does not take bytes, what it sends is read and kept, so that two full
//           buffers never wait for each other.
// Threads   One. Reconnecting is the caller's.
// Errors    ClientError: refused, closed, timed out, or bytes that are no frame of a server. The
//           connection is then of no more use. kClosed alone is no fault: events that came before
//           the end are still given out first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "shared/client/events.h"
#include "shared/client/requests.h"

namespace ims::client {

class ClientError : public std::runtime_error {
 public:
  enum class Kind : std::uint8_t { kRefused, kClosed, kTimeout, kProtocol };
  ClientError(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

// A connected TCP socket. "127.0.0.1:7000", "[::1]:7000": numeric alone. Throws ClientError.
int connect_to(std::string_view address, std::chrono::milliseconds timeout);

class Client {
 public:
  // Takes the socket over.
  Client(int fd, Wire wire);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends CONNECT and waits for its answer, also one that refuses. A Disconnect instead of an
  // answer is thrown as kRefused.
  LoginAnswer login(const Login& login, std::chrono::milliseconds timeout);

  // Each returns the request's id, which its answer carries.
  std::uint64_t send_request(RequestType type, std::string_view payload, bool offline = false);
  std::uint64_t send_message(const OutMessage& message, bool offline);
  std::uint64_t send_group(const OutGroupRequest& request);
  std::uint64_t send_sync(std::string_view group, std::uint64_t after_seq, std::uint32_t limit = 0);
  void send_ack(std::string_view group, std::uint64_t seq);  // without an answer
  void send_heartbeat();
  void send_disconnect();
  void send_bytes(std::string_view bytes);  // as they are

  // The next event; nothing: none came in time. Zero only looks.
  std::optional<Event> poll(std::chrono::milliseconds timeout);

  // For a caller that waits for more than this socket. Poll until nothing comes before waiting.
  int fd() const noexcept { return fd_; }
  void set_send_timeout(std::chrono::milliseconds timeout) noexcept { send_timeout_ = timeout; }
  Wire wire() const noexcept { return wire_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<Event> next_event();
  bool receive();  // false: nothing there now
  void wait(short events, Clock::time_point deadline, const char* for_what);

  const int fd_;
  const Wire wire_;
  std::chrono::milliseconds send_timeout_{30'000};
  std::uint64_t last_id_ = 0;
  bool login_pending_ = false;
  bool ended_ = false;
  std::string in_;
  std::size_t taken_ = 0;  // bytes of in_ that were given out
};

}  // namespace ims::client
