// A gateway on a real backend, with a thread that plays the workers, and a client socket for it:
// the worker logs everybody in, echoes messages as pushes, answers SYNC with 64 KiB.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "gateway/epoll_io.h"
#include "gateway/gateway_thread.h"
#include "gateway/listener.h"
#include "gateway/uring_io.h"
#include "tests/gateway/gateway_fixture.h"

namespace ims::test {

enum class Backend { kUring, kEpoll };

// A gateway thread, and a worker thread that echoes.
class Server {
 public:
  explicit Server(Backend backend, Config config_in = test_config(), std::uint32_t slots = 4096,
                  std::uint32_t ring_slots = 4096)
      : config_(std::move(config_in)),
        requests_("requests", 1 * kMiB),
        deliveries_("deliveries", 1 * kMiB),
        gateway_wakeup_(Wakeup::Kind::kEventFd),
        worker_wakeup_(Wakeup::Kind::kFutex),
        listener_(gateway::Listener::open(config_, "127.0.0.1:0", true)) {
    config_.workers = 1;
    ByteRing* requests = &requests_;
    ByteRing* deliveries = &deliveries_;
    gateway_ = std::make_unique<gateway::Gateway>(gateway::GatewayParts{
        0, config_, 7, {&requests, 1}, {&deliveries, 1}, counters, 42, slots, read_clock()});
    port_ = static_cast<std::uint16_t>(std::stoi(listener_.address().substr(10)));
    if (backend == Backend::kUring) {
      std::string why_not;
      uring_ = gateway::UringIo::create(listener_, gateway_wakeup_, counters, 0,
                                        {slots, ring_slots}, why_not);
      if (!uring_) throw std::runtime_error(why_not);
    } else {
      epoll_ = std::make_unique<gateway::EpollIo>(listener_, gateway_wakeup_, counters, 0);
    }
    gateway_thread_ = std::thread([this] {
      Wakeup* workers[] = {&worker_wakeup_};
      if (uring_) {
        gateway::run_gateway(*gateway_, *uring_, gateway_wakeup_, workers, counters, stop_);
      } else {
        gateway::run_gateway(*gateway_, *epoll_, gateway_wakeup_, workers, counters, stop_);
      }
    });
    worker_thread_ = std::thread([this] { work(); });
  }

  ~Server() {
    stop_.begin = true;
    wake_gateway();
    for (int i = 0; i < 400 && !gateway_done(); ++i) usleep(10'000);
    stop_.abandon = true;
    wake_gateway();
    gateway_thread_.join();
    worker_stop_ = true;
    worker_thread_.join();
  }

  std::uint16_t port() const { return port_; }
  std::uint64_t count(Counter counter) const { return counters.get(counter); }
  bool eventually(auto condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      usleep(10'000);
    }
    return false;
  }
  void begin_stop() {
    stop_.begin = true;
    wake_gateway();
  }
  std::atomic<bool> hold_answers{false};
  std::atomic<std::uint64_t> ended{0};
  std::atomic<std::uint64_t> taken{0};
  CounterBlock counters;

 private:
  // The counters are the gateway thread's; a test only looks.
  bool gateway_done() { return counters.get(Counter::kConnections) == 0; }
  void wake_gateway() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = write(gateway_wakeup_.fd(), &one, sizeof one);
  }

  void work() {
    std::uint64_t sessions = 0;
    std::vector<std::uint64_t> ordinals;  // by connection slot
    while (!worker_stop_) {
      bool any = false;
      for (;;) {
        const ByteView record = hold_answers ? ByteView{} : requests_.front();
        if (record.empty()) break;
        any = true;
        handle(record, sessions, ordinals);
        requests_.pop(record);
        requests_.release();
      }
      if (deliveries_.publish()) gateway_wakeup_.notify();
      if (!any) {
        worker_wakeup_.prepare_sleep();
        if (requests_.empty() || hold_answers) {
          worker_wakeup_.sleep(5);
        } else {
          worker_wakeup_.cancel_sleep();
        }
      }
    }
  }

