// Copying and comparing a name's worth of bytes: words that may overlap at the end, where a call of
// memcpy or memcmp costs more than the work. For up to some 64 bytes; right for any number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ims {

template <typename Word>
inline void copy_word(std::byte* out, const std::byte* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  std::memcpy(out, &word, sizeof word);
}

// Writes exactly `bytes` and returns the byte behind them. The ranges do not overlap.
inline std::byte* copy_short(std::byte* out, const std::byte* from, std::size_t bytes) noexcept {
  std::byte* const end = out + bytes;
  if (bytes >= 8) {
    for (std::size_t at = 0; at + 8 < bytes; at += 8) copy_word<std::uint64_t>(out + at, from + at);
    copy_word<std::uint64_t>(end - 8, from + bytes - 8);
  } else if (bytes >= 4) {
    copy_word<std::uint32_t>(out, from);
    copy_word<std::uint32_t>(end - 4, from + bytes - 4);
  } else {
    while (out != end) *out++ = *from++;
  }
  return end;
}

template <typename Word>
inline bool equal_word(const char* a, const char* b) noexcept {
  Word first;
  Word second;
  std::memcpy(&first, a, sizeof first);
  std::memcpy(&second, b, sizeof second);
  return first == second;
}

inline bool equal_short(const char* a, const char* b, std::size_t bytes) noexcept {
  if (bytes >= 8) {
    for (std::size_t at = 0; at + 8 < bytes; at += 8) {
      if (!equal_word<std::uint64_t>(a + at, b + at)) return false;
    }
    return equal_word<std::uint64_t>(a + bytes - 8, b + bytes - 8);
  }
  if (bytes >= 4) {
    return equal_word<std::uint32_t>(a, b) &&
           equal_word<std::uint32_t>(a + bytes - 4, b + bytes - 4);
  }
  for (std::size_t at = 0; at < bytes; ++at) {
    if (a[at] != b[at]) return false;
  }
  return true;
}

}  // namespace ims
