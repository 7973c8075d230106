// Every way in which a login token can be wrong, each with the reason that is counted for it. All
// of these tokens but for the stated fault are the first one of "jwt: accepted" (jwt_test.cc), and
// but for those that forge a signature they are signed with the right key.
#include <doctest/doctest.h>

#include <string>

#include "logic/base64url.h"
#include "logic/jwt.h"
#include "tests/logic/jwt_words.h"

namespace ims::logic {
namespace {

struct Refusal {
  const char* name;
  std::string token;
  JwtReason reason;
};

void check_refused(const Refusal& row, const Tenant& tenant = hs_tenant()) {
  INFO(row.name);
  const JwtReason reason = reason_of(row.token, tenant);
  INFO(name_of(reason));
  CHECK(reason == row.reason);
}

TEST_CASE("jwt: refused for its form") {
  const std::string good = hs256(kHeader, kPayload);
  const std::size_t dot1 = good.find('.');
  const std::size_t dot2 = good.find('.', dot1 + 1);
  const std::string header = good.substr(0, dot1);
  const std::string payload = good.substr(dot1 + 1, dot2 - dot1 - 1);
  const std::string tag = good.substr(dot2 + 1);
  const std::string deep =
      "{\"alg\":\"HS256\",\"x\":" + std::string(16, '[') + std::string(16, ']') + "}";
  const Refusal rows[] = {
      {"empty", "", JwtReason::kMalformed},
      {"dots alone", "..", JwtReason::kMalformed},
      {"one part", header, JwtReason::kMalformed},
      {"two parts", header + '.' + payload, JwtReason::kMalformed},
      {"four parts", good + '.' + tag, JwtReason::kMalformed},
      {"four parts, the last empty", good + '.', JwtReason::kMalformed},
      {"five parts, as a JWE", good + "..", JwtReason::kMalformed},
      {"empty part in front", '.' + good, JwtReason::kMalformed},
      {"padding behind the header", header + "=." + payload + '.' + tag, JwtReason::kMalformed},
      {"padding behind the payload", header + '.' + payload + "=." + tag, JwtReason::kMalformed},
      {"padding behind the signature", good + '=', JwtReason::kMalformed},
      {"space in front", ' ' + good, JwtReason::kMalformed},
      {"line end behind", good + '\n', JwtReason::kMalformed},
      {"zero byte behind", good + '\0', JwtReason::kMalformed},
      {"base64, not base64url", header + "." + payload + ".+/" + tag.substr(2),
       JwtReason::kMalformed},
      {"header of 4n+1 characters", "eyJhb." + payload + '.' + tag, JwtReason::kMalformed},
      {"trailing bits in the header",
       encode_base64url(R"({"alg":"HS256"} )").substr(0, 21) + "B." + payload + '.' + tag,
       JwtReason::kMalformed},
      // 43 characters carry 258 bits: the last one's two low bits must be zero.
      {"trailing bits in the signature", good.substr(0, good.size() - 1) + "1",
       JwtReason::kBadSignature},
      {"characters behind the signature", good + "AAAA", JwtReason::kBadSignature},
      {"signature one byte short",
       header + '.' + payload + '.' + encode_base64url(from_base64url(tag).substr(0, 31)),
       JwtReason::kBadSignature},
      {"signature of 65 bytes",
       header + '.' + payload + '.' + encode_base64url(std::string(65, 'x')),
       JwtReason::kBadSignature},
      {"no signature", header + '.' + payload + '.', JwtReason::kBadSignature},
      {"header no JSON", with_header("HS256"), JwtReason::kMalformed},
      {"header empty", with_header(""), JwtReason::kMalformed},
      {"header an array", with_header(R"(["alg","HS256"])"), JwtReason::kMalformed},
      {"header a string", with_header(R"("alg")"), JwtReason::kMalformed},
      {"header with trailing garbage", with_header(R"({"alg":"HS256"}x)"), JwtReason::kMalformed},
      {"header with alg twice", with_header(R"({"alg":"HS256","alg":"HS256"})"),
       JwtReason::kMalformed},
      {"header with alg twice, one escaped", with_header(R"({"alg":"HS256","\u0061lg":"none"})"),
       JwtReason::kMalformed},
      {"header nested too deep", with_header(deep), JwtReason::kMalformed},
      {"header in bad UTF-8", with_header("{\"alg\":\"HS256\",\"x\":\"\xff\"}"),
       JwtReason::kMalformed},
      {"header with a byte order mark", with_header("\xef\xbb\xbf{\"alg\":\"HS256\"}"),
       JwtReason::kMalformed},
      {"payload empty", with_payload(""), JwtReason::kMalformed},
      {"payload no JSON", with_payload("alice"), JwtReason::kMalformed},
      {"payload an array", with_payload(R"([{"sub":"alice","exp":2000000000}])"),
       JwtReason::kMalformed},
      {"payload null", with_payload("null"), JwtReason::kMalformed},
      {"payload with trailing garbage", with_payload(std::string(kPayload) + "x"),
       JwtReason::kMalformed},
      {"payload with a second object", with_payload(std::string(kPayload) + "{}"),
       JwtReason::kMalformed},
      {"payload cut", with_payload(kPayload.substr(0, kPayload.size() - 1)), JwtReason::kMalformed},
      {"payload with a trailing comma", with_payload(R"({"sub":"alice","exp":2000000000,})"),
       JwtReason::kMalformed},
      {"sub twice", with_claims(R"("sub":"alice")"), JwtReason::kMalformed},
      {"sub twice, one escaped", with_claims(R"("su\u0062":"bob")"), JwtReason::kMalformed},
      {"exp twice", with_claims(R"("exp":2000000001)"), JwtReason::kMalformed},
      {"another claim twice", with_claims(R"("x":1,"x":1)"), JwtReason::kMalformed},
      {"bad UTF-8 in a claim", with_claims("\"x\":\"\xc3(\""), JwtReason::kMalformed},
      {"bad UTF-8 in sub", with_payload("{\"sub\":\"alice\xff\",\"exp\":2000000000}"),
       JwtReason::kMalformed},
      {"lone surrogate in a claim", with_claims(R"("x":"\ud800")"), JwtReason::kMalformed},
      {"control character in a claim", with_claims("\"x\":\"\t\""), JwtReason::kMalformed},
      {"payload nested too deep",
       with_claims("\"x\":" + std::string(16, '[') + std::string(16, ']')), JwtReason::kMalformed},
      {"exp NaN", with_payload(R"({"sub":"alice","exp":NaN})"), JwtReason::kMalformed},
      {"exp Infinity", with_payload(R"({"sub":"alice","exp":Infinity})"), JwtReason::kMalformed},
      {"exp with a leading zero", with_payload(R"({"sub":"alice","exp":02000000000})"),
       JwtReason::kMalformed},
      {"exp hexadecimal", with_payload(R"({"sub":"alice","exp":0x77359400})"),
       JwtReason::kMalformed},
  };
  for (const Refusal& row : rows) check_refused(row);
}

TEST_CASE("jwt: refused for its header") {
  const Refusal rows[] = {
      {"no alg", with_header(R"({"typ":"JWT"})"), JwtReason::kBadHeader},
      {"alg a number", with_header(R"({"alg":256})"), JwtReason::kBadHeader},
      {"alg null", with_header(R"({"alg":null})"), JwtReason::kBadHeader},
      {"alg an array", with_header(R"({"alg":["HS256"]})"), JwtReason::kBadHeader},
      {"kid a number", with_header(R"({"alg":"HS256","kid":1})"), JwtReason::kBadHeader},
      {"kid null", with_header(R"({"alg":"HS256","kid":null})"), JwtReason::kBadHeader},
      {"alg none", with_header(R"({"alg":"none"})"), JwtReason::kWrongAlg},
      {"alg None", with_header(R"({"alg":"None"})"), JwtReason::kWrongAlg},
      {"alg empty", with_header(R"({"alg":""})"), JwtReason::kWrongAlg},
      {"alg none without a signature",
       encode_base64url(R"({"alg":"none"})") + '.' + encode_base64url(kPayload) + '.',
       JwtReason::kWrongAlg},
      {"alg in lower case", with_header(R"({"alg":"hs256"})"), JwtReason::kWrongAlg},
      {"alg with a space", with_header(R"({"alg":"HS256 "})"), JwtReason::kWrongAlg},
      {"alg HS384", with_header(R"({"alg":"HS384"})"), JwtReason::kWrongAlg},
      {"alg RS256", with_header(R"({"alg":"RS256"})"), JwtReason::kWrongAlg},
      {"alg ES256", with_header(R"({"alg":"ES256"})"), JwtReason::kWrongAlg},
      {"alg Ed25519", with_header(R"({"alg":"Ed25519"})"), JwtReason::kWrongAlg},
      {"alg EdDSA at an app with a secret", with_header(R"({"alg":"EdDSA"})"),
       JwtReason::kUnknownKey},
      {"alg EdDSA, kid of the secret", with_header(R"({"alg":"EdDSA","kid":""})"),
       JwtReason::kWrongAlg},
      {"kid unknown", with_header(R"({"alg":"HS256","kid":"k9"})"), JwtReason::kUnknownKey},
      {"crit", with_header(R"({"alg":"HS256","crit":["exp"],"exp":1})"), JwtReason::kCritical},
      {"crit empty", with_header(R"({"alg":"HS256","crit":[]})"), JwtReason::kCritical},
      {"crit null", with_header(R"({"alg":"HS256","crit":null})"), JwtReason::kCritical},
      {"crit escaped", with_header(R"({"alg":"HS256","cri\u0074":["b64"],"b64":false})"),
       JwtReason::kCritical},
  };
  for (const Refusal& row : rows) check_refused(row);
}

TEST_CASE("jwt: refused for its claims") {
  const Refusal rows[] = {
      {"no claims", with_payload("{}"), JwtReason::kBadClaim},
      {"no exp", with_payload(R"({"sub":"alice"})"), JwtReason::kBadClaim},
      {"exp a string", with_payload(R"({"sub":"alice","exp":"2000000000"})"), JwtReason::kBadClaim},
      {"exp null", with_payload(R"({"sub":"alice","exp":null})"), JwtReason::kBadClaim},
      {"exp true", with_payload(R"({"sub":"alice","exp":true})"), JwtReason::kBadClaim},
      {"exp an array", with_payload(R"({"sub":"alice","exp":[2000000000]})"), JwtReason::kBadClaim},
      {"exp exactly now", with_payload(R"({"sub":"alice","exp":1700000000})"), JwtReason::kExpired},
      {"exp a second ago", with_payload(R"({"sub":"alice","exp":1699999999})"),
       JwtReason::kExpired},
      {"exp a fraction of a millisecond from now",
       with_payload(R"({"sub":"alice","exp":1700000000.0009})"), JwtReason::kExpired},
      {"exp zero", with_payload(R"({"sub":"alice","exp":0})"), JwtReason::kExpired},
      {"exp negative", with_payload(R"({"sub":"alice","exp":-2000000000})"), JwtReason::kExpired},
      {"exp huge and negative", with_payload(R"({"sub":"alice","exp":-1e400})"),
       JwtReason::kExpired},
      {"exp tiny", with_payload(R"({"sub":"alice","exp":2000000000e-400})"), JwtReason::kExpired},
      {"exp that wraps 64 bits", with_payload(R"({"sub":"alice","exp":-18446744071709551616})"),
       JwtReason::kExpired},
      {"nbf in the future", with_claims(R"("nbf":1700000001)"), JwtReason::kNotYetValid},
      {"nbf in a millisecond", with_claims(R"("nbf":1700000000.001)"), JwtReason::kNotYetValid},
      {"nbf huge", with_claims(R"("nbf":1e400)"), JwtReason::kNotYetValid},
      {"nbf a string", with_claims(R"("nbf":"1600000000")"), JwtReason::kBadClaim},
      {"nbf null", with_claims(R"("nbf":null)"), JwtReason::kBadClaim},
      {"no sub", with_payload(R"({"exp":2000000000})"), JwtReason::kBadClaim},
      {"sub a number", with_payload(R"({"sub":1,"exp":2000000000})"), JwtReason::kBadClaim},
      {"sub null", with_payload(R"({"sub":null,"exp":2000000000})"), JwtReason::kBadClaim},
      {"sub an array", with_payload(R"({"sub":["alice"],"exp":2000000000})"), JwtReason::kBadClaim},
      {"sub an object", with_payload(R"({"sub":{"alice":1},"exp":2000000000})"),
       JwtReason::kBadClaim},
      {"sub another user", with_payload(R"({"sub":"bob","exp":2000000000})"),
       JwtReason::kWrongUser},
      {"sub empty", with_payload(R"({"sub":"","exp":2000000000})"), JwtReason::kWrongUser},
      {"sub longer", with_payload(R"({"sub":"alicee","exp":2000000000})"), JwtReason::kWrongUser},
      {"sub shorter", with_payload(R"({"sub":"alic","exp":2000000000})"), JwtReason::kWrongUser},
      {"sub in another case", with_payload(R"({"sub":"Alice","exp":2000000000})"),
       JwtReason::kWrongUser},
      {"sub and a zero byte", with_payload(R"({"sub":"alice\u0000","exp":2000000000})"),
       JwtReason::kWrongUser},
      {"sub one level down alone", with_payload(R"({"x":{"sub":"alice"},"exp":2000000000})"),
       JwtReason::kBadClaim},
      {"Sub", with_payload(R"({"Sub":"alice","exp":2000000000})"), JwtReason::kBadClaim},
      {"another org", with_claims(R"("org":"demo2")"), JwtReason::kWrongTenant},
      {"org empty", with_claims(R"("org":"")"), JwtReason::kWrongTenant},
      {"org a number", with_claims(R"("org":1)"), JwtReason::kBadClaim},
      {"org null", with_claims(R"("org":null)"), JwtReason::kBadClaim},
      {"another app", with_claims(R"("app":"app2")"), JwtReason::kWrongTenant},
      {"app an array", with_claims(R"("app":["app1"])"), JwtReason::kBadClaim},
      {"org and app swapped", with_claims(R"("org":"app1","app":"demo")"), JwtReason::kWrongTenant},
  };
  for (const Refusal& row : rows) check_refused(row);
}

TEST_CASE("jwt: the token does not choose its key's algorithm") {
  const std::string public_key = ed25519_public_key(kSeed);
  const Refusal at_ed[] = {
      {"HS256 with the public key as secret", hs256(kHeader, kPayload, public_key),
       JwtReason::kUnknownKey},
      {"the same, naming the key", hs256(R"({"alg":"HS256","kid":"ed"})", kPayload, public_key),
       JwtReason::kWrongAlg},
      {"HS256 with an empty secret", hs256(kHeader, kPayload, ""), JwtReason::kUnknownKey},
      {"an HS256 tag under alg EdDSA", hs256(R"({"alg":"EdDSA"})", kPayload, public_key),
       JwtReason::kBadSignature},
      {"S + L", std::string(kPythonEdDsaMalleable), JwtReason::kBadSignature},
  };
  for (const Refusal& row : at_ed) check_refused(row, ed_tenant());
  const Refusal at_mixed[] = {
      {"HS256 with the public key as secret", hs256(kHeader, kPayload, public_key),
       JwtReason::kBadSignature},
      {"HS256 naming the public key", hs256(R"({"alg":"HS256","kid":"ed"})", kPayload, public_key),
       JwtReason::kWrongAlg},
      {"EdDSA naming a secret",
       sign_jwt_eddsa(kSeed, {.user = "alice", .kid = "k1", .exp_s = 2'000'000'000}),
       JwtReason::kWrongAlg},
      {"HS256 with the empty secret, which the public key's unused state has",
       hs256(R"({"alg":"HS256","kid":"ed"})", kPayload, ""), JwtReason::kWrongAlg},
  };
  for (const Refusal& row : at_mixed) check_refused(row, mixed_tenant());
}

TEST_CASE("jwt: a point of small order as public key signs nothing") {
  // With the neutral element as key and as R, and S = 0, the bare equation holds for every message.
  const std::string neutral = std::string(1, '\x01') + std::string(31, '\0');
  const std::string text =
      encode_base64url(R"({"alg":"EdDSA"})") + '.' + encode_base64url(kPayload);
  const std::string token = text + '.' + encode_base64url(neutral + std::string(32, '\0'));
  CHECK(reason_of(token, tenant_with({{"", Alg::kEdDsa, neutral}})) == JwtReason::kBadSignature);
}

}  // namespace
}  // namespace ims::logic
