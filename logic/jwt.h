// App-signed login tokens: JWS compact form, HS256 or EdDSA (Ed25519), as PROTOCOL.md section 8 has
// them, and nothing more.
//
// Order of checks  form, header JSON, crit, kid, alg against the app's key, signature; only then is
//                  the payload looked at: JSON, exp, nbf, sub, org, app.
// Key choice       With `kid`: the key of that name, or refused. Without: the app's first key of
//                  the header's `alg`. The token never chooses the algorithm, it has to agree.
// Time             No leeway; a token is expired from the millisecond `exp` on. `exp` and `nbf` may
//                  have a fraction (RFC 7519 NumericDate); beyond the year 9999 counts as its end.
// Strictness       base64url without padding and with zero trailing bits; UTF-8; no member twice;
//                  at most kJsonMembersMax members and kJsonDepthMax levels (json_scan.h).
// Not looked at    typ, cty, iat, jti, iss, aud, and any other claim.
// Memory           No heap in verify_jwt() and looks_like_jwt(): one buffer on the stack.
// Threads          Free functions without state.
// Source           RFC 7515, 7519, 8037, 8725.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "logic/tenant.h"
#include "shared/limits.h"

namespace ims::logic {

// A token comes in the first frame of its connection and is shorter than that. A longer string is
// no JWT.
inline constexpr std::size_t kJwtBytesMax = kFirstFrameBytesMax;

// Why a token was refused: for counters, never for the client.
enum class JwtReason : std::uint8_t {
  kOk = 0,
  kMalformed,      // not three strict base64url parts, or a part is no strict JSON object
  kBadHeader,      // `alg` or `kid` missing or of the wrong type
  kCritical,       // a `crit` header
  kUnknownKey,     // no key of this `kid`, or none of this `alg`
  kWrongAlg,       // `alg` is not that of the key that `kid` names, or none of ours
  kBadSignature,
  kBadClaim,       // a claim of the wrong type, or `exp` or `sub` missing
  kExpired,
  kNotYetValid,    // `nbf` in the future
  kWrongUser,      // `sub` is not the user
  kWrongTenant,    // `org` or `app` is not the tenant's
};
inline constexpr int kJwtReasonCount = 12;

const char* name_of(JwtReason reason) noexcept;  // "bad_signature": a metric label

struct JwtResult {
  JwtReason reason = JwtReason::kMalformed;
  std::int64_t exp_ms = 0;  // Unix time; meaningful only when ok()

  bool ok() const noexcept { return reason == JwtReason::kOk; }
};

// True: treat the token as a JWT. False: as a password. Three dot-separated base64url parts (the
// last two may be empty) of which the first is a JSON object with `alg`.
bool looks_like_jwt(std::string_view token) noexcept;

JwtResult verify_jwt(std::string_view token, const Tenant& tenant, std::string_view user,
                     std::int64_t wall_ms) noexcept;

// ---- signing, for imsctl and the tests ----

struct JwtClaims {
  std::string user = {};    // sub
  std::string org = {};     // left out if empty
  std::string app = {};     // left out if empty
  std::string kid = {};     // left out if empty
  std::int64_t exp_s = 0;  // Unix time in seconds
  std::int64_t nbf_s = 0;  // left out if 0
};

std::string sign_jwt_hs256(std::string_view secret, const JwtClaims& claims);

// `seed` is the Ed25519 private key of RFC 8032: 32 bytes. Throws std::invalid_argument otherwise.
inline constexpr std::size_t kEd25519SeedBytes = 32;
std::string sign_jwt_eddsa(std::string_view seed, const JwtClaims& claims);

// The public key that belongs to a seed, as AppKey wants it. Throws as above.
std::string ed25519_public_key(std::string_view seed);

}  // namespace ims::logic
