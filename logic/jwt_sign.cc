// The signing half of jwt.h: for imsctl and the tests, never on the server's paths.
#include <sodium.h>

#include <array>
#include <stdexcept>

#include "logic/base64url.h"
#include "logic/hmac_sha256.h"
#include "logic/json_text.h"
#include "logic/jwt.h"

namespace ims::logic {
namespace {

std::string signed_text(std::string_view alg, const JwtClaims& claims) {
  std::string header = "{\"alg\":" + json_quoted(alg) + ",\"typ\":\"JWT\"";
  if (!claims.kid.empty()) header += ",\"kid\":" + json_quoted(claims.kid);
  header += '}';

  std::string payload = "{\"sub\":" + json_quoted(claims.user);
  if (!claims.org.empty()) payload += ",\"org\":" + json_quoted(claims.org);
  if (!claims.app.empty()) payload += ",\"app\":" + json_quoted(claims.app);
  if (claims.nbf_s != 0) payload += ",\"nbf\":" + std::to_string(claims.nbf_s);
  payload += ",\"exp\":" + std::to_string(claims.exp_s) + '}';

  return encode_base64url(header) + '.' + encode_base64url(payload);
}

struct Ed25519KeyPair {
  explicit Ed25519KeyPair(std::string_view seed) {
    if (seed.size() != kEd25519SeedBytes) {
      throw std::invalid_argument("an Ed25519 private key has 32 bytes, this one " +
                                  std::to_string(seed.size()));
    }
    crypto_sign_seed_keypair(public_key.data(), secret_key.data(),
                             reinterpret_cast<const unsigned char*>(seed.data()));
  }
  ~Ed25519KeyPair() { sodium_memzero(secret_key.data(), secret_key.size()); }
  Ed25519KeyPair(const Ed25519KeyPair&) = delete;
  Ed25519KeyPair& operator=(const Ed25519KeyPair&) = delete;

  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_key;
};

template <std::size_t kBytes>
std::string_view text_of(const std::array<unsigned char, kBytes>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string sign_jwt_hs256(std::string_view secret, const JwtClaims& claims) {
  const std::string text = signed_text("HS256", claims);
  return text + '.' + encode_base64url(text_of(HmacSha256(secret).tag(text)));
}

std::string sign_jwt_eddsa(std::string_view seed, const JwtClaims& claims) {
  const Ed25519KeyPair pair(seed);
  const std::string text = signed_text("EdDSA", claims);
  std::array<unsigned char, crypto_sign_BYTES> signature;
  crypto_sign_detached(signature.data(), nullptr,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       pair.secret_key.data());
  return text + '.' + encode_base64url(text_of(signature));
}

std::string ed25519_public_key(std::string_view seed) {
  return std::string(text_of(Ed25519KeyPair(seed).public_key));
}

}  // namespace ims::logic
