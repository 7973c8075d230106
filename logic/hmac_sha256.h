// HMAC-SHA-256 with the key's work done once: the SHA-256 states after the inner and the outer pad.
//
// A tag then costs only the blocks of the message and two more (about 1.1k instructions for a
// token; HMAC() is 13k, because OpenSSL 3 fetches and allocates on each call).
// Threads    Immutable after construction; any thread may use its own copy.
// Lifetime   A value of 64 bytes. It is as secret as the key; the destructor wipes it.
// Source     RFC 2104; FIPS 180-4.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ims::logic {

class HmacSha256 {
 public:
  static constexpr std::size_t kTagBytes = 32;
  using Tag = std::array<unsigned char, kTagBytes>;

  explicit HmacSha256(std::string_view key) noexcept;  // any length, as RFC 2104 says
  HmacSha256(const HmacSha256&) = default;
  HmacSha256& operator=(const HmacSha256&) = default;
  ~HmacSha256();

  Tag tag(std::string_view message) const noexcept;

  // True when `candidate` is the tag of `message`. Constant time in the tag's bytes.
  bool verify(std::string_view message, std::string_view candidate) const noexcept;

 private:
  std::array<std::uint32_t, 8> inner_{};  // SHA-256 chaining value after key ^ ipad
  std::array<std::uint32_t, 8> outer_{};  // ... after key ^ opad
};

}  // namespace ims::logic
