// Sockets, timeouts and the event loop of a client (client.h).
#include "shared/client/client.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "shared/config_value.h"
#include "shared/frame.h"
#include "shared/limits.h"

namespace ims::client {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kReceiveBytes = 64 * kKiB;

[[noreturn]] void fail(ClientError::Kind kind, const std::string& what, int error) {
  throw ClientError(kind, what + ": " + std::generic_category().message(error));
}

template <typename Deadline>
int left_ms(Deadline deadline) {
  const auto left =
      std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

}  // namespace

// ---- connecting ----

int connect_to(std::string_view address, milliseconds timeout) {
  const auto target = parse_listen_address(address);
  if (!target) {
    throw ClientError(ClientError::Kind::kRefused,
                      "'" + std::string(address) + "' is no address such as 127.0.0.1:7000");
  }
  const int fd = socket(target->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail(ClientError::Kind::kRefused, "no socket", errno);
  int error = 0;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&target->storage), target->size) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      pollfd waited{fd, POLLOUT, 0};
      const auto deadline = std::chrono::steady_clock::now() + timeout;
      int ready = 0;
      do {
        ready = ::poll(&waited, 1, left_ms(deadline));
      } while (ready < 0 && errno == EINTR);
      socklen_t bytes = sizeof error;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
      if (ready == 0) error = ETIMEDOUT;
    }
  }
  if (error != 0) {
    close(fd);
    const bool late = error == ETIMEDOUT;
    fail(late ? ClientError::Kind::kTimeout : ClientError::Kind::kRefused,
         "cannot connect to " + std::string(address), error);
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

Client::Client(int fd, Wire wire) : fd_(fd), wire_(wire) {
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

Client::~Client() { close(fd_); }

LoginAnswer Client::login(const Login& login, milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  login_pending_ = true;
  send_bytes(connect_frame(wire_, ++last_id_, login));
  while (auto event = poll(milliseconds(left_ms(deadline)))) {
    if (auto* answer = std::get_if<LoginAnswer>(&*event)) {
      login_pending_ = false;
      return std::move(*answer);
    }
    if (const auto* farewell = std::get_if<Farewell>(&*event)) {
      throw ClientError(ClientError::Kind::kRefused, "disconnected at login: " + farewell->reason);
    }
    throw ClientError(ClientError::Kind::kProtocol, "a frame came before the login was answered");
  }
  throw ClientError(ClientError::Kind::kTimeout, "no answer to the login");
}

// ---- sending ----

std::uint64_t Client::send_request(RequestType type, std::string_view payload, bool offline) {
  const std::uint64_t id = ++last_id_;
  send_bytes(request_frame(wire_, id, type, payload, offline));
  return id;
}

std::uint64_t Client::send_message(const OutMessage& message, bool offline) {
  return send_request(RequestType::kMessage, message_payload(message), offline);
}

std::uint64_t Client::send_group(const OutGroupRequest& request) {
  return send_request(RequestType::kGroup, group_payload(request));
}

std::uint64_t Client::send_sync(std::string_view group, std::uint64_t after_seq,
                                std::uint32_t limit) {
  return send_request(RequestType::kSync, sync_payload(group, after_seq, limit));
}

void Client::send_ack(std::string_view group, std::uint64_t seq) {
  send_bytes(request_frame(wire_, 0, RequestType::kAck, ack_payload(group, seq)));
}

void Client::send_heartbeat() { send_bytes(std::string_view("\0", 1)); }

void Client::send_disconnect() { send_bytes(disconnect_frame(wire_)); }

void Client::send_bytes(std::string_view bytes) {
  const auto deadline = Clock::now() + send_timeout_;
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      wait(POLLOUT, deadline, "the server takes no bytes");
    } else if (errno != EINTR) {
      fail(ClientError::Kind::kClosed, "cannot send", errno);
    }
  }
}

// ---- receiving ----

std::optional<Event> Client::poll(milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (true) {
    if (auto event = next_event()) return event;
    if (ended_) throw ClientError(ClientError::Kind::kClosed, "the server closed the connection");
    if (receive()) continue;
    pollfd waited{fd_, POLLIN, 0};
    const int ready = ::poll(&waited, 1, left_ms(deadline));
    if (ready == 0) return std::nullopt;
  }
}

std::optional<Event> Client::next_event() {
  const ByteView rest = as_bytes(std::string_view(in_).substr(taken_));
  const FrameResult frame = next_frame(rest, static_cast<std::uint32_t>(kMaxFrameBytesCeiling));
  if (frame.status == FrameStatus::kNeedMore) {
    in_.erase(0, taken_);
    taken_ = 0;
    return std::nullopt;
  }
  std::optional<Event> event;
  if (frame.status == FrameStatus::kFrame) {
    event = decode_event(wire_.edition, frame.payload, login_pending_);
  }
  if (!event) {
    throw ClientError(ClientError::Kind::kProtocol, "the server sent what is no frame of a server");
  }
  taken_ += frame.consumed_bytes;
  return event;
}

bool Client::receive() {
  const std::size_t before = in_.size();
  in_.resize(before + kReceiveBytes);
  const ssize_t got = recv(fd_, in_.data() + before, kReceiveBytes, 0);
  const int error = errno;
  in_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got > 0) return true;
  if (got < 0 && (error == EAGAIN || error == EINTR)) return false;
  // The end, or a reset: what came before it is still given out.
  ended_ = true;
  return true;
}

void Client::wait(short events, Clock::time_point deadline, const char* for_what) {
  pollfd waited{fd_, static_cast<short>(events | (ended_ ? 0 : POLLIN)), 0};
  const int ready = ::poll(&waited, 1, left_ms(deadline));
  if (ready == 0) throw ClientError(ClientError::Kind::kTimeout, for_what);
  if (ready > 0 && (waited.revents & POLLIN) != 0) receive();
}

}  // namespace ims::client
