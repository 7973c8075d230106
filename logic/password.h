// Passwords as argon2id hashes in the string form of libsodium
// ("$argon2id$v=19$m=19456,t=2,p=1$..."), which carries its own parameters and salt.
//
// Cost       About 9 ms and kPasswordMemoryBytes for each hash or check: never on a request path,
//            only in the authenticator's thread and in imsctl.
// Timing     A user without a hash is checked against a hash that nothing matches, so that an
//            answer takes as long and tells nothing.
// Parameters OWASP's minimum for argon2id (2 passes, 19 MiB). Old hashes with others keep working.
// Source     RFC 9106; libsodium crypto_pwhash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/limits.h"

namespace ims::logic {

inline constexpr unsigned long long kPasswordOperations = 2;           // passes over the memory
inline constexpr std::size_t kPasswordMemoryBytes = 19 * 1024 * 1024;  // 19 MiB

// What a user without a hash is checked against: the parameters above, the salt and the digest
// random bytes. No password for it is known, and its result is not looked at.
inline constexpr char kDummyPasswordHash[] =
    "$argon2id$v=19$m=19456,t=2,p=1$"
    "pU45tf2QT2Exy5Sq/lltHQ$gX/wIQMMyEhEkbO+iijpEuQqSF3CGWaVjyCTROg/ksE";

enum class PasswordCheck : std::uint8_t {
  kMatch,
  kMismatch,
  kNoMemory,  // not decided: the memory for it could not be had
};

// Nothing: empty, over kPasswordBytesMax, what a login would take for a JWT, or no memory for it.
std::optional<std::string> hash_password(std::string_view password);

// A hash that is not argon2id's, or a password over kPasswordBytesMax, never matches, in the same
// time.
PasswordCheck check_password(std::string_view password, std::string_view hash) noexcept;

// The same work for a user that has no hash: never kMatch.
PasswordCheck check_dummy_password(std::string_view password) noexcept;

}  // namespace ims::logic
