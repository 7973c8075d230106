// The admin socket with workers that only do what they are told: who is asked, in which order, when
// the answer comes, and what a line may be.
#include "deploy/admin_server.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "deploy/admin_address.h"
#include "deploy/operator_desk.h"
#include "deploy/operator_line.h"
#include "logic/base64url.h"
#include "logic/store_memory.h"
#include "shared/limits.h"
#include "shared/route.h"
#include "tests/support/temp_dir.h"

namespace ims {
namespace {

using logic::AdminCommand;
using nlohmann::json;

constexpr std::uint64_t kSeed = 4711;

// The server with W workers on one thread of their own, which writes down what each was told.
class Rig {
 public:
  explicit Rig(std::size_t worker_count) {
    data.root = folder.path();
    data.create();
    AdminWiring wiring;
    wiring.data = data;
    wiring.listen = "127.0.0.1:7000";
    wiring.hash_seed = kSeed;
    wiring.store = &store;
    for (std::size_t i = 0; i < worker_count; ++i) {
      ports.push_back(std::make_unique<logic::AdminPort>());
      wiring.ports.push_back(ports.back().get());
      wiring.workers.push_back(&workers_wakeup);
    }
    wiring.wakeup = &wakeup;
    server = std::make_unique<AdminServer>(std::move(wiring));
    admin = std::thread([this] { server->run(stop); });
    workers = std::thread([this] { run_workers(); });
  }
  ~Rig() {
    stop = true;
    wakeup.notify();
    workers_wakeup.notify();
    admin.join();
    workers.join();
  }

  void run_workers() {
    while (!stop) {
      bool worked = false;
      for (std::size_t i = 0; i < ports.size(); ++i) {
        while (auto command = ports[i]->submitted.try_pop()) {
          AdminCommand& told = **command;
          if (i == 0 && told.persist && fail_persist) told.code = Code::kUnavailable;
          told.count = 1;
          if (told.kind == AdminCommand::Kind::kUserDevices) told.devices = devices;
          if (told.kind == AdminCommand::Kind::kUserForget) {
            CHECK(told.device == "pad");
            told.code = forget_code;
            told.no_such_device = no_such_device;
          }
          log.push_back({i, told.kind, told.persist, told.user});
          CHECK(ports[i]->done.try_push(*command));
          worked = true;
        }
      }
      if (worked) {
        wakeup.notify();
        continue;
      }
      workers_wakeup.prepare_sleep();
      workers_wakeup.sleep(5);
    }
  }

  std::unique_ptr<OperatorLine> open() {
    std::string why;
    auto line = open_socket_line(data, why);
    REQUIRE_MESSAGE(line != nullptr, why);
    return line;
  }

  struct Told {
    std::size_t worker;
    AdminCommand::Kind kind;
    bool persist;
    std::string user;
    friend bool operator==(const Told&, const Told&) = default;
  };

