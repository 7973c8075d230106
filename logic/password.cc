// argon2id by libsodium.
#include "logic/password.h"

#include <sodium.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "logic/jwt.h"
#include "shared/assert.h"

namespace ims::logic {
namespace {

constexpr std::string_view kPrefix = "$argon2id$";

// sodium_init() picks the fastest argon2 for this CPU and opens the random source. Safe from any
// thread; it can only fail where the kernel has no random numbers.
void init_sodium() noexcept {
  static const int result = sodium_init();
  IMS_ASSERT(result >= 0);
}

using HashBuffer = std::array<char, crypto_pwhash_STRBYTES>;

// libsodium wants a string with a terminating zero. False: it can be no hash of ours.
bool to_c_string(std::string_view hash, HashBuffer& buffer) noexcept {
  if (hash.size() >= buffer.size() || !hash.starts_with(kPrefix)) return false;
  if (hash.find('\0') != std::string_view::npos) return false;
  buffer.fill('\0');
  std::memcpy(buffer.data(), hash.data(), hash.size());
  return true;
}

}  // namespace

std::optional<std::string> hash_password(std::string_view password) {
  init_sodium();
  if (password.empty() || password.size() > kPasswordBytesMax || looks_like_jwt(password)) {
    return std::nullopt;
  }
  HashBuffer buffer;
  if (crypto_pwhash_str_alg(buffer.data(), password.data(), password.size(), kPasswordOperations,
                            kPasswordMemoryBytes, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return std::nullopt;
  }
  return std::string(buffer.data());
}

PasswordCheck check_password(std::string_view password, std::string_view hash) noexcept {
  init_sodium();
  HashBuffer buffer;
  if (password.size() > kPasswordBytesMax || !to_c_string(hash, buffer)) {
    return check_dummy_password(password.substr(0, kPasswordBytesMax));
  }
  // libsodium says -1 for "wrong" and for "could not be decided"; errno tells which.
  errno = 0;
  const char* bytes = password.empty() ? "" : password.data();  // an empty view may hold no pointer
  if (crypto_pwhash_str_verify(buffer.data(), bytes, password.size()) == 0) {
    return PasswordCheck::kMatch;
  }
  return errno == ENOMEM ? PasswordCheck::kNoMemory : PasswordCheck::kMismatch;
}

PasswordCheck check_dummy_password(std::string_view password) noexcept {
  const PasswordCheck check =
      check_password(password.substr(0, kPasswordBytesMax), kDummyPasswordHash);
  return check == PasswordCheck::kMatch ? PasswordCheck::kMismatch : check;
}

}  // namespace ims::logic
