// A table for ASCII bytes, a strict UTF-8 decoder for the rest.
#include "shared/names.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shared/limits.h"

namespace ims {
namespace {

constexpr std::uint32_t kNoCodePoint = 0xffff'ffff;

// The code point at `*at`, moving `*at` behind it; kNoCodePoint if the bytes there are none.
std::uint32_t next_code_point(const unsigned char** at, const unsigned char* end) noexcept {
  const unsigned char* p = *at;
  const std::uint32_t lead = *p++;
  if (lead < 0x80) {
    *at = p;
    return lead;
  }
  int tail_bytes = 0;
  std::uint32_t value = 0;
  std::uint32_t least = 0;  // below it a shorter form exists
  if (lead >= 0xc2 && lead < 0xe0) {
    tail_bytes = 1, value = lead & 0x1f, least = 0x80;
  } else if (lead >= 0xe0 && lead < 0xf0) {
    tail_bytes = 2, value = lead & 0x0f, least = 0x800;
  } else if (lead >= 0xf0 && lead < 0xf5) {
    tail_bytes = 3, value = lead & 0x07, least = 0x1'0000;
  } else {
    return kNoCodePoint;
  }
  if (end - p < tail_bytes) return kNoCodePoint;
  for (int i = 0; i < tail_bytes; ++i, ++p) {
    if ((*p & 0xc0) != 0x80) return kNoCodePoint;
    value = (value << 6) | (*p & 0x3fu);
  }
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  if (value < least || value > 0x10'ffff || surrogate) return kNoCodePoint;
  *at = p;
  return value;
}

constexpr bool is_control(std::uint32_t point) noexcept {
  return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

constexpr bool is_white_space(std::uint32_t point) noexcept {
  return point == 0x20 || point == 0xa0 || point == 0x1680 ||
         (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
         point == 0x202f || point == 0x205f || point == 0x3000;
}

// What a byte may be in a name: itself, the lead of a longer code point, or nothing.
enum class ByteClass : std::uint8_t { kRefused, kPlain, kDecode };

constexpr std::array<ByteClass, 256> kNameBytes = [] {
  std::array<ByteClass, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool special = byte == '/' || byte == '#' || byte == '*' || byte == '>';
    if (byte >= 0x80) {
      table[byte] = ByteClass::kDecode;
    } else {
      const bool refused = special || is_control(byte) || is_white_space(byte);
      table[byte] = refused ? ByteClass::kRefused : ByteClass::kPlain;
    }
  }
  return table;
}();

template <typename Word>
bool has_high_bit(const char* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return (word & static_cast<Word>(0x8080'8080'8080'8080u)) != 0;
}

// Words that may overlap at the end, so that no length needs a loop over bytes.
bool is_ascii(std::string_view text) noexcept {
  const char* at = text.data();
  const std::size_t size = text.size();
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) {
      if (has_high_bit<std::uint64_t>(at + i)) return false;
    }
    return !has_high_bit<std::uint64_t>(at + size - 8);
  }
  if (size >= 4) {
    return !has_high_bit<std::uint32_t>(at) && !has_high_bit<std::uint32_t>(at + size - 4);
  }
  if (size == 0) return true;
  const auto byte = [at](std::size_t i) noexcept { return static_cast<unsigned char>(at[i]); };
  return (byte(0) | byte(size / 2) | byte(size - 1)) < 0x80;
}

const unsigned char* begin_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

bool valid_utf8(std::string_view text) noexcept {
  if (is_ascii(text)) return true;
  const unsigned char* at = begin_of(text);
  const unsigned char* const end = at + text.size();
  while (at != end) {
    if (next_code_point(&at, end) == kNoCodePoint) return false;
  }
  return true;
}

bool valid_unusual_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  const unsigned char* at = begin_of(name);
  const unsigned char* const end = at + name.size();
  while (at != end) {
    const ByteClass byte_class = kNameBytes[*at];
    if (byte_class == ByteClass::kPlain) {
      ++at;
      continue;
    }
    if (byte_class == ByteClass::kRefused) return false;
    const std::uint32_t point = next_code_point(&at, end);
    if (point == kNoCodePoint || is_control(point) || is_white_space(point)) return false;
  }
  return true;
}

bool valid_label(std::string_view label) noexcept {
  if (label.size() > kLabelBytesMax) return false;
  const unsigned char* at = begin_of(label);
  const unsigned char* const end = at + label.size();
  while (at != end) {
    const std::uint32_t point = next_code_point(&at, end);
    if (point == kNoCodePoint || is_control(point)) return false;
  }
  return true;
}

}  // namespace ims