  void handle(ByteView bytes, std::uint64_t& sessions, std::vector<std::uint64_t>& ordinals) {
    const auto write_record = [&](auto record, std::initializer_list<ByteView> tail) {
      std::size_t size = sizeof record;
      for (const ByteView part : tail) size += part.size();
      for (;;) {
        RecordWriter writer(deliveries_, size);
        if (writer.ok()) {
          writer.header(record);
          for (const ByteView part : tail) writer.append(part);
          writer.commit();
          return;
        }
        if (deliveries_.publish()) gateway_wakeup_.notify();
        usleep(100);
        if (worker_stop_) return;
      }
    };
    switch (kind_of(bytes)) {
      case RecordKind::kLogin: {
        const auto& login = record_as<LoginRecord>(bytes);
        LoginAnswerRecord answer;
        answer.header.kind = RecordKind::kLoginAnswer;
        answer.connection = login.connection;
        answer.session.value = ++sessions;
        answer.user.value = 1;
        answer.user_bytes = 5;
        if (login.connection.slot() >= ordinals.size())
          ordinals.resize(login.connection.slot() + 1);
        ordinals[login.connection.slot()] = 0;
        write_record(answer, {as_bytes("alice")});
        break;
      }
      case RecordKind::kMessage: {
        const auto& request = record_as<RequestRecord>(bytes);
        const ByteView payload = RequestParts(request).payload();
        answer(request, {}, write_record);
        PushRecord push;
        push.header.kind = RecordKind::kPush;
        push.header.flags = kFlagStored;
        push.target_count = 1;
        Request body;
        Message message;
        message.set_payload(std::string(as_text(payload)));
        body.set_payload(message.SerializeAsString());
        const std::string text = body.SerializeAsString();
        push.body_bytes = static_cast<std::uint32_t>(text.size());
        PushTarget target{request.connection, ++ordinals[request.connection.slot()]};
        write_record(push, {{reinterpret_cast<const std::byte*>(&target), sizeof target},
                            as_bytes(text)});
        break;
      }
      case RecordKind::kSync:
        answer(record_as<RequestRecord>(bytes), std::string(65'000, 's'), write_record);
        break;
      case RecordKind::kEnded:
        ++ended;
        break;
      case RecordKind::kTaken:
        taken = record_as<SessionRecord>(bytes).ordinal;
        break;
      default:
        break;
    }
  }
  static void answer(const RequestRecord& request, const std::string& payload, auto& write_record) {
    ResponseRecord response;
    response.header.kind = RecordKind::kResponse;
    response.header.flags = request.header.flags & kFlagBigAnswer;
    response.connection = request.connection;
    response.request_id = request.request_id;
    response.trace = request.trace;
    response.payload_bytes = static_cast<std::uint32_t>(payload.size());
    write_record(response, {as_bytes(payload)});
  }

  Config config_;
  ByteRing requests_;
  ByteRing deliveries_;
  Wakeup gateway_wakeup_;
  Wakeup worker_wakeup_;
  gateway::Listener listener_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::unique_ptr<gateway::UringIo> uring_;
  std::unique_ptr<gateway::EpollIo> epoll_;
  gateway::GatewayStop stop_;
  std::atomic<bool> worker_stop_{false};
  std::uint16_t port_ = 0;
  std::thread gateway_thread_;
  std::thread worker_thread_;
};

// A blocking client with a deadline on everything.
class TcpClient {
 public:
  explicit TcpClient(std::uint16_t port) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd_ >= 0);
    timeval limit{5, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~TcpClient() { close(fd_); }
  TcpClient(const TcpClient&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  bool write(const std::string& bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
      const ssize_t n = send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return false;
      at += static_cast<std::size_t>(n);
    }
    return true;
  }
  void half_close() { shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  // The next frame's payload; empty optional: EOF (error() == 0) or an errno.
  std::optional<std::string> next() {
    for (;;) {
      if (!ready_.empty()) {
        std::string frame = std::move(ready_.front());
        ready_.pop_front();
        return frame;
      }
      char bytes[65536];
      const ssize_t n = recv(fd_, bytes, sizeof bytes, 0);
      if (n <= 0) {
        error_ = n == 0 ? 0 : errno;
        return std::nullopt;
      }
      inbox_.append(bytes, static_cast<std::size_t>(n));
      for (std::string& frame : take_frames(inbox_)) ready_.push_back(std::move(frame));
    }
  }
  int error() const { return error_; }
  // Reads to the end; the number of frames, or -1 after an error.
  int drain() {
    int frames = 0;
    while (next()) ++frames;
    return error_ == 0 ? frames : -1;
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
  int error_ = -1;
  std::string inbox_;
  std::deque<std::string> ready_;
};

}  // namespace ims::test
