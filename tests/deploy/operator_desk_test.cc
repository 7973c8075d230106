// The operator's questions over a store without a server: apps, keys, users, and what is refused.
#include "deploy/operator_desk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "deploy/store_backend.h"
#include "logic/base64url.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store_memory.h"
#include "shared/route.h"

namespace ims {
namespace {

using nlohmann::json;

struct Desk {
  explicit Desk(logic::Store& opened) : store(opened), backend(store) {}

  json ask(const json& question) { return desk.answer(question); }
  int code(const json& question) { return ask(question).at("code").get<int>(); }

  logic::Store& store;
  StoreBackend backend;
  OperatorDesk desk{load_tenants(store), backend, ""};
};

json add(std::string org, std::string appkey, std::string secret, std::string kid = "") {
  return {{"op", "app.add"}, {"org", org},   {"appkey", appkey}, {"kid", kid},
          {"alg", "HS256"},  {"key", logic::encode_base64url(secret)}};
}
json about(const char* op, std::string user = "") {
  json question = {{"op", op}, {"org", "o"}, {"appkey", "a"}};
  if (!user.empty()) question["user"] = user;
  return question;
}
constexpr int code_of(Code code) { return static_cast<int>(code); }
constexpr char kHash[] = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA";

logic::Tenant only_tenant(logic::Store& store) {
  const logic::TenantTable table = load_tenants(store);
  REQUIRE(table.size() == 1);
  logic::Tenant found;
  table.for_each([&](const logic::Tenant& tenant) { found = tenant; });
  return found;
}

TEST_CASE("apps: added, durable, found again; a repeat with the same key changes nothing") {
  logic::MemoryStore store;
  {
    Desk desk(store);
    CHECK(desk.code(add("o", "a", "secret")) == 0);
    CHECK(desk.code(add("o", "a", "secret")) == 0);
    const logic::Tenant tenant = only_tenant(store);
    CHECK(tenant.org == "o");
    CHECK(tenant.appkey == "a");
    REQUIRE(tenant.keys.size() == 1);
    CHECK(tenant.keys[0].alg == logic::AppKey::Alg::kHs256);
    CHECK(tenant.keys[0].secret_or_public_key == "secret");
    CHECK(tenant.keys[0].kid.empty());
  }
  Desk again(store);
  const json secret = again.ask(about("app.secret"));
  CHECK(secret.at("code") == 0);
  CHECK(secret.at("key") == logic::encode_base64url("secret"));
}

TEST_CASE("apps: another key needs a name of its own; each name once, sixteen keys") {
  logic::MemoryStore store;
  Desk desk(store);
  CHECK(desk.code(add("o", "a", "one")) == 0);
  const json refused = desk.ask(add("o", "a", "two"));
  CHECK(refused.at("code") == code_of(Code::kAlreadyExists));
  CHECK(refused.at("reason").get<std::string>().find("--kid") != std::string::npos);
  CHECK(desk.code(add("o", "a", "two", "k2")) == 0);
  CHECK(desk.code(add("o", "a", "two", "k2")) == 0);
  CHECK(desk.code(add("o", "a", "three", "k2")) == code_of(Code::kAlreadyExists));

  json named = about("app.secret");
  named["kid"] = "k2";
  CHECK(desk.ask(named).at("key") == logic::encode_base64url("two"));
  named["kid"] = "k3";
  CHECK(desk.code(named) == code_of(Code::kNotFound));

  for (int i = 3; i <= 16; ++i) {
    CHECK(desk.code(add("o", "a", "s", "k" + std::to_string(i))) == 0);
  }
  CHECK(only_tenant(store).keys.size() == logic::kTenantKeysMax);
  CHECK(desk.code(add("o", "a", "s", "k17")) == code_of(Code::kQueueFull));

  json remove = about("app.remove");
  remove["kid"] = "k16";
  CHECK(desk.code(remove) == 0);
  CHECK(desk.code(remove) == code_of(Code::kNotFound));
  CHECK(only_tenant(store).keys.size() == logic::kTenantKeysMax - 1);
}

TEST_CASE("apps: the last key stays with its app") {
  logic::MemoryStore store;
  Desk desk(store);
  CHECK(desk.code(add("o", "a", "one")) == 0);
  json remove = about("app.remove");
  remove["kid"] = "";
  CHECK(desk.code(remove) == code_of(Code::kBadRequest));
  CHECK(only_tenant(store).keys.size() == 1);
}

TEST_CASE("apps: a public key signs nothing here") {
  logic::MemoryStore store;
  Desk desk(store);
  json question = {{"op", "app.add"}, {"org", "o"}, {"appkey", "a"}, {"alg", "EdDSA"}};
  for (const std::size_t bytes : {31u, 33u, 0u}) {
    question["key"] = logic::encode_base64url(std::string(bytes, 'k'));
    CHECK(desk.code(question) == code_of(Code::kBadRequest));
  }
  question["key"] = logic::encode_base64url(std::string(32, 'k'));
  CHECK(desk.code(question) == 0);
  CHECK(only_tenant(store).keys[0].alg == logic::AppKey::Alg::kEdDsa);
  CHECK(desk.code(about("app.secret")) == code_of(Code::kNotFound));
}

TEST_CASE("apps: limits of names, secrets and kids, one below, at and above") {
  logic::MemoryStore store;
  Desk desk(store);
  CHECK(desk.code(add(std::string(64, 'o'), "a", "s")) == 0);
  CHECK(desk.code(add(std::string(65, 'o'), "a", "s")) == code_of(Code::kBadRequest));
  CHECK(desk.code(add("", "a", "s")) == code_of(Code::kBadRequest));
  CHECK(desk.code(add("o", "a/b", "s")) == code_of(Code::kBadRequest));
  CHECK(desk.code(add("o", "1", std::string(1023, 's'))) == 0);
  CHECK(desk.code(add("o", "2", std::string(1024, 's'))) == 0);
  CHECK(desk.code(add("o", "3", std::string(1025, 's'))) == code_of(Code::kBadRequest));
  CHECK(desk.code(add("o", "3", "")) == code_of(Code::kBadRequest));
  CHECK(desk.code(add("o", "4", "s", std::string(255, 'k'))) == 0);
  CHECK(desk.code(add("o", "5", "s", std::string(256, 'k'))) == code_of(Code::kBadRequest));
  CHECK(desk.code(add("o", "5", "s", "k\n")) == code_of(Code::kBadRequest));
}

TEST_CASE("apps: listed in order, a hundred a page") {
  logic::MemoryStore store;
  Desk desk(store);
  for (int i = 0; i < 201; ++i) {
    CHECK(desk.code(add("o" + std::to_string(i), "a", "s")) == 0);
  }
  std::vector<std::string> orgs;
  json question = {{"op", "app.list"}};
  for (const std::size_t expected : {100u, 100u, 1u}) {
    const json page = desk.ask(question);
    CHECK(page.at("apps").size() == expected);
    CHECK(page.at("more") == (expected == 100));
    for (const json& app : page.at("apps")) orgs.push_back(app.at("org").get<std::string>());
    question["after"] = {orgs.back(), "a"};
  }
  CHECK(orgs.size() == 201);
  CHECK(std::is_sorted(orgs.begin(), orgs.end()));
}

TEST_CASE("apps: removed; its id does not come back with the next one") {
  logic::MemoryStore store;
  Desk desk(store);
  CHECK(desk.code(about("app.remove")) == code_of(Code::kNotFound));
  CHECK(desk.code(add("o", "a", "s")) == 0);
  const TenantId first = only_tenant(store).id;
  CHECK(desk.code(about("app.remove")) == 0);
  CHECK(load_tenants(store).size() == 0);
  CHECK(desk.code(about("app.secret")) == code_of(Code::kNotFound));
  CHECK(desk.code(add("o", "a", "s")) == 0);
  CHECK(only_tenant(store).id != first);
}

TEST_CASE("users: the rows are where a worker looks for them") {
  logic::MemoryStore store;
  Desk desk(store);
  CHECK(desk.code(about("user.add", "ann")) == code_of(Code::kNotFound));  // no such app
  CHECK(desk.code(add("o", "a", "s")) == 0);
  CHECK(desk.code(about("user.add", "ann")) == 0);
  CHECK(desk.code(about("user.add", "ann")) == code_of(Code::kAlreadyExists));
  json may = about("user.add", "ann");
  may["may_exist"] = true;
  CHECK(desk.code(may) == 0);

  const TenantId tenant = only_tenant(store).id;
  const std::uint64_t seed = logic::open_identity(store).seed;
  const std::uint16_t partition =
      partition_of(hash_name(seed, hash_tenant(seed, "o", "a"), NameKind::kUser, "ann"));
  std::string value;
  const auto get = [&](const std::string& key) {
    return store.get(logic::Table::kMeta, key, &value, logic::ReadTier::kMayBlock);
  };
  const std::string row_key = logic::user_key(partition, tenant, "ann");
  const std::string password_key = logic::password_key(partition, tenant, "ann");
  REQUIRE(get(row_key) == logic::StoreStatus::kOk);
  const auto row = logic::decode_user(value);
  REQUIRE(row.has_value());
  const UserId id = row->id;
  CHECK(id);
  CHECK_FALSE(row->removed);
  CHECK(row->inbox.head == 0);
  CHECK(row->inbox.first_seq == 1);
  CHECK(get(password_key) == logic::StoreStatus::kNotFound);

  json passwd = about("user.passwd", "ann");
  CHECK(desk.code(passwd) == code_of(Code::kBadRequest));
  passwd["password_hash"] = kHash;
  CHECK(desk.code(passwd) == 0);
  REQUIRE(get(password_key) == logic::StoreStatus::kOk);
  CHECK(value == kHash);
  CHECK(desk.code(about("user.kick", "ann")) == 0);

  CHECK(desk.code(about("user.remove", "ann")) == 0);
  CHECK(get(password_key) == logic::StoreStatus::kNotFound);
  for (const char* op : {"user.remove", "user.kick"}) {
    CHECK(desk.code(about(op, "ann")) == code_of(Code::kNotFound));
  }
  CHECK(desk.code(passwd) == code_of(Code::kNotFound));

  // Back again: the same user with the same inbox.
  json again = about("user.add", "ann");
  again["password_hash"] = kHash;
  CHECK(desk.code(again) == 0);
  REQUIRE(get(row_key) == logic::StoreStatus::kOk);
  CHECK(logic::decode_user(value)->id == id);
  CHECK_FALSE(logic::decode_user(value)->removed);
}

TEST_CASE("users: ids differ within a run and over runs") {
  logic::MemoryStore store;
  std::vector<std::uint64_t> ids;
  for (int run = 0; run < 2; ++run) {
    Desk desk(store);
    CHECK(desk.code(add("o", "a", "s")) == 0);
    for (int i = 0; i < 2; ++i) {
      CHECK(desk.code(about("user.add", "u" + std::to_string(run * 2 + i))) == 0);
    }
  }
  class Users final : public logic::RowVisitor {
   public:
    explicit Users(std::vector<std::uint64_t>& out) : out_(out) {}
    bool on_row(std::string_view, std::string_view value) override {
      out_.push_back(logic::decode_user(value)->id.value);
      return true;
    }

   private:
    std::vector<std::uint64_t>& out_;
  };
  Users visitor(ids);
  REQUIRE(store.scan(logic::Table::kMeta, "u", "v", false, logic::ReadTier::kMayBlock, visitor) ==
          logic::StoreStatus::kOk);
  REQUIRE(ids.size() == 4);
  std::ranges::sort(ids);
  CHECK(std::ranges::adjacent_find(ids) == ids.end());
}

TEST_CASE("users: a hash that is none is refused") {
  logic::MemoryStore store;
  Desk desk(store);
  CHECK(desk.code(add("o", "a", "s")) == 0);
  json question = about("user.add", "ann");
  for (const std::string& hash : {std::string("plain"), std::string("$argon2i$x"),
                                  "$argon2id$" + std::string(119, 'x')}) {
    question["password_hash"] = hash;
    CHECK(desk.code(question) == code_of(Code::kBadRequest));
  }
  question["password_hash"] = "$argon2id$" + std::string(118, 'x');
  CHECK(desk.code(question) == 0);
  CHECK(desk.code(about("user.add", "a b")) == code_of(Code::kBadRequest));
  CHECK(desk.code(about("user.add")) == code_of(Code::kBadRequest));
}

TEST_CASE("lines: whatever comes in, one line of JSON comes out") {
  logic::MemoryStore store;
  Desk desk(store);
  const std::string lines[] = {
      "", "x", "[]", "1", "{", "{}", R"({"op":1})", R"({"op":"app.add"})", R"({"op":"no.such"})",
      R"({"op":"app.add","org":["o"],"appkey":{},"alg":null})", "{\"op\":\"\xff\"}",
      R"({"op":"user.add","org":"o","appkey":"a","user":"\n"})", std::string(1000, '['),
      R"({"op":"app.list","after":[1,2]})",
  };
  for (const std::string& line : lines) {
    CAPTURE(line);
    const std::string text = desk.desk.answer_line(line);
    CHECK(text.find('\n') == std::string::npos);
    const json answer = json::parse(text, nullptr, false);
    REQUIRE(answer.is_object());
    if (line.find("app.list") == std::string::npos) CHECK(answer.at("code") != 0);
  }
}

}  // namespace
}  // namespace ims
