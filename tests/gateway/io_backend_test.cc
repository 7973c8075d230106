// Both real backends over loopback: the same core, the same tests, UringIo and EpollIo. A thread
// plays the workers: it logs everybody in, echoes messages as pushes, answers SYNC with 64 KiB.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "tests/gateway/backend_server.h"

using namespace ims;
using namespace ims::test;

namespace {

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
      REQUIRE(client.write(v2_connect(connect_message("alice")) + sync_request(2) +
                           sync_request(3) + framed("\xff\xff")));
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
