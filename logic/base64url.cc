// base64url, four characters at a time through a table of digits.
#include "logic/base64url.h"

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
  int digits = 0;  // negative once one is
  for (const char c : text) digits |= kDigits[static_cast<unsigned char>(c)];
  return text.size() % 4 != 1 && digits >= 0;
}

std::optional<std::size_t> decode_base64url(std::string_view text, std::span<char> out) noexcept {
  if (text.size() % 4 == 1 || text.size() / 4 * 3 + text.size() % 4 * 3 / 4 > out.size()) {
    return std::nullopt;
  }
  const auto digit = [&](std::size_t at) -> int {
    return kDigits[static_cast<unsigned char>(text[at])];
  };
  std::size_t written = 0;
  std::size_t at = 0;
  for (; at + 4 <= text.size(); at += 4) {
    const int a = digit(at), b = digit(at + 1), c = digit(at + 2), d = digit(at + 3);
    if ((a | b | c | d) < 0) return std::nullopt;
    const int bits = a << 18 | b << 12 | c << 6 | d;
    out[written] = static_cast<char>(bits >> 16);
    out[written + 1] = static_cast<char>(bits >> 8);
    out[written + 2] = static_cast<char>(bits);
    written += 3;
  }
  const std::size_t rest = text.size() - at;  // 0, 2 or 3
  if (rest == 0) return written;
  const int a = digit(at), b = digit(at + 1), c = rest == 3 ? digit(at + 2) : 0;
  if ((a | b | c) < 0) return std::nullopt;
  const int bits = a << 12 | b << 6 | c;
  if ((bits & (rest == 3 ? 0x3 : 0x3ff)) != 0) return std::nullopt;  // bits that stand for nothing
  out[written++] = static_cast<char>(bits >> 10);
  if (rest == 3) out[written++] = static_cast<char>(bits >> 2);
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
