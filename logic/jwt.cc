// The checking half of jwt.h, in the order of checks stated there.
#include "logic/jwt.h"

#include <sodium.h>

#include <array>
#include <optional>

#include "logic/base64url.h"
#include "logic/json_scan.h"
#include "logic/json_text.h"

namespace ims::logic {
namespace {

constexpr std::string_view kHs256Name = "HS256";  // RFC 7518 section 3.1
constexpr std::string_view kEdDsaName = "EdDSA";  // RFC 8037 section 3.1

// A decoded header or payload: three bytes for each four of the token.
using PartBuffer = std::array<char, kJwtBytesMax / 4 * 3>;

struct JwtParts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;  // header, dot, payload
};

std::optional<JwtParts> split(std::string_view token) noexcept {
  if (token.size() > kJwtBytesMax) return std::nullopt;
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const JwtParts parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
                       token.substr(second + 1), token.substr(0, second)};
  // A third dot is no base64url character, so a fourth part ends here.
  if (!has_base64url_form(parts.header) || !has_base64url_form(parts.payload) ||
      !has_base64url_form(parts.signature)) {
    return std::nullopt;
  }
  return parts;
}

JsonStatus parse_part(std::string_view part, PartBuffer& buffer, JsonObject& object) noexcept {
  const std::optional<std::size_t> size = decode_base64url(part, buffer);
  if (!size) return JsonStatus::kSyntax;
  return object.parse({buffer.data(), *size});
}

// ---- which key ----

struct KeyChoice {
  JwtReason reason = JwtReason::kOk;
  const AppKey* key = nullptr;
};

KeyChoice choose_key(const JsonObject& header, const Tenant& tenant) noexcept {
  if (header.find("crit") != nullptr) return {JwtReason::kCritical};
  const JsonValue* alg = header.find("alg");
  const JsonValue* kid = header.find("kid");
  if (alg == nullptr || alg->kind != JsonKind::kString) return {JwtReason::kBadHeader};
  if (kid != nullptr && kid->kind != JsonKind::kString) return {JwtReason::kBadHeader};

  const bool is_hs256 = json_string_equals(alg->raw, kHs256Name);
  if (!is_hs256 && !json_string_equals(alg->raw, kEdDsaName)) return {JwtReason::kWrongAlg};
  const AppKey::Alg wanted = is_hs256 ? AppKey::Alg::kHs256 : AppKey::Alg::kEdDsa;

  for (const AppKey& key : tenant.keys) {
    if (kid == nullptr) {
      if (key.alg == wanted) return {JwtReason::kOk, &key};
    } else if (json_string_equals(kid->raw, key.kid)) {
      if (key.alg != wanted) return {JwtReason::kWrongAlg};
      return {JwtReason::kOk, &key};
    }
  }
  return {JwtReason::kUnknownKey};
}

// ---- the signature ----

bool signature_holds(const JwtParts& parts, const AppKey& key) noexcept {
  std::array<char, crypto_sign_BYTES> signature;  // 64: Ed25519's; an HS256 tag is shorter
  const std::optional<std::size_t> size = decode_base64url(parts.signature, signature);
  if (!size) return false;
  switch (key.alg) {
    case AppKey::Alg::kHs256:
      return key.hmac.verify(parts.signed_text, {signature.data(), *size});
    case AppKey::Alg::kEdDsa:
      // Refuses S >= L, points of small order, and keys in non-canonical form.
      return *size == crypto_sign_BYTES &&
             key.secret_or_public_key.size() == kEd25519PublicKeyBytes &&
             crypto_sign_verify_detached(
                 reinterpret_cast<const unsigned char*>(signature.data()),
                 reinterpret_cast<const unsigned char*>(parts.signed_text.data()),
                 parts.signed_text.size(),
                 reinterpret_cast<const unsigned char*>(key.secret_or_public_key.data())) == 0;
  }
  return false;
}

// ---- the claims ----

// `missing` where there is no such claim.
JwtReason check_string(const JsonObject& claims, std::string_view name, std::string_view expected,
                       JwtReason missing, JwtReason different) noexcept {
  const JsonValue* claim = claims.find(name);
  if (claim == nullptr) return missing;
  if (claim->kind != JsonKind::kString) return JwtReason::kBadClaim;
  return json_string_equals(claim->raw, expected) ? JwtReason::kOk : different;
}

JwtResult check_claims(const JsonObject& claims, const Tenant& tenant, std::string_view user,
                       std::int64_t wall_ms) noexcept {
  const JsonValue* exp = claims.find("exp");
  if (exp == nullptr || exp->kind != JsonKind::kNumber) return {JwtReason::kBadClaim};
  const std::int64_t exp_ms = numeric_date_ms(exp->raw);
  if (wall_ms >= exp_ms) return {JwtReason::kExpired};

  if (const JsonValue* nbf = claims.find("nbf"); nbf != nullptr) {
    if (nbf->kind != JsonKind::kNumber) return {JwtReason::kBadClaim};
    if (wall_ms < numeric_date_ms(nbf->raw)) return {JwtReason::kNotYetValid};
  }

  const JwtReason reasons[] = {
      check_string(claims, "sub", user, JwtReason::kBadClaim, JwtReason::kWrongUser),
      check_string(claims, "org", tenant.org, JwtReason::kOk, JwtReason::kWrongTenant),
      check_string(claims, "app", tenant.appkey, JwtReason::kOk, JwtReason::kWrongTenant),
  };
  for (const JwtReason reason : reasons) {
    if (reason != JwtReason::kOk) return {reason};
  }
  return {JwtReason::kOk, exp_ms};
}

}  // namespace

const char* name_of(JwtReason reason) noexcept {
  switch (reason) {
    case JwtReason::kOk: return "ok";
    case JwtReason::kMalformed: return "malformed";
    case JwtReason::kBadHeader: return "bad_header";
    case JwtReason::kCritical: return "critical";
    case JwtReason::kUnknownKey: return "unknown_key";
    case JwtReason::kWrongAlg: return "wrong_alg";
    case JwtReason::kBadSignature: return "bad_signature";
    case JwtReason::kBadClaim: return "bad_claim";
    case JwtReason::kExpired: return "expired";
    case JwtReason::kNotYetValid: return "not_yet_valid";
    case JwtReason::kWrongUser: return "wrong_user";
    case JwtReason::kWrongTenant: return "wrong_tenant";
  }
  return "unknown";
}

bool looks_like_jwt(std::string_view token) noexcept {
  const std::optional<JwtParts> parts = split(token);
  if (!parts) return false;
  PartBuffer buffer;
  JsonObject header;
  // An object too large to look into is still one: refused as a token, cheaply, not hashed.
  return parse_part(parts->header, buffer, header) == JsonStatus::kTooLarge ||
         header.find("alg") != nullptr;
}

JwtResult verify_jwt(std::string_view token, const Tenant& tenant, std::string_view user,
                     std::int64_t wall_ms) noexcept {
  const std::optional<JwtParts> parts = split(token);
  if (!parts) return {JwtReason::kMalformed};
  PartBuffer buffer;
  JsonObject object;
  if (parse_part(parts->header, buffer, object) != JsonStatus::kOk) return {JwtReason::kMalformed};
  const KeyChoice choice = choose_key(object, tenant);
  if (choice.key == nullptr) return {choice.reason};
  if (!signature_holds(*parts, *choice.key)) return {JwtReason::kBadSignature};
  if (parse_part(parts->payload, buffer, object) != JsonStatus::kOk) return {JwtReason::kMalformed};
  return check_claims(object, tenant, user, wall_ms);
}

}  // namespace ims::logic
