// Any bytes as a login token: no crash, no accepted forgery, and the two questions that a worker
// asks (JWT or password? valid?) agree. The same bytes also go as JSON and base64url into their
// parsers.
//
// The first byte chooses: 0 the token as it is; 1 the rest, split at its first zero byte, as header
// and payload that are then signed with the tenant's own secret, so that what lies behind the
// signature is reached too; anything else as 0, with the byte as part of the token. Run:
// build/fuzz/jwt_fuzz tests/fuzz/corpus/jwt
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "logic/base64url.h"
#include "logic/hmac_sha256.h"
#include "logic/json_scan.h"
#include "logic/json_text.h"
#include "logic/jwt.h"
#include "shared/assert.h"

namespace {

using namespace ims::logic;

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr std::string_view kUser = "alice";

const std::string& secret() {
  static const std::string secret = "a secret that no input can guess: 7f3a9c1e5b";
  return secret;
}

const Tenant& tenant() {
  static const Tenant tenant{
      ims::TenantId{1},
      "demo",
      "demo",
      {{"k1", AppKey::Alg::kHs256, secret()},
       {"ed", AppKey::Alg::kEdDsa, ed25519_public_key(std::string(32, 's'))}}};
  return tenant;
}

JwtResult check_token(std::string_view token) {
  const JwtResult result = verify_jwt(token, tenant(), kUser, kNowMs);
  if (result.ok()) {
    IMS_ASSERT(looks_like_jwt(token));
    IMS_ASSERT(result.exp_ms > kNowMs && result.exp_ms <= kNumericDateMsMax);
    // The same token is nobody else's, and is over at its end.
    IMS_ASSERT(verify_jwt(token, tenant(), "bob", kNowMs).reason == JwtReason::kWrongUser);
    IMS_ASSERT(verify_jwt(token, tenant(), kUser, result.exp_ms).reason == JwtReason::kExpired);
  }
  return result;
}

void check_signed(std::string_view input) {
  const std::size_t cut = input.find('\0');
  const std::string_view header = input.substr(0, cut);
  const std::string_view payload =
      cut == std::string_view::npos ? std::string_view() : input.substr(cut + 1);
  const std::string text = encode_base64url(header) + '.' + encode_base64url(payload);
  const HmacSha256::Tag tag = HmacSha256(secret()).tag(text);
  check_token(text + '.' +
              encode_base64url({reinterpret_cast<const char*>(tag.data()), tag.size()}));
}

void check_json(std::string_view text) {
  JsonObject object;
  if (object.parse(text) != JsonStatus::kOk) return;
  for (const char* name : {"alg", "kid", "exp", "sub"}) {
    const JsonValue* value = object.find(name);
    if (value == nullptr) continue;
    IMS_ASSERT(value->raw.data() >= text.data() &&
               value->raw.data() + value->raw.size() <= text.data() + text.size());
    if (value->kind == JsonKind::kNumber) {
      const std::int64_t ms = numeric_date_ms(value->raw);
      IMS_ASSERT(ms >= -kNumericDateMsMax && ms <= kNumericDateMsMax);
    }
    if (value->kind == JsonKind::kString) json_string_equals(value->raw, kUser);
  }
}

void check_base64url(std::string_view text) {
  std::array<char, 256> buffer;
  const auto size = decode_base64url(text, buffer);
  if (!size) return;
  IMS_ASSERT(has_base64url_form(text));
  IMS_ASSERT(encode_base64url({buffer.data(), *size}) == text);  // one spelling
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const bool has_mode = !input.empty() && input[0] <= 1 && input[0] >= 0;
  const std::string_view rest = has_mode ? input.substr(1) : input;
  if (has_mode && input[0] == 1) {
    check_signed(rest);
  } else {
    // Whoever does not have the secret makes no valid token.
    IMS_ASSERT(!check_token(rest).ok());
  }
  check_json(rest);
  check_base64url(rest);
  return 0;
}
