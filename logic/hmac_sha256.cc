// The low-level SHA-256 functions are deprecated in OpenSSL 3 but stay in all of its releases; they
// are the only ones that can start from a prepared state without an allocation, and they use the
// same assembly (SHA-NI, AVX2, ARMv8) as EVP does.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "logic/hmac_sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

namespace ims::logic {
namespace {

constexpr std::size_t kBlockBytes = 64;  // SHA-256's, which is also HMAC's B
constexpr unsigned char kInnerPad = 0x36;
constexpr unsigned char kOuterPad = 0x5c;

std::array<std::uint32_t, 8> state_after(const std::array<unsigned char, kBlockBytes>& key,
                                         unsigned char pad) noexcept {
  std::array<unsigned char, kBlockBytes> block;
  for (std::size_t i = 0; i < kBlockBytes; ++i) block[i] = static_cast<unsigned char>(key[i] ^ pad);
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, block.data(), block.size());
  std::array<std::uint32_t, 8> state;
  std::copy_n(context.h, state.size(), state.begin());
  OPENSSL_cleanse(block.data(), block.size());
  OPENSSL_cleanse(&context, sizeof context);
  return state;
}

// A context that has hashed exactly one block and arrived at `state`.
SHA256_CTX resume(const std::array<std::uint32_t, 8>& state) noexcept {
  SHA256_CTX context;
  SHA256_Init(&context);
  std::copy(state.begin(), state.end(), context.h);
  context.Nl = kBlockBytes * 8;  // bits so far
  return context;
}

}  // namespace

HmacSha256::HmacSha256(std::string_view key) noexcept {
  std::array<unsigned char, kBlockBytes> block{};
  if (key.size() > kBlockBytes) {
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), block.data());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  inner_ = state_after(block, kInnerPad);
  outer_ = state_after(block, kOuterPad);
  OPENSSL_cleanse(block.data(), block.size());
}

HmacSha256::~HmacSha256() {
  OPENSSL_cleanse(inner_.data(), sizeof inner_);
  OPENSSL_cleanse(outer_.data(), sizeof outer_);
}

HmacSha256::Tag HmacSha256::tag(std::string_view message) const noexcept {
  Tag tag;
  SHA256_CTX context = resume(inner_);
  SHA256_Update(&context, message.data(), message.size());
  SHA256_Final(tag.data(), &context);
  context = resume(outer_);
  SHA256_Update(&context, tag.data(), tag.size());
  SHA256_Final(tag.data(), &context);
  return tag;
}

bool HmacSha256::verify(std::string_view message, std::string_view candidate) const noexcept {
  if (candidate.size() != kTagBytes) return false;
  const Tag expected = tag(message);
  return CRYPTO_memcmp(expected.data(), candidate.data(), kTagBytes) == 0;
}

}  // namespace ims::logic
