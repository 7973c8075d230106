// Tenants: the row byte by byte, what no row is, and the table.
#include "logic/tenant.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace ims::logic {
namespace {

using Alg = AppKey::Alg;
using namespace std::string_literals;

Tenant small_tenant() {
  return {TenantId{0x01020304}, "org", "app", {{"", Alg::kHs256, "s"}}};
}

std::string kid(std::size_t i) { return "k" + std::to_string(i); }

TEST_CASE("tenant: a row, byte by byte") {
  Tenant tenant = small_tenant();
  tenant.keys.emplace_back("e1", Alg::kEdDsa, std::string(32, 'P'));
  const std::string row =
      "\x01"
      "\x01\x02\x03\x04"
      "\x03org"
      "\x03" "app"
      "\x02"
      "\x01\x00\x00\x01s"s
      "\x02\x02" "e1\x00\x20"s + std::string(32, 'P');
  CHECK(encode_tenant(tenant) == row);
  const auto decoded = decode_tenant(row);
  REQUIRE(decoded.has_value());
  CHECK(*decoded == tenant);
}

TEST_CASE("tenant: everything at its limit comes back, and one more is not valid") {
  Tenant tenant{TenantId{0xffff'ffff}, std::string(64, 'o'), std::string(64, 'a'), {}};
  CHECK(decode_tenant(encode_tenant(tenant)) == tenant);  // no key yet: nobody can log in
  for (std::size_t i = 0; i < kTenantKeysMax; ++i) {
    tenant.keys.emplace_back(kid(i), Alg::kHs256, std::string(kHmacSecretBytesMax, '\xff'));
  }
  tenant.keys[0] = AppKey(std::string(kKidBytesMax, 'k'), Alg::kHs256, "\0"s);
  REQUIRE(is_valid(tenant));
  CHECK(decode_tenant(encode_tenant(tenant)) == tenant);

  const auto invalid = [&](auto change) {
    Tenant changed = tenant;
    change(changed);
    return !is_valid(changed);
  };
  CHECK(invalid([](Tenant& t) { t.id = {}; }));
  CHECK(invalid([](Tenant& t) { t.org += 'o'; }));
  CHECK(invalid([](Tenant& t) { t.org.clear(); }));
  CHECK(invalid([](Tenant& t) { t.org = "a/b"; }));
  CHECK(invalid([](Tenant& t) { t.appkey += 'a'; }));
  CHECK(invalid([](Tenant& t) { t.appkey.clear(); }));
  CHECK(invalid([](Tenant& t) { t.appkey = "a b"; }));
  CHECK(invalid([](Tenant& t) { t.keys.emplace_back("more", Alg::kHs256, "s"); }));
  CHECK(invalid([](Tenant& t) { t.keys[1] = AppKey(kid(2), Alg::kHs256, "s"); }));
  CHECK(invalid([](Tenant& t) { t.keys[1] = AppKey("x", Alg::kHs256, ""); }));
  CHECK(invalid([](Tenant& t) {
    t.keys[1] = AppKey("x", Alg::kHs256, std::string(kHmacSecretBytesMax + 1, 's'));
  }));
  CHECK(invalid([](Tenant& t) {
    t.keys[1] = AppKey(std::string(kKidBytesMax + 1, 'k'), Alg::kHs256, "s");
  }));
  for (const std::size_t bytes : {0u, 31u, 33u}) {
    CHECK(
        invalid([&](Tenant& t) { t.keys[1] = AppKey("x", Alg::kEdDsa, std::string(bytes, 'p')); }));
  }
  CHECK_FALSE(
      invalid([](Tenant& t) { t.keys[1] = AppKey("x", Alg::kEdDsa, std::string(32, 'p')); }));
}

TEST_CASE("tenant: what is no row") {
  const std::string good = encode_tenant(small_tenant());
  REQUIRE(decode_tenant(good).has_value());
  for (std::size_t size = 0; size < good.size(); ++size) {
    INFO(size);
    CHECK_FALSE(decode_tenant(good.substr(0, size)).has_value());
  }
  CHECK_FALSE(decode_tenant(good + '\0').has_value());

  const auto changed = [&](std::size_t at, char byte) {
    std::string row = good;
    row.at(at) = byte;
    return decode_tenant(row);
  };
  for (const char version : {'\x00', '\x02', '\xff'}) CHECK_FALSE(changed(0, version).has_value());
  const std::size_t alg_at = good.size() - 5;  // alg, kid length, material length (2), 's'
  CHECK(changed(alg_at, '\x01').has_value());
  for (const char alg : {'\x00', '\x02', '\x03', '\xff'}) {
    CHECK_FALSE(changed(alg_at, alg).has_value());  // 2 is EdDSA, whose key has 32 bytes
  }
  CHECK_FALSE(changed(6, '/').has_value());     // a name that breaks the rule
  CHECK_FALSE(changed(6, '\xff').has_value());  // and one that is no UTF-8
  CHECK_FALSE(changed(good.size() - 6, '\xff').has_value());  // 255 keys announced, one there
  CHECK_FALSE(changed(good.size() - 6, '\x00').has_value());  // none announced, one there
  CHECK_FALSE(decode_tenant(good.substr(0, 1) + "\0\0\0\0"s + good.substr(5)).has_value());  // id 0

  // The same kid twice.
  const std::string key = good.substr(alg_at);
  std::string twice = good.substr(0, alg_at - 1) + '\x02' + key + key;
  CHECK_FALSE(decode_tenant(twice).has_value());
  twice = good.substr(0, alg_at - 1) + '\x02' + key + "\x01\x01k\x00\x01s"s;
  CHECK(decode_tenant(twice).has_value());
}

TEST_CASE("tenant: the table finds by name and by id") {
  TenantTable table;
  CHECK(table.find("org", "app") == nullptr);
  CHECK(table.find(TenantId{1}) == nullptr);
  REQUIRE(table.put({TenantId{1}, "org", "app", {{"", Alg::kHs256, "one"}}}));
  REQUIRE(table.put({TenantId{2}, "org", "app2", {}}));
  REQUIRE(table.put({TenantId{3}, "orga", "pp", {}}));
  CHECK(table.size() == 3);
  REQUIRE(table.find("org", "app") != nullptr);
  CHECK(table.find("org", "app")->id == TenantId{1});
  CHECK(table.find("org", "app") == table.find(TenantId{1}));
  CHECK(table.find("orga", "pp")->id == TenantId{3});  // not "org" + "app"
  CHECK(table.find("org", "ap") == nullptr);
  CHECK(table.find("org", "") == nullptr);
  CHECK(table.find("", "app") == nullptr);
  CHECK(table.find("Org", "app") == nullptr);
  CHECK(table.find("app", "org") == nullptr);
  CHECK(table.find(TenantId{4}) == nullptr);

  std::size_t visited = 0;
  table.for_each([&](const Tenant& tenant) {
    ++visited;
    CHECK(table.find(tenant.id) == &tenant);
  });
  CHECK(visited == 3);
}

TEST_CASE("tenant: put replaces by id, refuses a taken name, remove takes both ways of finding") {
  TenantTable table;
  REQUIRE(table.put({TenantId{1}, "org", "app", {{"", Alg::kHs256, "one"}}}));
  REQUIRE(table.put({TenantId{1}, "org", "app", {{"", Alg::kHs256, "two"}}}));
  CHECK(table.size() == 1);
  CHECK(table.find("org", "app")->keys[0].secret_or_public_key == "two");

  CHECK_FALSE(table.put({TenantId{2}, "org", "app", {}}));
  CHECK(table.find(TenantId{2}) == nullptr);
  CHECK(table.find("org", "app")->id == TenantId{1});

  REQUIRE(table.put({TenantId{1}, "org", "renamed", {}}));
  CHECK(table.find("org", "app") == nullptr);
  CHECK(table.find("org", "renamed")->id == TenantId{1});
  CHECK(table.put({TenantId{2}, "org", "app", {}}));  // free again

  CHECK(table.remove(TenantId{1}));
  CHECK_FALSE(table.remove(TenantId{1}));
  CHECK(table.find(TenantId{1}) == nullptr);
  CHECK(table.find("org", "renamed") == nullptr);
  CHECK(table.find("org", "app")->id == TenantId{2});
  CHECK(table.size() == 1);
}

TEST_CASE("tenant: a thousand of them, and a table that was moved") {
  TenantTable table;
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    REQUIRE(table.put({TenantId{i}, "org", "app" + std::to_string(i), {}}));
  }
  const TenantTable moved = std::move(table);
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    const Tenant* tenant = moved.find("org", "app" + std::to_string(i));
    REQUIRE(tenant != nullptr);
    CHECK(tenant->id == TenantId{i});
  }
}

}  // namespace
}  // namespace ims::logic
