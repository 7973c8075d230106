// base64url, one character at a time through a table of digits.
#include "logic/base64url.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace ims::logic {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::int8_t kNoDigit = -1;
constexpr auto kDigits = [] {
  std::array<std::int8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return digits;
}();

}  // namespace

bool has_base64url_form(std::string_view text) noexcept {
  return text.size() % 4 != 1 && std::all_of(text.begin(), text.end(), [](char c) {
           return kDigits[static_cast<unsigned char>(c)] != kNoDigit;
         });
}

std::optional<std::size_t> decode_base64url(std::string_view text, std::span<char> out) noexcept {
  if (text.size() % 4 == 1 || text.size() / 4 * 3 + text.size() % 4 * 3 / 4 > out.size()) {
    return std::nullopt;
  }
  std::size_t written = 0;
  std::uint32_t bits = 0;  // the low `bit_count` are not written yet
  unsigned bit_count = 0;
  for (const char c : text) {
    const std::int8_t digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == kNoDigit) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      out[written++] = static_cast<char>(bits >> bit_count & 0xff);
    }
  }
  if ((bits & ((1u << bit_count) - 1)) != 0) return std::nullopt;
  return written;
}

std::string encode_base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned bit_count = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    bit_count += 8;
    while (bit_count >= 6) {
      bit_count -= 6;
      text.push_back(kAlphabet[bits >> bit_count & 63]);
    }
  }
  if (bit_count > 0) text.push_back(kAlphabet[bits << (6 - bit_count) & 63]);
  return text;
}

}  // namespace ims::logic
