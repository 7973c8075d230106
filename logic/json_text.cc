// Strings are unescaped one byte at a time, without a buffer; times digit by digit, not by double.
#include "logic/json_text.h"

#include <algorithm>
#include <array>

#include "logic/json_chars.h"

namespace ims::logic {
namespace {

// The bytes that a scanned string spells, one at a time, without a buffer.
class Unescaper {
 public:
  explicit Unescaper(std::string_view raw) noexcept : raw_(raw) {}

  // The next byte, or -1 at the end.
  int next() noexcept {
    if (pending_count_ > 0) return pending_[--pending_count_];
    if (raw_.empty()) return -1;
    const char c = take();
    if (c != '\\') return static_cast<unsigned char>(c);
    const char letter = take();
    if (letter != 'u') return static_cast<unsigned char>(unescaped(letter));
    return code_point();
  }

 private:
  char take() noexcept {
    const char c = raw_[0];
    raw_.remove_prefix(1);
    return c;
  }

  int take_hex4() noexcept {
    const int unit = hex4(raw_);
    raw_.remove_prefix(4);
    return unit;
  }

  // Encodes as UTF-8; returns the first byte and keeps the others in reverse.
  int code_point() noexcept {
    int code = take_hex4();
    if (is_high_surrogate(code)) {
      raw_.remove_prefix(2);  // "\u" of the low one
      code = 0x10000 + ((code - 0xd800) << 10) + (take_hex4() - 0xdc00);
    }
    if (code < 0x80) return code;
    const int continuation_count = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (int i = 0; i < continuation_count; ++i) {
      pending_[pending_count_++] = static_cast<unsigned char>(0x80 | (code & 0x3f));
      code >>= 6;
    }
    constexpr int kLead[] = {0, 0xc0, 0xe0, 0xf0};
    return kLead[continuation_count] | code;
  }

  std::string_view raw_;
  std::array<unsigned char, 3> pending_{};
  unsigned pending_count_ = 0;
};

}  // namespace

bool json_strings_equal(std::string_view raw_a, std::string_view raw_b) noexcept {
  Unescaper a(raw_a);
  Unescaper b(raw_b);
  for (;;) {
    const int byte = a.next();
    if (byte != b.next()) return false;
    if (byte < 0) return true;
  }
}

bool json_string_equals(std::string_view raw, std::string_view plain) noexcept {
  if (raw.find('\\') == std::string_view::npos) return raw == plain;
  Unescaper spelled(raw);
  for (const char c : plain) {
    if (spelled.next() != static_cast<unsigned char>(c)) return false;
  }
  return spelled.next() < 0;
}

// value = 0.d1 d2 d3 ... x 10^point, so the milliseconds are the first point + 3 digits.
std::int64_t numeric_date_ms(std::string_view raw) noexcept {
  const bool negative = raw.starts_with('-');
  if (negative) raw.remove_prefix(1);

  constexpr std::int64_t kExponentMax = 1'000'000;  // beyond it everything is 0 or for ever
  std::int64_t exponent = 0;
  const std::size_t e = raw.find_first_of("eE");
  if (e != std::string_view::npos) {
    std::string_view digits = raw.substr(e + 1);
    const bool exponent_negative = digits.starts_with('-');
    for (const char c : digits) {
      if (is_digit(c)) exponent = std::min(exponent * 10 + (c - '0'), kExponentMax);
    }
    if (exponent_negative) exponent = -exponent;
    raw = raw.substr(0, e);
  }

  const std::size_t dot = std::min(raw.find('.'), raw.size());
  std::int64_t left = static_cast<std::int64_t>(dot) + exponent + 3;  // digits still to take
  std::int64_t ms = 0;
  for (const char c : raw) {
    if (c == '.') continue;
    if (left-- <= 0) break;
    ms = std::min(ms * 10 + (c - '0'), kNumericDateMsMax);
  }
  for (; left > 0 && ms > 0 && ms < kNumericDateMsMax; --left) {
    ms = std::min(ms * 10, kNumericDateMsMax);
  }
  return negative ? -ms : ms;
}

std::string json_quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      quoted.append("\\u00").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    } else {
      if (c == '"' || c == '\\') quoted.push_back('\\');
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace ims::logic
