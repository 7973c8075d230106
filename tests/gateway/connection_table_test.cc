// Slots and ids, the queue of ids, the wheel, the listener.
#include "gateway/connection_table.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <thread>

#include "gateway/deadline_wheel.h"
#include "gateway/id_queue.h"
#include "gateway/listener.h"
#include "shared/prng.h"

using namespace ims;
using namespace ims::gateway;

TEST_CASE("table: slots never move, ids name one tenancy, the table has an end") {
  ConnectionTable table(3, 1200);
  std::vector<Connection*> taken;
  std::vector<ConnectionId> ids;
  for (std::uint32_t i = 0; i < 1200; ++i) {
    Connection* connection = table.try_acquire();
    REQUIRE(connection != nullptr);
    connection->state = State::kOpen;
    taken.push_back(connection);
    ids.push_back(connection->id);
    CHECK(ids.back().gateway() == 3);
    CHECK(ids.back().slot() == i);
    CHECK(ids.back().generation() != 0);
  }
  CHECK(table.try_acquire() == nullptr);
  CHECK(table.used() == 1200);
  for (std::uint32_t i = 0; i < 1200; ++i) {
    CHECK(&table.at(i) == taken[i]);
    CHECK(table.find(ids[i]) == taken[i]);
  }
  table.release(*taken[700]);
  CHECK(table.find(ids[700]) == nullptr);
  Connection* next = table.try_acquire();
  REQUIRE(next == taken[700]);
  next->state = State::kOpen;
  CHECK(table.find(ids[700]) == nullptr);  // the generation moved on
  CHECK(table.find(next->id) == next);
  CHECK(table.find(ConnectionId::make(3, 1, 5000)) == nullptr);  // never used
}

TEST_CASE("table: the generation wraps past 0") {
  ConnectionTable table(0, 1);
  Connection* connection = table.try_acquire();
  REQUIRE(connection != nullptr);
  connection->id = ConnectionId::make(
      connection->id.gateway(), ConnectionId::kGenerationMask, connection->id.slot());
  connection->state = State::kOpen;
  const ConnectionId last = connection->id;
  table.release(*connection);
  connection = table.try_acquire();
  REQUIRE(connection != nullptr);
  connection->state = State::kOpen;
  CHECK(connection->id.generation() == 1);
  CHECK(table.find(last) == nullptr);
  CHECK(connection->id.bits != 0);
}

TEST_CASE("id queue: first in, first out, over growth and wrap") {
  IdQueue queue;
  Prng prng(3);
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (prng.chance(step < 10'000 ? 60 : 40)) {
      queue.push({in++});
    } else if (!queue.empty()) {
      const ConnectionId id = queue.pop();
      REQUIRE(id.bits == out);
      if (prng.chance(20)) {
        queue.push_front(id);
      } else {
        ++out;
      }
    }
    REQUIRE(queue.size() == in - out);
  }
}

