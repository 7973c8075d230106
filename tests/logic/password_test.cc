// Passwords: argon2id with the stated parameters, right and wrong, and the user that has none.
#include "logic/password.h"

#include <doctest/doctest.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "logic/jwt.h"
#include "logic/secret.h"

namespace {

// The hashes that argon2id was computed against: what a check costs, without a clock. The linker
// gives logic/password.cc this in place of libsodium's (--wrap, tests/logic/CMakeLists.txt).
std::vector<std::string> verified_against;

}  // namespace

extern "C" {
int __real_crypto_pwhash_str_verify(const char* hash, const char* password,
                                    unsigned long long bytes);
int __wrap_crypto_pwhash_str_verify(const char* hash, const char* password,
                                    unsigned long long bytes) {
  verified_against.emplace_back(hash);
  return __real_crypto_pwhash_str_verify(hash, password, bytes);
}
}

namespace ims::logic {
namespace {

using namespace std::string_literals;

TEST_CASE("password: hash and check") {
  const auto hash = hash_password("correct horse");
  REQUIRE(hash.has_value());
  CHECK(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
  CHECK(check_password("correct horse", *hash) == PasswordCheck::kMatch);
  for (const std::string& wrong : {"correct horsf"s, "correct hors"s, "correct horse "s,
                                   "Correct horse"s, ""s, "correct horse\0"s, *hash}) {
    INFO(wrong);
    CHECK(check_password(wrong, *hash) == PasswordCheck::kMismatch);
  }
}

TEST_CASE("password: the same password has another hash each time") {
  const auto first = hash_password("pw");
  const auto second = hash_password("pw");
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK(*first != *second);
  CHECK(check_password("pw", *first) == PasswordCheck::kMatch);
  CHECK(check_password("pw", *second) == PasswordCheck::kMatch);
}

TEST_CASE("password: every byte counts") {
  const std::string password = "p\0w\xff\xc3\xa9 "s;
  const auto hash = hash_password(password);
  REQUIRE(hash.has_value());
  CHECK(check_password(password, *hash) == PasswordCheck::kMatch);
  CHECK(check_password("p", *hash) == PasswordCheck::kMismatch);
  CHECK(check_password("p\0x\xff\xc3\xa9 "s, *hash) == PasswordCheck::kMismatch);
}

TEST_CASE("password: hashes made by another implementation, with other parameters") {
  // The reference argon2 command line's published test vectors (argon2 test.c, version 0x13).
  const char* reference =
      "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
  CHECK(check_password("password", reference) == PasswordCheck::kMatch);
  CHECK(check_password("passwore", reference) == PasswordCheck::kMismatch);
}

TEST_CASE("password: length below, at and above the limit") {
  const std::string longest(kPasswordBytesMax, 'p');
  const auto hash = hash_password(longest);
  REQUIRE(hash.has_value());
  CHECK(check_password(longest, *hash) == PasswordCheck::kMatch);
  CHECK(check_password(longest.substr(1), *hash) == PasswordCheck::kMismatch);
  CHECK(check_password(longest + 'p', *hash) == PasswordCheck::kMismatch);
  CHECK_FALSE(hash_password(longest + 'p').has_value());
  CHECK_FALSE(hash_password("").has_value());
  CHECK(hash_password("p").has_value());
  CHECK(check_password(Secret().view(), *hash) == PasswordCheck::kMismatch);  // no bytes at all
}

TEST_CASE("password: what a login would take for a token is refused as a password") {
  const std::string token = sign_jwt_hs256("secret", {.user = "alice", .exp_s = 1});
  CHECK_FALSE(hash_password(token).has_value());
  CHECK(hash_password(token + '.').has_value());
}

TEST_CASE("password: what is no argon2id hash matches nothing") {
  const auto hash = hash_password("pw");
  REQUIRE(hash.has_value());
  std::array<char, crypto_pwhash_STRBYTES> argon2i;
  REQUIRE(crypto_pwhash_str_alg(argon2i.data(), "pw", 2, 3, 1 << 20, crypto_pwhash_ALG_ARGON2I13) ==
          0);
  REQUIRE(crypto_pwhash_str_verify(argon2i.data(), "pw", 2) == 0);
  const std::string rows[] = {
      "",  "pw", "$", "$argon2id$", argon2i.data(), hash->substr(0, hash->size() - 1),
      hash->substr(1), *hash + "\0"s, "\0"s + *hash, *hash + std::string(200, 'A'),
      "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
  };
  for (const std::string& row : rows) {
    INFO(row);
    CHECK(check_password("pw", row) == PasswordCheck::kMismatch);
    CHECK(check_password("", row) == PasswordCheck::kMismatch);
  }
}

TEST_CASE("password: the dummy hash has today's parameters, and nothing matches it") {
  REQUIRE(sodium_init() >= 0);
  CHECK(crypto_pwhash_str_needs_rehash(kDummyPasswordHash, kPasswordOperations,
                                       kPasswordMemoryBytes) == 0);
  for (const std::string& password :
       {""s, "pw"s, std::string(kDummyPasswordHash), std::string(5000, 'p')}) {
    CHECK(check_dummy_password(password) == PasswordCheck::kMismatch);
  }
}

TEST_CASE(
    "password: an unknown user, a broken hash and a long password cost the same as a wrong one") {
  const auto hash = hash_password("pw");
  REQUIRE(hash.has_value());
  const std::string long_password(kPasswordBytesMax + 1, 'p');
  const auto hashes_computed = [](auto&& check) {
    verified_against.clear();
    check();
    return verified_against;
  };
  const std::vector<std::string> dummy{kDummyPasswordHash};
  CHECK(hashes_computed([&] { check_password("px", *hash); }) == std::vector{*hash});
  CHECK(hashes_computed([&] { check_dummy_password("px"); }) == dummy);
  CHECK(hashes_computed([&] { check_dummy_password(long_password); }) == dummy);
  CHECK(hashes_computed([&] { check_password("px", "broken"); }) == dummy);
  CHECK(hashes_computed([&] { check_password(long_password, *hash); }) == dummy);
  CHECK(crypto_pwhash_str_needs_rehash(hash->c_str(), kPasswordOperations,
                                       kPasswordMemoryBytes) == 0);  // as the dummy's
}

TEST_CASE("secret: moves its bytes and leaves nothing behind") {
  Secret secret("password");
  const char* bytes = secret.view().data();
  Secret moved(std::move(secret));
  CHECK(moved.view() == "password");
  CHECK(moved.view().data() == bytes);  // not copied
  CHECK(secret.empty());                // NOLINT: a moved-from Secret is empty by its contract
  Secret other(std::string("older"));
  other = std::move(moved);
  CHECK(other.view() == "password");
  CHECK(moved.empty());  // NOLINT
  other.wipe();
  CHECK(other.empty());
  CHECK(Secret().view().empty());
  CHECK(Secret("").empty());
}

}  // namespace
}  // namespace ims::logic
