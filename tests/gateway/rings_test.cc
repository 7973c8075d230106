// More connections than one ring's table holds: further rings, messages across them, tables that
// empty and fill again, and the end of the last one. Connections that the kernel tells nobody of.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "tests/gateway/backend_server.h"
#include "tests/support/deaf_accept.h"

using namespace ims;
using namespace ims::test;

namespace {

constexpr std::uint32_t kRingSlots = 60;

bool uring_is_refused() {
  const std::string why_not = gateway::UringIo::probe();
  if (!why_not.empty()) MESSAGE("SKIPPED, io_uring is refused: ", why_not);
  return !why_not.empty();
}

using Clients = std::vector<std::unique_ptr<TcpClient>>;

// Logs `count` more in, one after the other.
void log_in(const Server& server, Clients& clients, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    REQUIRE(clients.back()->connected());
    REQUIRE(clients.back()->write(v2_connect(connect_message("alice"))));
    REQUIRE(clients.back()->next());
  }
}

// Each sends one message, and gets its answer and its echo.
void all_work(Clients& clients, std::uint64_t id, std::size_t payload_bytes) {
  const std::string text(payload_bytes, 'm');
  for (auto& client : clients) REQUIRE(client->write(v2_message(id, message_to("alice", text))));
  for (auto& client : clients) {
    const auto answer = client->next();
    REQUIRE(answer);
    CHECK(v2_parse(*answer).id() == id);
    const auto push = client->next();
    REQUIRE(push);
    Message message;
    REQUIRE(message.ParseFromString(v2_parse(*push).request().payload()));
    CHECK(message.payload() == text);
  }
}

}  // namespace

TEST_CASE("rings: added one by one, and every connection works on whichever it is") {
  if (uring_is_refused()) return;
  Server server(Backend::kUring, test_config(), 8 * kRingSlots, kRingSlots);
  Clients clients;
  log_in(server, clients, kRingSlots - 1);
  CHECK(server.count(Counter::kIoRings) == 1);
  log_in(server, clients, 1);  // its last place: who comes next needs another
  CHECK(server.eventually([&] { return server.count(Counter::kIoRings) == 2; }));
  log_in(server, clients, 6 * kRingSlots - 1);
  CHECK(server.count(Counter::kIoRings) == 7);
  CHECK(server.count(Counter::kConnections) == 7 * kRingSlots - 1);
  CHECK(server.count(Counter::kAcceptErrors) == 0);
  all_work(clients, 2, 100);
  all_work(clients, 3, 5000);  // three receive buffers each, of 73 that a ring has now
  all_work(clients, 4, 20);
}

TEST_CASE("rings: a burst larger than a table loses nobody") {
  if (uring_is_refused()) return;
  Server server(Backend::kUring, test_config(), 8 * kRingSlots, kRingSlots);
  Clients clients;
  for (std::size_t i = 0; i < 7 * kRingSlots; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    REQUIRE(clients.back()->connected());
    REQUIRE(clients.back()->write(v2_connect(connect_message("alice"))));
  }
  for (auto& client : clients) REQUIRE(client->next());
  CHECK(server.count(Counter::kAccepts) == 7 * kRingSlots);
  CHECK(server.count(Counter::kAcceptErrors) == 0);
  all_work(clients, 2, 100);
}

TEST_CASE("rings: multishot accepts hand over to single ones and on to the next ring") {
  if (uring_is_refused()) return;
  Config config = test_config();
  config.listen_backlog = 8;  // many at once while more than 16 places are left
  Server server(Backend::kUring, config, 8 * kRingSlots, kRingSlots);
  Clients clients;
  log_in(server, clients, 7 * kRingSlots - 1);
  CHECK(server.count(Counter::kIoRings) == 7);
  CHECK(server.count(Counter::kAcceptErrors) == 0);
  all_work(clients, 2, 100);
}