TEST_CASE("wheel: never early, at most a tick late, each once") {
  Prng prng(9);
  std::int64_t now = 123'456;
  DeadlineWheel wheel(now);
  std::map<std::uint64_t, std::int64_t> due;
  std::uint64_t next = 1;
  for (int step = 0; step < 20'000; ++step) {
    if (prng.chance(50)) {
      const std::int64_t at =
          now + static_cast<std::int64_t>(prng.below(DeadlineWheel::kHorizonMs + 1));
      wheel.add({next}, at);
      due[next++] = at;
    }
    now += static_cast<std::int64_t>(prng.below(prng.chance(1) ? 20'000 : 90));
    const std::int64_t here = now;
    wheel.advance(now, [&](ConnectionId id) {
      REQUIRE(due.count(id.bits) == 1);
      CHECK(due[id.bits] <= here);
      due.erase(id.bits);
    });
    for (const auto& [id, at] : due)
      REQUIRE(at > now - 2 * static_cast<std::int64_t>(DeadlineWheel::kTickMs));
  }
  now += 60'000;
  wheel.advance(now, [&](ConnectionId id) { due.erase(id.bits); });
  CHECK(due.empty());
  CHECK(wheel.empty());
}

TEST_CASE("wheel: a callback may add; a sleep over the whole horizon loses nothing") {
  DeadlineWheel wheel(0);
  int fired = 0;
  wheel.add({1}, 100);
  wheel.advance(1'000'000, [&](ConnectionId id) {
    ++fired;
    if (id.bits == 1) wheel.add({2}, 1'000'000 + 500);
  });
  CHECK(fired == 1);
  wheel.advance(1'000'400, [&](ConnectionId) { ++fired; });
  CHECK(fired == 1);
  wheel.advance(1'000'500, [&](ConnectionId) { ++fired; });
  CHECK(fired == 2);
}

TEST_CASE("wheel: what is entered before it caught up with a long sleep comes when it is due") {
  DeadlineWheel wheel(0);
  // The thread slept for 200 s; a completion of this turn sets a deadline before advance() runs.
  wheel.add({1}, 230'000);
  int fired = 0;
  const auto count = [&](ConnectionId) { ++fired; };
  wheel.advance(200'000, count);
  wheel.advance(229'900, count);
  CHECK(fired == 0);
  CHECK_FALSE(wheel.empty());
  wheel.advance(230'000, count);
  CHECK(fired == 1);
  CHECK(wheel.empty());
}

namespace {

int connect_to(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
  close(fd);
  return -1;
}

std::string failure(const Config& config, const std::string& address, bool first = true) {
  try {
    Listener::open(config, address, first);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("listener: port 0 is reported; options are inherited by what it accepts") {
  Config config;
  config.gateways = 1;
  Listener listener = Listener::open(config, "127.0.0.1:0", true);
  CHECK(listener.address().substr(0, 10) == "127.0.0.1:");
  CHECK(listener.address() != "127.0.0.1:0");
  const int client = connect_to(listener.address());
  REQUIRE(client >= 0);
  int server = -1;
  for (int i = 0; i < 100 && server < 0; ++i) {
    server = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (server < 0) usleep(10'000);
  }
  REQUIRE(server >= 0);
  const auto option = [&](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    REQUIRE(getsockopt(server, level, name, &value, &size) == 0);
    return value;
  };
  CHECK(option(IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) == 60);
  CHECK(option(IPPROTO_TCP, TCP_KEEPINTVL) == 10);
  CHECK(option(IPPROTO_TCP, TCP_USER_TIMEOUT) == 90'000);  // two lost probes end nothing
  CHECK(option(IPPROTO_TCP, TCP_NOTSENT_LOWAT) == 16 * 1024);
  CHECK(option(SOL_SOCKET, SO_SNDBUF) == 2 * 64 * 1024);  // the kernel doubles it
  CHECK(option(SOL_SOCKET, SO_RCVBUF) == 2 * 64 * 1024);
  close(server);
  close(client);
  listener.close();
  CHECK(connect_to(listener.address()) == -1);
  CHECK(listener.reopen() == 0);
  const int again = connect_to(listener.address());
  CHECK(again >= 0);
  close(again);
}

TEST_CASE("listener: IPv6, if the machine has it") {
  Config config;
  config.gateways = 1;
  try {
    const Listener listener = Listener::open(config, "[::1]:0", true);
    CHECK(listener.address().substr(0, 6) == "[::1]:");
  } catch (const std::runtime_error& error) {
    MESSAGE("SKIPPED: ", error.what());
  }
}

TEST_CASE("listener: several gateways share an address; nobody else may join them") {
  Config config;
  config.gateways = 2;
  const Listener first = Listener::open(config, "127.0.0.1:0", true);
  const Listener second = Listener::open(config, first.address(), false);
  CHECK(second.address() == first.address());
  // Another server, with one gateway or with several.
  CHECK(failure(config, first.address()).find("another process listens there") !=
        std::string::npos);
  Config one;
  one.gateways = 1;
  CHECK(failure(one, first.address()).find("Address already in use") != std::string::npos);
}

TEST_CASE("listener: an address that is given up a moment later is waited for") {
  Config config;
  for (const std::uint32_t gateways : {1u, 2u}) {
    config.gateways = gateways;
    std::optional<Listener> before(Listener::open(config, "127.0.0.1:0", true));
    const std::string address = before->address();
    std::thread leaves([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      before.reset();
    });
    CHECK(failure(config, address) == "");
    leaves.join();
  }
}

TEST_CASE("listener: errors say what, where and why") {
  Config config;
  config.gateways = 1;
  CHECK(failure(config, "nonsense").find("nonsense") != std::string::npos);
  CHECK(failure(config, "192.0.2.1:7000").find("no interface of this machine has that address") !=
        std::string::npos);
  config.tcp_congestion = "nosuch";
  const std::string why = failure(config, "127.0.0.1:0");
  CHECK(why.find("127.0.0.1:0") != std::string::npos);
  CHECK(why.find("tcp_congestion") != std::string::npos);
}
