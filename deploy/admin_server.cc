// The admin thread: its sockets and its loop (admin_server.h).
#include "deploy/admin_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "deploy/admin_address.h"
#include "deploy/operator_desk.h"
#include "deploy/verify_copy.h"
#include "deploy/worker_backend.h"
#include "shared/clock.h"
#include "shared/limits.h"
#include "shared/log.h"

namespace ims {
namespace {

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::runtime_error(what + ": " + std::generic_category().message(errno));
}

// What a dead server left is replaced: the store's lock is ours, so no other one lives.
int listen_on(const DataDir& data) {
  const AdminAddress address(data);
  if (fchmodat(AT_FDCWD, data.run().c_str(), 0700, 0) != 0) {
    throw_errno("cannot close " + data.run().string() + " to others");
  }
  if (unlinkat(AT_FDCWD, data.admin_socket().c_str(), 0) != 0 && errno != ENOENT) {
    throw_errno("cannot replace " + data.admin_socket().string());
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw_errno("no socket for administration");
  if (bind(fd, address.get(), address.bytes()) != 0 ||
      chmod(data.admin_socket().c_str(), 0600) != 0 ||
      listen(fd, static_cast<int>(kAdminConnectionsMax)) != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    throw_errno("cannot listen on " + data.admin_socket().string());
  }
  return fd;
}

bool may_ask(int fd) {
  ucred peer{};
  socklen_t bytes = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

}  // namespace

struct AdminServer::Parts {
  struct Connection {
    int fd = -1;
    std::string in;
    std::string out;
    bool closing = false;  // once `out` is sent
    bool owns_copy = false;  // of the store, for as long as it lives: it may be silent
    std::int64_t heard_ms = 0;
  };

  explicit Parts(AdminWiring wired)
      : wiring(std::move(wired)),
        copy(wiring.data, wiring.files),
        backend(wiring.hash_seed, wiring.ports, wiring.workers, *wiring.wakeup, copy),
        desk(load_tenants(*wiring.store), backend, wiring.listen),
        listener(listen_on(wiring.data)) {}
  ~Parts() {
    for (const Connection& connection : connections) close(connection.fd);
    close(listener);
    unlink(wiring.data.admin_socket().c_str());
  }

  void accept_all();
  void make_room();
  void read_from(Connection& connection);
  void answer_lines(Connection& connection);
  void write_to(Connection& connection);

  const AdminWiring wiring;
  VerifyCopy copy;
  WorkerBackend backend;
  OperatorDesk desk;
  const int listener;
  std::vector<Connection> connections;
};

AdminServer::AdminServer(AdminWiring wiring) : parts_(std::make_unique<Parts>(std::move(wiring))) {}

AdminServer::~AdminServer() = default;

void AdminServer::run(const std::atomic<bool>& stop) {
  Parts& parts = *parts_;
  Wakeup& wakeup = *parts.wiring.wakeup;
  parts.backend.watch(stop);
  std::vector<pollfd> polled;
  // relaxed: a flag that orders nothing.
  while (!stop.load(std::memory_order_relaxed)) {
    polled.clear();
    polled.push_back({wakeup.fd(), POLLIN, 0});
    const bool room = parts.connections.size() < kAdminConnectionsMax;
    polled.push_back({room ? parts.listener : -1, POLLIN, 0});  // -1: not looked at
    for (const Parts::Connection& connection : parts.connections) {
      const short events = connection.out.empty() ? POLLIN : POLLOUT;
      polled.push_back({connection.fd, events, 0});
    }
    wakeup.prepare_sleep();
    if (!stop.load(std::memory_order_relaxed)) {
      // EINTR: nothing is ready, round again.
      poll(polled.data(), polled.size(), room ? -1 : static_cast<int>(kAdminSilentMs / 4));
    }
    wakeup.cancel_sleep();
    wakeup.drain();

    for (std::size_t i = 0; i < parts.connections.size(); ++i) {
      Parts::Connection& connection = parts.connections[i];
      const short ready = polled[i + 2].revents;
      if ((ready & POLLOUT) != 0) {
        parts.write_to(connection);
        parts.answer_lines(connection);
      } else if (ready != 0) {
        parts.read_from(connection);
      }
    }
    parts.make_room();
    std::erase_if(parts.connections, [&parts](const Parts::Connection& connection) {
      const bool gone = connection.closing && connection.out.empty();
      if (gone) close(connection.fd);
      if (gone && connection.owns_copy) parts.copy.remove();
      return gone;
    });
    if (polled[1].revents != 0) parts.accept_all();
  }
}

// Where all places are taken, who has been silent for long gives up his: a tool that hangs must not
// keep the operator out.
void AdminServer::Parts::make_room() {
  if (connections.size() < kAdminConnectionsMax) return;
  const std::int64_t now_ms = read_clock().mono_ms;
  for (Connection& connection : connections) {
    if (connection.owns_copy || now_ms - connection.heard_ms < kAdminSilentMs) continue;
    connection.out.clear();
    connection.closing = true;
  }
}

void AdminServer::Parts::accept_all() {
  while (connections.size() < kAdminConnectionsMax) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      const bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
      if (!later) IMS_LOG(kWarn, "admin_accept_failed", {{"errno", errno}});
      return;
    }
    if (may_ask(fd)) {
      connections.push_back({fd, {}, {}, false, false, read_clock().mono_ms});
    } else {
      IMS_LOG(kWarn, "admin_peer_refused", {});
      close(fd);
    }
  }
}

void AdminServer::Parts::read_from(Connection& connection) {
  char room[16 * kKiB];
  const ssize_t got = recv(connection.fd, room, sizeof room, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    connection.out.clear();
    connection.closing = true;
    return;
  }
  connection.heard_ms = read_clock().mono_ms;
  connection.in.append(room, static_cast<std::size_t>(got));
  answer_lines(connection);
}

// One after the other, each once the answer before it has left: so `out` holds one answer at most.
void AdminServer::Parts::answer_lines(Connection& connection) {
  while (connection.out.empty() && !connection.closing) {
    const std::size_t end = connection.in.find('\n');
    if (end > kAdminLineBytesMax && connection.in.size() > kAdminLineBytesMax) {
      connection.out = R"({"code":9,"reason":"a question has at most 65536 bytes"})" "\n";
      connection.closing = true;
    } else if (end == std::string::npos) {
      return;
    } else {
      const std::uint32_t copies = copy.count();
      connection.out = desk.answer_line(std::string_view(connection.in).substr(0, end));
      connection.owns_copy |= copy.count() != copies;
      connection.out += '\n';
      connection.in.erase(0, end + 1);
    }
    write_to(connection);
  }
}

void AdminServer::Parts::write_to(Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t sent =
        send(connection.fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;  // POLLOUT
    if (sent <= 0) {
      connection.out.clear();
      connection.closing = true;
      return;
    }
    connection.out.erase(0, static_cast<std::size_t>(sent));
  }
}

}  // namespace ims
