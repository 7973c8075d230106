// What may be written in a string of the wire (PROTOCOL.md section 3). Pure functions of the bytes;
// ASCII, the common case, is decided without decoding. The lengths are limits.h's.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ims {

// Well-formed UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF.
bool valid_utf8(std::string_view text) noexcept;

// org, appkey, user, device, group: 1 to 64 bytes of UTF-8 with no control character, no white
// space and none of / # * >. (An empty device is the default device: its caller's exception.)
inline bool valid_name(std::string_view name) noexcept;

// The same, code point by code point.
bool valid_unusual_name(std::string_view name) noexcept;

// True: it is valid, of 1 to 16 bytes, all ASCII: nearly every name. False says nothing.
inline bool is_plain_name(std::string_view name) noexcept {
  using Bytes = signed char __attribute__((vector_size(16)));
  using Words = std::uint64_t __attribute__((vector_size(16)));
  const char* const at = name.data();
  const std::size_t size = name.size();
  std::uint64_t first = 0;  // words that may overlap, so that no length needs a loop
  std::uint64_t last = 0;
  if (size >= 8) {
    if (size > 16) return false;
    std::memcpy(&first, at, 8);
    std::memcpy(&last, at + size - 8, 8);
  } else if (size >= 4) {
    std::uint32_t half[2];
    std::memcpy(&half[0], at, 4);
    std::memcpy(&half[1], at + size - 4, 4);
    std::memcpy(&first, half, 8);
    last = first;
  } else {
    if (size == 0) return false;
    const auto byte = [at](std::size_t i) -> std::uint64_t {
      return static_cast<unsigned char>(at[i]);
    };
    first = 0x6161'6161'6100'0000u | byte(0) << 16 | byte(size / 2) << 8 | byte(size - 1);
    last = first;
  }
  const Bytes bytes = reinterpret_cast<Bytes>(Words{first, last});
  // Signed: what is no ASCII is below the space.
  const Bytes refused = (bytes < 0x21) | (bytes == 0x7f) | (bytes == '/') | (bytes == '#') |
                        (bytes == '*') | (bytes == '>');
  const Words found = reinterpret_cast<Words>(refused);
  return (found[0] | found[1]) == 0;
}

inline bool valid_name(std::string_view name) noexcept {
  return is_plain_name(name) || valid_unusual_name(name);
}

// A group's name or a note: at most 256 bytes of UTF-8 without control characters; may be empty.
bool valid_label(std::string_view label) noexcept;

}  // namespace ims
