// The words of the JWT tests: tenants with known keys, tokens of any two texts, and tokens made by
// another implementation.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "logic/base64url.h"
#include "logic/hmac_sha256.h"
#include "logic/jwt.h"

namespace ims::logic {

using Alg = AppKey::Alg;

inline constexpr std::int64_t kNowS = 1'700'000'000;
inline constexpr std::int64_t kNowMs = kNowS * 1000;
inline const std::string kSecret = "0123456789abcdef0123456789abcdef";
inline const std::string kOtherSecret = "second-secret";

inline const std::string kSeed = [] {
  std::string seed;
  for (int i = 0; i < 32; ++i) seed.push_back(static_cast<char>(i));
  return seed;
}();

inline std::string from_base64url(std::string_view text) {
  std::array<char, 4096> buffer;
  const auto size = decode_base64url(text, buffer);
  REQUIRE(size.has_value());
  return {buffer.data(), *size};
}

inline Tenant tenant_with(std::vector<AppKey> keys) {
  return {TenantId{7}, "demo", "app1", std::move(keys)};
}

inline const Tenant& hs_tenant() {
  static const Tenant tenant = tenant_with({{"", Alg::kHs256, kSecret}});
  return tenant;
}

inline const Tenant& ed_tenant() {
  static const Tenant tenant = tenant_with({{"ed", Alg::kEdDsa, ed25519_public_key(kSeed)}});
  return tenant;
}

// Two secrets and a public key: a tenant in the middle of a rotation.
inline const Tenant& mixed_tenant() {
  static const Tenant tenant = tenant_with({{"k1", Alg::kHs256, kSecret},
                                            {"ed", Alg::kEdDsa, ed25519_public_key(kSeed)},
                                            {"k2", Alg::kHs256, kOtherSecret}});
  return tenant;
}

// A token of any two texts: `header` and `payload` need not be what they should be.
inline std::string hs256(std::string_view header, std::string_view payload,
                  std::string_view secret = kSecret) {
  const std::string text = encode_base64url(header) + '.' + encode_base64url(payload);
  const HmacSha256::Tag tag = HmacSha256(secret).tag(text);
  return text + '.' +
         encode_base64url({reinterpret_cast<const char*>(tag.data()), tag.size()});
}

inline constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";
inline constexpr std::string_view kPayload = R"({"sub":"alice","exp":2000000000})";

inline std::string with_header(std::string_view header) { return hs256(header, kPayload); }
inline std::string with_payload(std::string_view payload) { return hs256(kHeader, payload); }
// A payload that is right but for what `members` add.
inline std::string with_claims(const std::string& members) {
  return with_payload(R"({"sub":"alice","exp":2000000000,)" + members + "}");
}

inline JwtReason reason_of(std::string_view token, const Tenant& tenant = hs_tenant(),
                    std::string_view user = "alice", std::int64_t wall_ms = kNowMs) {
  // On the heap and of the exact size, so that ASan sees a read past the end.
  const std::vector<char> exact(token.begin(), token.end());
  const JwtResult result = verify_jwt({exact.data(), exact.size()}, tenant, user, wall_ms);
  CHECK(result.ok() == (result.reason == JwtReason::kOk));
  return result.reason;
}

// Made with python3: hmac and cryptography's Ed25519 over compact JSON, seed 00 01 ... 1f.
inline constexpr std::string_view kPythonHs256 =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0."
    "IzVzylqNHvGtv7YkvSJbwlnOdKDgab7UF9OS-D4Cqe0";
inline constexpr std::string_view
    kPythonHs256Full =  // kid k2, sub with escapes, exp with a fraction, ...
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6ImsyIn0."
    "eyJzdWIiOiJcdTAwZTl2ZVx1ZDgzZFx1ZGUwMCIsImV4cCI6MjAwMDAwMDAwMC4yNSwibmJmIjoxNjAwMDAwMDAwLCJvcm"
    "ciOiJkZW1vIiwiYXBwIjoiZGVtbyIsIngiOlt7InN1YiI6ImJvYiJ9LG51bGwsdHJ1ZSwtMS41ZS0zXX0."
    "BF8C4vLOvFBInsEyQ-cTD3exe-CGGC7Uc7wgv23ZUpA";
inline constexpr std::string_view kPythonEdDsa =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0."
    "RQdpq5SsJXECPGdsiy1VFoyzjyWlKASUB4THJzPhjSxxVbzUjXyeFAf2nGRLj-xHpCNq5uv6ZJA63Rh6VyBlCg";
// The same with S + L in place of S: what a verifier that forgets to compare S with L accepts.
inline constexpr std::string_view kPythonEdDsaMalleable =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MjAwMDAwMDAwMH0."
    "RQdpq5SsJXECPGdsiy1VFoyzjyWlKASUB4THJzPhjSxeKbIxqN-wbN2SlAcqictcpCNq5uv6ZJA63Rh6VyBlGg";

}  // namespace ims::logic
