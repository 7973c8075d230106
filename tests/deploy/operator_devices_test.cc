// The operator's questions about a user's devices, over a store without a server.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "deploy/operator_desk.h"
#include "deploy/store_backend.h"
#include "logic/base64url.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store_memory.h"
#include "shared/route.h"

namespace ims {
namespace {

using nlohmann::json;

constexpr int code_of(Code code) { return static_cast<int>(code); }

struct Desk {
  explicit Desk(logic::Store& opened) : store(opened), backend(store) {}

  json ask(const json& question) { return desk.answer(question); }
  int code(const json& question) { return ask(question).at("code").get<int>(); }

  logic::Store& store;
  StoreBackend backend;
  OperatorDesk desk{load_tenants(store), backend, ""};
};

json about(const char* op, const std::string& user) {
  return {{"op", op}, {"org", "o"}, {"appkey", "a"}, {"user", user}};
}

// A user "ann" with an inbox of 9 rows, and cursors; timeline 0 stands for the inbox.
struct Cursor {
  const char* device;
  std::uint64_t timeline;
  std::uint64_t seq;
  std::int64_t last_used_ms;
};
logic::TimelineKey store_devices(Desk& desk, const std::vector<Cursor>& cursors) {
  const json app = {{"op", "app.add"}, {"org", "o"}, {"appkey", "a"}, {"kid", ""},
                    {"alg", "HS256"},  {"key", logic::encode_base64url("s")}};
  REQUIRE(desk.code(app) == 0);
  TenantId tenant;
  load_tenants(desk.store).for_each([&](const logic::Tenant& found) { tenant = found.id; });
  const std::uint64_t seed = logic::open_identity(desk.store).seed;
  const std::uint16_t partition =
      partition_of(hash_name(seed, hash_tenant(seed, "o", "a"), NameKind::kUser, "ann"));
  const logic::TimelineKey inbox{partition, 77};
  logic::UserRow row;
  row.id = UserId{inbox.id};
  row.inbox.head = 9;
  logic::StoreBatch batch;
  batch.put(logic::Table::kMeta, logic::user_key(partition, tenant, "ann"),
            logic::encode_user(row));
  for (const Cursor& cursor : cursors) {
    const std::uint64_t timeline = cursor.timeline == 0 ? inbox.id : cursor.timeline;
    batch.put(logic::Table::kCursors, logic::cursor_key(inbox, cursor.device, timeline),
              logic::encode_cursor({cursor.last_used_ms, cursor.seq}));
  }
  const logic::StoreBatch* const batches[] = {&batch};
  REQUIRE(desk.store.write(batches, 1, true) == logic::StoreStatus::kOk);
  return inbox;
}

TEST_CASE("devices: those with a cursor in the inbox, and what their cursors say") {
  logic::MemoryStore store;
  Desk desk(store);
  store_devices(desk, {{"pad", 0, 3, 1000},
                       {"pad", 501, 8, 3000},
                       {"pad", 502, 1, 2000},
                       {"", 0, 9, 4000},
                       {"ghost", 501, 1, 5000}});  // in a group alone: none of the user's devices
  const json answer = desk.ask(about("user.devices", "ann"));
  REQUIRE(answer.at("code") == 0);
  CHECK(answer.at("inbox_seq") == 9);
  const json expected = json::parse(R"([
      {"device": "", "online": false, "last_seen_ms": 4000, "acked_seq": 9, "groups": 0},
      {"device": "pad", "online": false, "last_seen_ms": 3000, "acked_seq": 3, "groups": 2}])");
  CHECK(answer.at("devices") == expected);
}

TEST_CASE("devices: a forgotten one leaves no cursor behind, the others keep theirs") {
  for (const std::string name : {"pad", ""}) {
    CAPTURE(name);
    logic::MemoryStore store;
    Desk desk(store);
    const logic::TimelineKey inbox =
        store_devices(desk, {{"pad", 0, 3, 1}, {"pad", 501, 8, 1}, {"", 0, 9, 1}, {"", 501, 9, 1},
                             {"pads", 0, 1, 1}, {"pads", 501, 1, 1}});
    json forget = about("user.forget", "ann");
    forget["device"] = name;
    CHECK(desk.code(forget) == 0);
    std::string value;
    for (const std::string device : {"pad", "", "pads"}) {
      for (const std::uint64_t timeline : {inbox.id, std::uint64_t{501}}) {
        const auto status =
            store.get(logic::Table::kCursors, logic::cursor_key(inbox, device, timeline), &value,
                      logic::ReadTier::kMayBlock);
        CHECK((status == logic::StoreStatus::kNotFound) == (device == name));
      }
    }
    CHECK(desk.ask(about("user.devices", "ann")).at("devices").size() == 2);
    const json twice = desk.ask(forget);
    CHECK(twice.at("code") == code_of(Code::kNotFound));
    CHECK(twice.at("reason").get<std::string>().find("knows no") != std::string::npos);
  }
}

TEST_CASE("devices: what is refused, and in which words") {
  logic::MemoryStore store;
  Desk desk(store);
  store_devices(desk, {{"pad", 0, 3, 1}});
  struct Row {
    const char* user;
    json device;
    Code code;
    const char* words;
  };
  const Row rows[] = {
      {"bob", "pad", Code::kNotFound, "user 'bob' does not exist"},
      {"ann", "phone", Code::kNotFound, "knows no device 'phone' of user 'ann'"},
      {"ann", "", Code::kNotFound, "knows no default device of user 'ann'"},
      {"ann", std::string(64, 'd'), Code::kNotFound, "knows no device"},
      {"ann", std::string(65, 'd'), Code::kBadRequest, "1 to 64 bytes"},
      {"ann", "a b", Code::kBadRequest, "1 to 64 bytes"},
      {"ann", nullptr, Code::kBadRequest, "1 to 64 bytes"},
      {"ann", 1, Code::kBadRequest, "1 to 64 bytes"},
      {"a b", "pad", Code::kBadRequest, "is no user name"},
  };
  const auto forget = [&](const char* user, const json& device) {
    json question = about("user.forget", user);
    question["device"] = device;
    return desk.ask(question);
  };
  for (const Row& row : rows) {
    CAPTURE(row.user);
    CAPTURE(row.device.dump());
    const json answer = forget(row.user, row.device);
    CHECK(answer.at("code") == code_of(row.code));
    CHECK(answer.at("reason").get<std::string>().find(row.words) != std::string::npos);
  }
  CHECK(desk.code(about("user.forget", "ann")) == code_of(Code::kBadRequest));  // no device named
  CHECK(desk.code(about("user.devices", "bob")) == code_of(Code::kNotFound));
  CHECK(desk.code(about("user.devices", "")) == code_of(Code::kBadRequest));
  CHECK(desk.ask(about("user.devices", "ann")).at("devices").size() == 1);
  CHECK(desk.code(about("user.remove", "ann")) == 0);
  CHECK(desk.code(about("user.devices", "ann")) == code_of(Code::kNotFound));
  CHECK(forget("ann", "pad").at("code") == code_of(Code::kNotFound));
}

}  // namespace
}  // namespace ims
