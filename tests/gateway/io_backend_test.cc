// Both real backends over loopback: the same core, the same tests, UringIo and EpollIo. A thread plays
// the workers: it logs everybody in, echoes messages as pushes, answers SYNC with 64 KiB.
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

using namespace ims;
using namespace ims::test;

namespace {

enum class Backend { kUring, kEpoll };

// A gateway thread, and a worker thread that echoes.
class Server {
 public:
  explicit Server(Backend backend, Config config_in = test_config(), std::uint32_t slots = 4096)
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
      uring_ = gateway::UringIo::create(listener_, gateway_wakeup_, counters, 0, slots, why_not);
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
        if (login.connection.slot() >= ordinals.size()) ordinals.resize(login.connection.slot() + 1);
        ordinals[login.connection.slot()] = 0;
        write_record(answer, {as_bytes("alice")});
        break;
      }
      case RecordKind::kMessage: {
        const auto& request = record_as<RequestRecord>(bytes);
        RecordTail tail(request);
        tail.take(std::size_t{request.from_bytes} + request.device_bytes + request.target_bytes +
                  request.client_id_bytes);
        const ByteView payload = tail.take(request.payload_bytes);
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
    response.stamp = request.stamp;
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

std::string sync_request(std::uint64_t id) { return v2_request(id, Request::SYNC, ""); }

void each_backend(auto run) {
  SUBCASE("uring") {
    if (const std::string why_not = gateway::UringIo::probe(); !why_not.empty()) {
      MESSAGE("SKIPPED, io_uring is refused: ", why_not);
      return;
    }
    run(Backend::kUring);
  }
  SUBCASE("epoll") { run(Backend::kEpoll); }
}

}  // namespace

TEST_CASE("backend: login, requests, pushes, heartbeats") {
  each_backend([](Backend backend) {
    Server server(backend);
    TcpClient client(server.port());
    REQUIRE(client.connected());
    REQUIRE(client.write(v2_connect(connect_message("alice"))));
    auto frame = client.next();
    REQUIRE(frame);
    CHECK(v2_parse(*frame).conack().session() == 1);
    for (std::uint64_t id = 2; id < 200; ++id) {
      const std::string text(id * 7 % 5000, 'p');
      REQUIRE(client.write(v2_message(id, message_to("alice", text))));
      frame = client.next();
      REQUIRE(frame);
      CHECK(v2_parse(*frame).id() == id);
      frame = client.next();
      REQUIRE(frame);
      Message message;
      REQUIRE(message.ParseFromString(v2_parse(*frame).request().payload()));
      CHECK(message.payload() == text);
    }
    REQUIRE(client.write(std::string(1, '\0')));
    frame = client.next();
    REQUIRE(frame);
    CHECK(frame->empty());
    CHECK(server.eventually([&] { return server.taken == 198; }));
  });
}

TEST_CASE("backend: pipelining, half-close: everything before it is answered, then EOF") {
  each_backend([](Backend backend) {
    Server server(backend);
    TcpClient client(server.port());
    std::string bytes = v2_connect(connect_message("alice"));
    for (std::uint64_t id = 2; id <= 1001; ++id) bytes += v2_message(id, message_to("alice", "m"));
    REQUIRE(client.write(bytes));
    client.half_close();
    int responses = 0;
    while (auto frame = client.next()) responses += v2_parse(*frame).has_response() ? 1 : 0;
    CHECK(client.error() == 0);
    CHECK(responses == 1000);
    CHECK(server.eventually([&] { return server.count(Counter::kClosedPeerClosed) == 1; }));
    CHECK(server.eventually([&] { return server.ended == 1; }));
  });
}

TEST_CASE("backend: CONNECT, requests and DISCONNECT in one segment") {
  each_backend([](Backend backend) {
    Server server(backend);
    TcpClient client(server.port());
    REQUIRE(client.write(v2_connect(connect_message("alice")) +
                         v2_message(2, message_to("alice", "m")) + v2_disconnect() +
                         v2_message(3, message_to("alice", "ignored"))));
    int responses = 0;
    while (auto frame = client.next()) responses += v2_parse(*frame).has_response() ? 1 : 0;
    CHECK(client.error() == 0);
    CHECK(responses == 1);
  });
}

TEST_CASE("backend: an answer of 64 KiB survives a client that is still writing") {
  each_backend([](Backend backend) {
    Server server(backend);
    for (int round = 0; round < 10; ++round) {
      TcpClient client(server.port());
      // The error comes while the answer is under way and the client goes on writing.
      REQUIRE(client.write(v2_connect(connect_message("alice")) + sync_request(2) + sync_request(3) +
                           framed("\xff\xff")));
      std::atomic<bool> done{false};
      std::thread writer([&] {
        const std::string junk(4096, 'j');
        while (!done && client.write(junk)) usleep(200);
      });
      std::size_t answered = 0;
      bool disconnected = false;
      while (auto frame = client.next()) {
        const v2::Command command = v2_parse(*frame);
        if (command.has_response()) answered += command.response().payload().size();
        disconnected = disconnected || command.has_disconnect();
      }
      CHECK(client.error() == 0);
      done = true;
      writer.join();
      CHECK(answered == 130'000);
      CHECK(disconnected);
    }
    CHECK(server.eventually([&] { return server.count(Counter::kConnections) == 0; }));
  });
}

TEST_CASE("backend: a reader that stops makes short sends, and loses nothing") {
  each_backend([](Backend backend) {
    Config config = test_config();
    config.so_sndbuf_bytes = 16 * 1024;
    Server server(backend, config);
    TcpClient client(server.port());
    const int small = 32 * 1024;
    setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    std::string bytes = v2_connect(connect_message("alice"));
    for (std::uint64_t id = 2; id < 22; ++id) bytes += sync_request(id);
    REQUIRE(client.write(bytes));
    usleep(100'000);
    client.half_close();
    int answers = 0;
    std::uint64_t next_id = 2;
    client.next();
    while (auto frame = client.next()) {
      const v2::Command command = v2_parse(*frame);
      CHECK(command.id() == next_id++);
      CHECK(command.response().payload() == std::string(65'000, 's'));
      ++answers;
    }
    CHECK(answers == 20);
    CHECK(client.error() == 0);
    CHECK(server.count(Counter::kShortSends) > 0);
  });
}

TEST_CASE("backend: 1,000 connections come, work and go") {
  each_backend([](Backend backend) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    Server server(backend);
    std::vector<std::unique_ptr<TcpClient>> clients;
    for (int i = 0; i < 1000; ++i) {
      clients.push_back(std::make_unique<TcpClient>(server.port()));
      REQUIRE(clients.back()->connected());
      REQUIRE(clients.back()->write(v2_connect(connect_message("alice"))));
    }
    for (auto& client : clients) REQUIRE(client->next());
    for (auto& client : clients) REQUIRE(client->write(v2_message(2, message_to("alice", "m"))));
    for (auto& client : clients) {
      REQUIRE(client->next());
      REQUIRE(client->next());
    }
    CHECK(server.count(Counter::kConnections) == 1000);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (i % 3 == 0) clients[i]->half_close();
      if (i % 3 == 1) clients[i]->reset();
    }
    clients.clear();
    CHECK(server.eventually([&] { return server.count(Counter::kConnections) == 0; }));
    CHECK(server.eventually([&] { return server.ended == 1000; }));
  });
}

TEST_CASE("backend: a full table closes the listener, and opens it again") {
  each_backend([](Backend backend) {
    Server server(backend, test_config(), 64);
    std::vector<std::unique_ptr<TcpClient>> clients;
    // 64 slots less the reserve of 16.
    for (int i = 0; i < 48; ++i) {
      clients.push_back(std::make_unique<TcpClient>(server.port()));
      REQUIRE(clients.back()->connected());
      REQUIRE(clients.back()->write(v2_connect(connect_message("alice"))));
      REQUIRE(clients.back()->next());
    }
    CHECK(server.eventually([&] { return server.count(Counter::kAcceptPauses) == 1; }));
    CHECK(server.eventually([&] { return !TcpClient(server.port()).connected(); }));
    clients.resize(10);
    CHECK(server.eventually([&] {
      TcpClient late(server.port());
      return late.connected() && late.write(v2_connect(connect_message("alice"))) && late.next();
    }));
  });
}

TEST_CASE("backend: shutdown says so to everybody and ends") {
  each_backend([](Backend backend) {
    Server server(backend);
    TcpClient client(server.port());
    REQUIRE(client.write(v2_connect(connect_message("alice"))));
    REQUIRE(client.next());
    server.begin_stop();
    const auto frame = client.next();
    REQUIRE(frame);
    CHECK(v2_parse(*frame).disconnect().code() == 6);
    CHECK_FALSE(client.next());
    CHECK(client.error() == 0);
  });
}
