// Login tokens (PROTOCOL.md section 8): published vectors, tokens made by another implementation,
// which key is taken, the clock, and what is a password instead. What is refused:
// jwt_refused_test.cc.
#include "logic/jwt.h"

#include <doctest/doctest.h>

#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "logic/base64url.h"
#include "tests/logic/jwt_words.h"

namespace ims::logic {
namespace {

// ---- known answers ----

TEST_CASE("jwt: RFC 7515 A.1, HS256") {
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ."
      "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const Tenant tenant = tenant_with(
      {{"", Alg::kHs256,
        from_base64url(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAz"
            "Zr1Z9CAow")}});
  CHECK(looks_like_jwt(token));
  // The signature holds; the example has no `sub`, and its time is over in 2011.
  CHECK(reason_of(token, tenant, "joe", 1'300'819'379'999) == JwtReason::kBadClaim);
  CHECK(reason_of(token, tenant, "joe", 1'300'819'380'000) == JwtReason::kExpired);
  CHECK(reason_of(token, hs_tenant(), "joe", 1'300'819'379'999) == JwtReason::kBadSignature);
}

TEST_CASE("jwt: RFC 8037 A.1, A.4 and A.5, Ed25519") {
  const std::string seed = from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
  const std::string key = from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  CHECK(ed25519_public_key(seed) == key);
  const std::string token =
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
  // The signature holds; what it signs is the sentence "Example of Ed25519 signing", no JSON.
  CHECK(reason_of(token, tenant_with({{"", Alg::kEdDsa, key}})) == JwtReason::kMalformed);
  CHECK(reason_of(token, ed_tenant()) == JwtReason::kBadSignature);
}

TEST_CASE("jwt: tokens made by another implementation") {
  CHECK(looks_like_jwt(kPythonHs256));
  const JwtResult hs = verify_jwt(kPythonHs256, hs_tenant(), "alice", kNowMs);
  CHECK(hs.ok());
  CHECK(hs.exp_ms == 2'000'000'000'000);

  Tenant tenant = mixed_tenant();
  tenant.appkey = "demo";
  const JwtResult full = verify_jwt(kPythonHs256Full, tenant, "\xc3\xa9ve\xf0\x9f\x98\x80", kNowMs);
  CHECK(full.ok());
  CHECK(full.exp_ms == 2'000'000'000'250);

  CHECK(looks_like_jwt(kPythonEdDsa));
  const JwtResult ed = verify_jwt(kPythonEdDsa, ed_tenant(), "alice", kNowMs);
  CHECK(ed.ok());
  CHECK(ed.exp_ms == 2'000'000'000'000);
}

TEST_CASE("jwt: what is signed here is what another implementation signs") {
  // The header and payload text are this implementation's; the tags below are python3's for them.
  const JwtClaims claims{.user = "alice", .exp_s = 2'000'000'000};
  CHECK(sign_jwt_hs256(kSecret, claims) == kPythonHs256);
  CHECK(sign_jwt_eddsa(kSeed, claims) == kPythonEdDsa);
}

TEST_CASE("jwt: round trips with every claim and with names that need escapes") {
  for (const std::string user : {"alice", "a\"b\\c", "\xc3\xa9\xf0\x9f\x98\x80", "-1", "null"}) {
    INFO(user);
    JwtClaims claims{
        .user = user, .org = "demo", .app = "app1", .exp_s = kNowS + 1, .nbf_s = kNowS};
    const std::string plain = sign_jwt_hs256(kSecret, claims);
    CHECK(looks_like_jwt(plain));
    const JwtResult result = verify_jwt(plain, mixed_tenant(), user, kNowMs);
    CHECK(result.ok());
    CHECK(result.exp_ms == kNowMs + 1000);
    CHECK(reason_of(sign_jwt_eddsa(kSeed, claims), mixed_tenant(), user) == JwtReason::kOk);
    claims.kid = "k2";
    CHECK(reason_of(sign_jwt_hs256(kOtherSecret, claims), mixed_tenant(), user) == JwtReason::kOk);
    claims.kid = "ed";
    CHECK(reason_of(sign_jwt_eddsa(kSeed, claims), mixed_tenant(), user) == JwtReason::kOk);
  }
  CHECK_THROWS_AS(sign_jwt_eddsa(kSeed.substr(1), {}), std::invalid_argument);
  CHECK_THROWS_AS(ed25519_public_key(kSeed + "x"), std::invalid_argument);
}

// ---- what is accepted ----

TEST_CASE("jwt: accepted") {
  const std::pair<const char*, std::string> rows[] = {
      {"the baseline of the refusals below", hs256(kHeader, kPayload)},
      {"header without typ", with_header(R"({"alg":"HS256"})")},
      {"unknown header members", with_header(R"({"alg":"HS256","jku":"x","x5c":["y"],"b":null})")},
      {"escaped alg", with_header(R"({"\u0061lg":"H\u0053256"})")},
      {"empty kid names the unnamed key", with_header(R"({"alg":"HS256","kid":""})")},
      {"org and app", with_claims(R"("org":"demo","app":"app1")")},
      {"nbf exactly now", with_claims(R"("nbf":1700000000)")},
      {"negative nbf", with_claims(R"("nbf":-1)")},
      {"iat, aud, iss, jti of any type", with_claims(R"("iat":"x","aud":[1],"iss":null,"jti":{})")},
      {"exp 1 ms from now", with_payload(R"({"sub":"alice","exp":1700000000.001})")},
      {"exp with an exponent", with_payload(R"({"sub":"alice","exp":1.8e9})")},
      {"exp beyond the year 9999", with_payload(R"({"sub":"alice","exp":1e400})")},
      {"white space in the JSON", with_payload(" {\"sub\" : \"alice\",\n\"exp\":2000000000 } ")},
      {"sub escaped", with_payload(R"({"\u0073ub":"\u0061lice","exp":2000000000})")},
      {"sub again one level down", with_claims(R"("x":{"sub":"bob","sub":1})")},
  };
  for (const auto& row : rows) {
    const auto& name = row.first;
    const auto& token = row.second;
    INFO(name);
    CHECK(reason_of(token) == JwtReason::kOk);
    CHECK(looks_like_jwt(token));
  }
}

TEST_CASE("jwt: exp is clamped, so that deadlines computed from it do not overflow") {
  const JwtResult result =
      verify_jwt(with_payload(R"({"sub":"alice","exp":1e400})"), hs_tenant(), "alice", kNowMs);
  CHECK(result.exp_ms == 253'402'300'799'999);
}

TEST_CASE("jwt: kid picks the key; without it the first of the algorithm") {
  const auto token = [](const char* kid, const std::string& secret) {
    return sign_jwt_hs256(secret, {.user = "alice", .kid = kid, .exp_s = 2'000'000'000});
  };
  CHECK(reason_of(token("k1", kSecret), mixed_tenant()) == JwtReason::kOk);
  CHECK(reason_of(token("k2", kOtherSecret), mixed_tenant()) == JwtReason::kOk);
  CHECK(reason_of(token("", kSecret), mixed_tenant()) == JwtReason::kOk);
  CHECK(reason_of(kPythonEdDsa, mixed_tenant()) == JwtReason::kOk);  // first EdDSA, not first key
  CHECK(reason_of(token("k1", kOtherSecret), mixed_tenant()) == JwtReason::kBadSignature);
  CHECK(reason_of(token("k2", kSecret), mixed_tenant()) == JwtReason::kBadSignature);
  CHECK(reason_of(token("", kOtherSecret), mixed_tenant()) == JwtReason::kBadSignature);
  CHECK(reason_of(token("k3", kSecret), mixed_tenant()) == JwtReason::kUnknownKey);
  CHECK(reason_of(token("K1", kSecret), mixed_tenant()) == JwtReason::kUnknownKey);
  CHECK(reason_of(token("k", kSecret), mixed_tenant()) == JwtReason::kUnknownKey);
  CHECK(reason_of(token("", kSecret), tenant_with({})) == JwtReason::kUnknownKey);
  // Another tenant's key of the same name is another key.
  const Tenant other = tenant_with({{"k1", Alg::kHs256, "another secret"}});
  CHECK(reason_of(token("k1", kSecret), other) == JwtReason::kBadSignature);
}

TEST_CASE("jwt: the signature is looked at before the claims") {
  // A wrong signature is never told by what it signed: neither an expired nor a broken payload
  // shows.
  CHECK(reason_of(hs256(kHeader, R"({"sub":"bob","exp":1})", "wrong")) == JwtReason::kBadSignature);
  CHECK(reason_of(hs256(kHeader, "{", "wrong")) == JwtReason::kBadSignature);
}

TEST_CASE("jwt: the clock decides to the millisecond") {
  const std::string token = with_payload(R"({"sub":"alice","nbf":1000.5,"exp":2000.25})");
  const std::pair<std::int64_t, JwtReason> rows[] = {
      {0, JwtReason::kNotYetValid},       {1'000'499, JwtReason::kNotYetValid},
      {1'000'500, JwtReason::kOk},        {2'000'249, JwtReason::kOk},
      {2'000'250, JwtReason::kExpired},   {2'000'251, JwtReason::kExpired},
  };
  for (const auto& row : rows) {
    const auto& wall_ms = row.first;
    const auto& reason = row.second;
    INFO(wall_ms);
    CHECK(reason_of(token, hs_tenant(), "alice", wall_ms) == reason);
  }
}

TEST_CASE("jwt: no changed character and no other length is accepted") {
  for (const std::string_view good : {kPythonHs256, kPythonEdDsa}) {
    const Tenant& tenant = mixed_tenant();
    REQUIRE(reason_of(good, tenant) == JwtReason::kOk);
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const char c : std::string_view("AZaz09-_.=")) {
        if (good[at] == c) continue;
        std::string changed(good);
        changed[at] = c;
        if (reason_of(changed, tenant) == JwtReason::kOk) FAIL("position " << at << " as " << c);
      }
      if (reason_of(good.substr(0, at), tenant) == JwtReason::kOk) FAIL("cut at " << at);
    }
  }
}

TEST_CASE("jwt: length below, at and above the limit") {
  const auto token_of = [](std::size_t bytes) {
    // A claim `x` of padding. A byte of it is one character of the token or two.
    for (std::size_t padding = 0;; ++padding) {
      std::string token = with_claims("\"x\":\"" + std::string(padding, 'x') + "\"");
      if (token.size() == bytes) return token;
      REQUIRE(token.size() < bytes + 4);
    }
  };
  CHECK(reason_of(token_of(kJwtBytesMax - 1)) == JwtReason::kOk);
  CHECK(reason_of(token_of(kJwtBytesMax)) == JwtReason::kOk);
  CHECK(looks_like_jwt(token_of(kJwtBytesMax)));
  const std::string above = token_of(kJwtBytesMax + 1);
  CHECK(reason_of(above) == JwtReason::kMalformed);
  CHECK_FALSE(looks_like_jwt(above));
}

// ---- token or password ----

TEST_CASE("jwt: what is taken for a JWT and what for a password") {
  const std::string header = encode_base64url(R"({"alg":"HS256"})");
  const std::pair<std::string, bool> rows[] = {
      {std::string(kPythonHs256), true},
      {header + ".e30.AAAA", true},
      {header + ".e30.", true},  // alg none comes without a signature
      {header + "..", true},
      {header + ".AAAA.AAAB", true},
      {encode_base64url(R"({"alg":null})") + ".e30.AAAA", true},  // with `alg`, of any type
      {encode_base64url(R"({"alg":"none"})") + ".e30.", true},
      {encode_base64url(R"({"alg":"a","alg":"b"})") + ".e30.AAAA", true},
      {encode_base64url("{\"alg\":" + std::string(20, '[') + std::string(20, ']') + "}") +
           ".e30.AAAA",
       true},
      {"", false},
      {"secret", false},
      {"correct horse battery staple", false},
      {"..", false},
      {"a.b.c", false},
      {"aaaa.bbbb.cccc", false},
      {header, false},
      {header + ".e30", false},
      {header + ".e30.AAAA.AAAA", false},
      {header + "=.e30.AAAA", false},
      {header + ".e3=.AAAA", false},
      {header + ".e30.A", false},  // no base64 has one character over
      {header + ".e30.AA+A", false},
      {' ' + header + ".e30.AAAA", false},
      {encode_base64url(R"({"typ":"JWT"})") + ".e30.AAAA", false},  // no alg
      {encode_base64url(R"({"ALG":"HS256"})") + ".e30.AAAA", false},
      {encode_base64url(R"({"x":{"alg":"HS256"}})") + ".e30.AAAA", false},
      {encode_base64url(R"(["alg"])") + ".e30.AAAA", false},
      {encode_base64url(R"("alg")") + ".e30.AAAA", false},
      {encode_base64url(R"({"alg":"HS256")") + ".e30.AAAA", false},
      {encode_base64url("{\"alg\":\"\xff\"}") + ".e30.AAAA", false},
  };
  for (const auto& row : rows) {
    const auto& token = row.first;
    const auto& is_jwt = row.second;
    INFO(token);
    CHECK(looks_like_jwt(token) == is_jwt);
  }
}

TEST_CASE("jwt: every reason has its own name") {
  std::set<std::string> names;
  for (int i = 0; i < kJwtReasonCount; ++i) names.insert(name_of(static_cast<JwtReason>(i)));
  CHECK(names.size() == std::size_t{kJwtReasonCount});
  CHECK(names.count("unknown") == 0);
}

}  // namespace
}  // namespace ims::logic
