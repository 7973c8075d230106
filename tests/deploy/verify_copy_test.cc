// imsctl verify beside a running server: the copy is asked for over the admin socket, is gone with
// the connection or with the next server, and one stands at a time.
#include "deploy/verify_copy.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "deploy/admin_server.h"
#include "deploy/ctl_verify.h"
#include "deploy/operator_line.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store_identity.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_store.h"

namespace ims {
namespace {

using logic::Table;
using nlohmann::json;
using testing::tiny_store_options;

std::size_t copies_in(const DataDir& data) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data.run())) {
    count += entry.path().filename().string().starts_with("verify-") ? 1 : 0;
  }
  return count;
}

// The admin thread looks at its connections when it likes.
bool comes_to(const DataDir& data, std::size_t count) {
  for (int i = 0; i < 500 && copies_in(data) != count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return copies_in(data) == count;
}

// An admin server over a real store; its one worker is never asked anything.
struct Rig {
  Rig() {
    data.root = folder.path();
    data.create();
    store = logic::open_store(StoreEngine::kRocksdb, data.store().string(), tiny_store_options());
    logic::open_identity(*store);
    start();
  }
  ~Rig() { end(); }
  void start() {
    AdminWiring wiring;
    wiring.data = data;
    wiring.store = store.get();
    wiring.files = store.get();
    wiring.ports = {&port};
    wiring.workers = {&wakeup};
    wiring.wakeup = &wakeup;
    stop = false;
    server = std::make_unique<AdminServer>(std::move(wiring));
    thread = std::thread([this] { server->run(stop); });
  }
  void end() {
    if (!thread.joinable()) return;
    stop = true;
    wakeup.notify();
    thread.join();
    server.reset();
  }
  std::unique_ptr<OperatorLine> open() {
    std::string why;
    auto line = open_socket_line(data, why);
    REQUIRE_MESSAGE(line != nullptr, why);
    return line;
  }
  void put_user(std::uint64_t id, std::uint64_t head) {
    logic::UserRow user;
    user.id = UserId{id};
    user.inbox.head = head;
    user.inbox.first_seq = 1;
    user.inbox.last_time_ms = head > 0 ? INT64_MAX : 0;
    logic::StoreBatch batch;
    batch.put(Table::kMeta, logic::user_key(1, TenantId{7}, "u" + std::to_string(id)),
              logic::encode_user(user));
    const logic::StoreBatch* const batches[] = {&batch};
    REQUIRE(store->write(batches, 1, true) == logic::StoreStatus::kOk);
  }

  testing::TempDir folder;
  DataDir data;
  std::unique_ptr<logic::DurableStore> store;
  logic::AdminPort port;
  Wakeup wakeup{Wakeup::Kind::kEventFd};
  std::unique_ptr<AdminServer> server;
  std::atomic<bool> stop{false};
  std::thread thread;
};

TEST_CASE("a copy: a path in run/, gone when the connection that asked ends") {
  Rig rig;
  auto line = rig.open();
  const auto other = rig.open();
  const auto path = line->ask({{"op", "store.copy"}}).at("path").get<std::string>();
  CHECK(path.starts_with(rig.data.run().string() + "/verify-"));
  CHECK(std::filesystem::exists(path + "/CURRENT"));
  CHECK(copies_in(rig.data) == 1);
  // One at a time, on whichever connection; and another's end does not end it.
  CHECK_THROWS_WITH_AS(line->ask({{"op", "store.copy"}}), doctest::Contains("under way"),
                       OperatorError);
  CHECK_THROWS_WITH_AS(rig.open()->ask({{"op", "store.copy"}}), doctest::Contains("under way"),
                       OperatorError);
  CHECK(other->ask({{"op", "info"}}).at("code") == 0);
  CHECK(copies_in(rig.data) == 1);
  line.reset();
  CHECK(comes_to(rig.data, 0));
  const auto next = other->ask({{"op", "store.copy"}}).at("path").get<std::string>();
  CHECK(next != path);
}

TEST_CASE("copies that a dead server left are removed by the next one, finished or not") {
  Rig rig;
  const auto line = rig.open();
  const auto path = line->ask({{"op", "store.copy"}}).at("path").get<std::string>();
  rig.end();
  CHECK(std::filesystem::exists(path));  // whoever reads it may go on
  std::filesystem::create_directory(rig.data.run() / "verify-1-1.tmp");
  std::ofstream(rig.data.run() / "verify-1-1.tmp" / "000001.log") << "x";
  std::ofstream(rig.data.run() / "counters") << "x";
  rig.start();
  CHECK(copies_in(rig.data) == 0);
  CHECK(std::filesystem::exists(rig.data.run() / "counters"));
}

TEST_CASE("verify: beside a server it looks at the store of this moment, and leaves nothing") {
  Rig rig;
  CHECK(verify_store(rig.data, 0) == 0);
  rig.put_user(1, 0);
  CHECK(verify_store(rig.data, 0) == 0);
  rig.put_user(2, 5);  // five rows that are not there
  CHECK(verify_store(rig.data, 0) == kExitRefused);
  CHECK(comes_to(rig.data, 0));
  rig.put_user(2, 0);
  CHECK(verify_store(rig.data, 0) == 0);
  CHECK(comes_to(rig.data, 0));
}

TEST_CASE("verify: without a server it opens the store itself, makes no copy") {
  Rig rig;
  rig.put_user(2, 5);
  rig.end();
  rig.store.reset();
  CHECK(verify_store(rig.data, 0) == kExitRefused);
  CHECK(copies_in(rig.data) == 0);
  DataDir nowhere{rig.folder.path() + "/nowhere"};
  CHECK_THROWS_WITH_AS(verify_store(nowhere, 0), doctest::Contains("there is no store"),
                       OperatorError);
}

TEST_CASE("a copy that fails: a sentence, and the next one may succeed") {
  Rig rig;
  const auto line = rig.open();
  // The path of the first copy is taken.
  const auto taken = rig.data.run() / ("verify-" + std::to_string(getpid()) + "-1");
  std::filesystem::create_directory(taken);
  CHECK_THROWS_WITH_AS(line->ask({{"op", "store.copy"}}), doctest::Contains("cannot be copied"),
                       OperatorError);
  std::filesystem::remove(taken);
  CHECK(line->ask({{"op", "store.copy"}}).at("path") == taken.string());
}

TEST_CASE("an engine without files: refused") {
  const testing::TempDir folder;
  DataDir data{folder.path()};
  data.create();
  VerifyCopy copy(data, nullptr);
  std::string path;
  CHECK(copy.make(path) == Code::kUnsupported);
}

}  // namespace
}  // namespace ims