  testing::TempDir folder;
  DataDir data;
  logic::MemoryStore store;
  Wakeup wakeup{Wakeup::Kind::kEventFd};
  Wakeup workers_wakeup{Wakeup::Kind::kFutex};
  std::vector<std::unique_ptr<logic::AdminPort>> ports;
  std::unique_ptr<AdminServer> server;
  std::atomic<bool> stop{false};
  std::atomic<bool> fail_persist{false};
  // What the owner says; set while no question is under way: the rings order it.
  logic::DeviceList devices;
  Code forget_code = Code::kOk;
  bool no_such_device = false;
  std::vector<Told> log;  // read after an answer came: the rings order it
  std::thread admin;
  std::thread workers;
};

json add_app() {
  return {{"op", "app.add"}, {"org", "o"}, {"appkey", "a"}, {"kid", ""},
          {"alg", "HS256"},  {"key", logic::encode_base64url("secret")}};
}

using Kind = AdminCommand::Kind;

TEST_CASE("an app: durable at worker 0 first, then at all the others, then answered") {
  Rig rig(3);
  const auto line = rig.open();
  line->ask(add_app());
  REQUIRE(rig.log.size() == 3);
  CHECK(rig.log[0] == Rig::Told{0, Kind::kPutTenant, true, ""});
  CHECK(std::ranges::count(rig.log, Rig::Told{1, Kind::kPutTenant, false, ""}) == 1);
  CHECK(std::ranges::count(rig.log, Rig::Told{2, Kind::kPutTenant, false, ""}) == 1);

  line->ask(add_app());  // nothing to change
  CHECK(rig.log.size() == 3);

  const json removed = line->ask({{"op", "app.remove"}, {"org", "o"}, {"appkey", "a"}});
  CHECK(removed.at("ended") == 3);
  REQUIRE(rig.log.size() == 6);
  CHECK(rig.log[3] == Rig::Told{0, Kind::kRemoveTenant, true, ""});
}

TEST_CASE("an app that could not be written is taken back, and may be added later") {
  Rig rig(2);
  rig.fail_persist = true;
  const auto line = rig.open();
  CHECK_THROWS_AS(line->ask(add_app()), OperatorError);
  REQUIRE(rig.log.size() == 2);
  CHECK(rig.log[1] == Rig::Told{0, Kind::kRemoveTenant, false, ""});
  CHECK(line->ask({{"op", "app.list"}}).at("apps").empty());
  rig.fail_persist = false;
  line->ask(add_app());
  CHECK(line->ask({{"op", "app.list"}}).at("apps").size() == 1);
}

TEST_CASE("a user: the owner alone") {
  Rig rig(3);
  const auto line = rig.open();
  line->ask(add_app());
  rig.log.clear();
  for (int i = 0; i < 20; ++i) {
    const std::string user = "user" + std::to_string(i);
    line->ask({{"op", "user.kick"}, {"org", "o"}, {"appkey", "a"}, {"user", user}});
    const std::uint64_t hash =
        hash_name(kSeed, hash_tenant(kSeed, "o", "a"), NameKind::kUser, user);
    REQUIRE(rig.log.size() == static_cast<std::size_t>(i) + 1);
    CHECK(rig.log.back() == Rig::Told{worker_of(hash, 3), Kind::kUserKick, false, user});
  }
}

TEST_CASE("devices: the owner alone, and its answer as it is") {
  Rig rig(3);
  const auto line = rig.open();
  line->ask(add_app());
  rig.log.clear();
  rig.devices.inbox_seq = 7;
  rig.devices.devices.push_back({"pad", true, 1000, 5, 2});
  const json about_ann = {{"org", "o"}, {"appkey", "a"}, {"user", "ann"}};
  json question = about_ann;
  question["op"] = "user.devices";
  const json answer = line->ask(question);
  CHECK(answer.at("inbox_seq") == 7);
  CHECK(answer.at("devices") == json::parse(R"([{"device": "pad", "online": true,
      "last_seen_ms": 1000, "acked_seq": 5, "groups": 2}])"));
  question["op"] = "user.forget";
  question["device"] = "pad";
  line->ask(question);
  rig.forget_code = Code::kForbidden;
  CHECK_THROWS_WITH_AS(line->ask(question),
                       "the device 'pad' of user 'ann' has a session; `imsctl user kick o a ann` "
                       "ends the user's sessions",
                       OperatorError);
  rig.forget_code = Code::kNotFound;
  rig.no_such_device = true;
  CHECK_THROWS_WITH_AS(line->ask(question), "the server knows no device 'pad' of user 'ann'",
                       OperatorError);
  rig.no_such_device = false;
  CHECK_THROWS_WITH_AS(line->ask(question), "user 'ann' does not exist", OperatorError);
  const std::uint64_t hash = hash_name(kSeed, hash_tenant(kSeed, "o", "a"), NameKind::kUser, "ann");
  REQUIRE(rig.log.size() == 5);
  CHECK(rig.log[0] == Rig::Told{worker_of(hash, 3), Kind::kUserDevices, false, "ann"});
  CHECK(rig.log[1] == Rig::Told{worker_of(hash, 3), Kind::kUserForget, false, "ann"});
}

TEST_CASE("the socket: its modes, its end, and a dead server's is replaced") {
  testing::TempDir folder;
  DataDir data{folder.path()};
  {
    Rig rig(1);
    struct stat status{};
    REQUIRE(stat(rig.data.admin_socket().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    REQUIRE(stat(rig.data.run().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    CHECK(rig.open()->ask({{"op", "info"}}).at("listen") == "127.0.0.1:7000");
    data = rig.data;
  }
  std::string why;
  CHECK(open_socket_line(data, why) == nullptr);
  CHECK_FALSE(why.empty());
}

TEST_CASE("the socket: a path longer than a socket's address may be") {
  testing::TempDir folder;
  const DataDir data{folder.path() + "/" + std::string(100, 'd') + "/" + std::string(100, 'e')};
  data.create();
  logic::MemoryStore store;
  logic::AdminPort port;
  Wakeup wakeup(Wakeup::Kind::kEventFd);
  const AdminServer server({data, "x", kSeed, &store, nullptr, {&port}, {&wakeup}, &wakeup});
  std::string why;
  CHECK_MESSAGE(open_socket_line(data, why) != nullptr, why);
}

// Raw bytes in, all that comes back until the end.
class RawPeer {
 public:
  explicit RawPeer(const DataDir& data) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const AdminAddress address(data);
    REQUIRE(connect(fd_, address.get(), address.bytes()) == 0);
    const timeval timeout{5, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  ~RawPeer() { close(fd_); }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  json line() {
    while (in_.find('\n') == std::string::npos) {
      char room[4096];
      const ssize_t got = recv(fd_, room, sizeof room, 0);
      if (got <= 0) return json();
      in_.append(room, static_cast<std::size_t>(got));
    }
    const std::size_t end = in_.find('\n');
    const json answer = json::parse(in_.substr(0, end), nullptr, false);
    in_.erase(0, end + 1);
    return answer;
  }

 private:
  int fd_;
  std::string in_;
};

TEST_CASE("lines: cut anywhere, several at once, at the limit and above it") {
  Rig rig(1);
  {
    RawPeer peer(rig.data);
    for (const char byte : std::string("{\"op\":\"info\"}\n")) peer.write(std::string(1, byte));
    CHECK(peer.line().at("code") == 0);
    std::string many;
    for (int i = 0; i < 100; ++i) many += i % 2 == 0 ? "{\"op\":\"info\"}\n" : "nonsense\n";
    peer.write(many);
    for (int i = 0; i < 100; ++i) CHECK((peer.line().at("code") == 0) == (i % 2 == 0));
  }
  const std::string question = R"({"op":"info"})";
  for (const std::size_t bytes : {kAdminLineBytesMax - 1, kAdminLineBytesMax}) {
    RawPeer peer(rig.data);
    peer.write(question + std::string(bytes - question.size(), ' ') + "\n");
    CHECK(peer.line().at("code") == 0);
  }
  RawPeer peer(rig.data);
  peer.write(question + std::string(kAdminLineBytesMax + 1 - question.size(), ' ') + "\n");
  CHECK(peer.line().at("code") == static_cast<int>(Code::kTooLarge));
  CHECK(peer.line().is_null());  // closed
}

TEST_CASE("connections: those above the limit wait until one ends") {
  Rig rig(1);
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (std::uint32_t i = 0; i < kAdminConnectionsMax; ++i) {
    peers.push_back(std::make_unique<RawPeer>(rig.data));
    peers.back()->write("{\"op\":\"info\"}\n");
    CHECK(peers.back()->line().at("code") == 0);
  }
  RawPeer late(rig.data);
  late.write("{\"op\":\"info\"}\n");
  peers.pop_back();
  CHECK(late.line().at("code") == 0);
}

TEST_CASE("connections: who is silent gives up his place to who waits for one") {
  Rig rig(1);
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (std::uint32_t i = 0; i < kAdminConnectionsMax; ++i) {
    peers.push_back(std::make_unique<RawPeer>(rig.data));
  }
  RawPeer late(rig.data);
  late.write("{\"op\":\"info\"}\n");
  CHECK(late.line().at("code") == 0);
  CHECK(peers[0]->line().is_null());  // closed
}

}  // namespace
}  // namespace ims
