// The operator's line to a running server: its unix socket (operator_line.h).
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "deploy/admin_address.h"
#include "deploy/operator_line.h"
#include "shared/limits.h"

namespace ims {
namespace {

constexpr time_t kAnswerSecondsMax = 60;  // the server itself gives up after 30
constexpr std::size_t kAnswerBytesMax = 4 * kMiB;

class SocketLine final : public OperatorLine {
 public:
  explicit SocketLine(int fd) : fd_(fd) {}
  ~SocketLine() override { close(fd_); }

 private:
  nlohmann::json answer(const nlohmann::json& question) override {
    send_line(question.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return nlohmann::json::parse(receive_line(), nullptr, false);
  }

  void send_line(std::string_view line) {
    while (!line.empty()) {
      const ssize_t sent = send(fd_, line.data(), line.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) fail("cannot ask the server");
      line.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  std::string receive_line() {
    std::string line;
    char room[16 * kKiB];
    while (true) {
      const ssize_t got = recv(fd_, room, sizeof room, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) throw OperatorError("the server ended before it answered");
      if (got < 0) fail("no answer from the server");
      line.append(room, static_cast<std::size_t>(got));
      if (line.back() == '\n') return line;  // one question, one answer
      if (line.size() > kAnswerBytesMax) throw OperatorError("the server's answer is too long");
    }
  }

  [[noreturn]] void fail(const char* what) {
    const bool late = errno == EAGAIN || errno == EWOULDBLOCK;
    throw OperatorError(std::string(what) + ": " +
                        (late ? "timed out" : std::generic_category().message(errno)));
  }

  int fd_;
};

}  // namespace

std::unique_ptr<OperatorLine> open_socket_line(const DataDir& data, std::string& why) {
  try {
    const AdminAddress address(data);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
    const timeval timeout{kAnswerSecondsMax, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, address.get(), address.bytes()) == 0) return std::make_unique<SocketLine>(fd);
    const int error = errno;
    close(fd);
    if (error == EACCES || error == EPERM) {
      throw OperatorError(data.admin_socket().string() + ": " +
                          std::generic_category().message(error) +
                          "; imsctl runs as the server's user or as root");
    }
    why = data.admin_socket().string() + " does not answer: " +
          std::generic_category().message(error);
  } catch (const std::system_error& error) {
    if (error.code().value() == EACCES) throw OperatorError(error.what());
    why = std::string("it has no admin socket: ") + error.what();
  }
  return nullptr;
}

}  // namespace ims
