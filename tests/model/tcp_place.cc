// Sockets of a few dozen clients, polled (tcp_place.h).
#include "tests/model/tcp_place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "logic/jwt.h"

namespace ims::model {
namespace {

constexpr std::chrono::milliseconds kPatience{5000};  // then what did not come, does not come
constexpr int kPollMs = 20;
constexpr std::int64_t kCursorsDurableMs = 1300;  // an AUTO cursor is durable within a second

}  // namespace

TcpPlace::~TcpPlace() {
  for (const auto& [client, fd] : sockets_) close(fd);
}

void TcpPlace::pass(std::int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

void TcpPlace::begin() { deadline_ = std::chrono::steady_clock::now() + kPatience; }

void TcpPlace::connect(int client, std::size_t) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (fd >= 0) close(fd);
    throw std::runtime_error("cannot connect");
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockets_[client] = fd;
}

// What is written fits the socket's buffer: the server answers before the next is asked.
void TcpPlace::write(int client, const std::string& bytes) {
  const auto it = sockets_.find(client);
  if (it == sockets_.end()) return;
  if (send(it->second, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("cannot send");
  }
}

void TcpPlace::half_close(int client) { shutdown(sockets_.at(client), SHUT_WR); }

void TcpPlace::reset(int client) {
  const linger now{1, 0};
  setsockopt(sockets_.at(client), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(sockets_.at(client));
  sockets_.erase(client);
}

std::string TcpPlace::read(int client) {
  std::string bytes;
  const auto it = sockets_.find(client);
  while (it != sockets_.end()) {
    char buffer[16 * 1024];
    const ssize_t got = recv(it->second, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) {
      bytes.append(buffer, static_cast<std::size_t>(got));
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    close(it->second);
    sockets_.erase(it);
    break;
  }
  return bytes;
}

std::string TcpPlace::token(int tenant, const std::string& user) {
  const auto exp_s = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count() +
                     3600;
  return logic::sign_jwt_hs256("a-secret-of-32-bytes-or-more-of-" + std::to_string(tenant),
                               {.user = user, .exp_s = exp_s});
}

void TcpPlace::restart(bool crash) {
  if (crash) pass(kCursorsDurableMs);
  std::printf("%s\n", crash ? "crash" : "restart");
  std::fflush(stdout);
  char line[8];
  if (std::fgets(line, sizeof line, stdin) == nullptr) throw std::runtime_error("nobody restarts");
  for (const auto& [client, fd] : sockets_) close(fd);
  sockets_.clear();
  begin();
}

bool TcpPlace::wait() {
  std::vector<pollfd> fds;
  for (const auto& [client, fd] : sockets_) fds.push_back({fd, POLLIN, 0});
  poll(fds.data(), fds.size(), kPollMs);
  return std::chrono::steady_clock::now() < deadline_;
}

}  // namespace ims::model