TEST_CASE("rings: whoever sleeps is woken by a client of any ring") {
  if (uring_is_refused()) return;
  Server server(Backend::kUring, test_config(), 4 * kRingSlots, kRingSlots);
  Clients clients;
  log_in(server, clients, 3 * kRingSlots - 1);
  REQUIRE(server.count(Counter::kIoRings) == 3);
  // One at a time, after a pause in which the gateway goes to sleep: 500 round trips that a lost
  // wake-up would end at the next deadline of the gateway's, and then at the client's.
  for (int round = 0; round < 500; ++round) {
    TcpClient& client = *clients[static_cast<std::size_t>(round * 37) % clients.size()];
    if (round % 2 == 0) usleep(200);
    REQUIRE(client.write(std::string(1, '\0')));
    const auto heartbeat = client.next();
    REQUIRE(heartbeat);
    CHECK(heartbeat->empty());
  }
}

TEST_CASE("rings: places that come free in any ring are used again") {
  if (uring_is_refused()) return;
  Server server(Backend::kUring, test_config(), 6 * kRingSlots, kRingSlots);
  Clients clients;
  const std::size_t most = 4 * kRingSlots - 1;
  log_in(server, clients, most);
  REQUIRE(server.count(Counter::kIoRings) == 4);
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); i += 2) {
      if (i % 4 == 0) clients[i]->reset();
      clients[i].reset();
    }
    std::erase(clients, nullptr);
    REQUIRE(server.eventually(
        [&] { return server.count(Counter::kConnections) == clients.size(); }));
    log_in(server, clients, most - clients.size());
    CHECK(server.count(Counter::kIoRings) == 4);
    all_work(clients, static_cast<std::uint64_t>(2 + round), 100);
  }
  CHECK(server.count(Counter::kAcceptErrors) == 0);
  clients.clear();
  CHECK(server.eventually([&] { return server.count(Counter::kConnections) == 0; }));
}

TEST_CASE("rings: the last table's end closes the listener, and it opens again") {
  if (uring_is_refused()) return;
  const std::uint32_t slots = 2 * kRingSlots + 40;  // the third table is a smaller one
  const std::uint32_t reserve = 16;
  Server server(Backend::kUring, test_config(), slots, kRingSlots);
  Clients clients;
  log_in(server, clients, slots - reserve);
  CHECK(server.count(Counter::kIoRings) == 3);
  CHECK(server.eventually([&] { return server.count(Counter::kAcceptPauses) == 1; }));
  CHECK(server.eventually([&] { return !TcpClient(server.port()).connected(); }));
  all_work(clients, 2, 100);
  // From the first ring: that is where the next ones go.
  clients.erase(clients.begin(), clients.begin() + 2 * reserve);
  CHECK(server.eventually([&] {
    TcpClient late(server.port());
    return late.connected() && late.write(v2_connect(connect_message("alice"))) && late.next();
  }));
  CHECK(server.count(Counter::kIoRings) == 3);
}

TEST_CASE("rings: who waits in the listener is found although no accept is woken") {
  if (uring_is_refused()) return;
  Config config = test_config();
  config.listen_backlog = 8;  // many at once
  gateway::Listener listener = gateway::Listener::open(config, "127.0.0.1:0", true);
  const auto port = static_cast<std::uint16_t>(std::stoi(listener.address().substr(10)));
  const testing::DeafAccept deaf(listener.fd());
  Wakeup wakeup(Wakeup::Kind::kEventFd);
  CounterBlock counters;
  std::string why_not;
  const auto io = gateway::UringIo::create(listener, wakeup, counters, 0, {kRingSlots, kRingSlots},
                                           why_not);
  REQUIRE(io != nullptr);
  std::size_t accepted = 0;
  const auto has_accepted = [&](std::size_t wanted) {
    for (int turn = 0; turn < 50 && accepted < wanted; ++turn) {
      for (const gateway::Completion& completion : io->wait(std::chrono::milliseconds{100})) {
        accepted += completion.op == gateway::IoOp::kAccept ? 1 : 0;
      }
    }
    return accepted == wanted;
  };
  const TcpClient first(port);  // is there when the accept is armed
  REQUIRE(has_accepted(1));
  const TcpClient second(port);
  const TcpClient third(port);
  CHECK(has_accepted(3));
  CHECK(counters.get(Counter::kAcceptsOverlooked) == 1);
  const TcpClient fourth(port);
  CHECK(has_accepted(4));
  CHECK(counters.get(Counter::kAcceptsOverlooked) == 2);
  CHECK(counters.get(Counter::kAcceptErrors) == 0);
}
