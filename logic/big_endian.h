// Numbers as keys and rows hold them: big-endian, appended to and read from byte strings.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "shared/assert.h"

namespace ims::logic {

template <typename T>
T to_big_endian(T value) noexcept {
  static_assert(std::endian::native == std::endian::little);
  if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else if constexpr (sizeof(T) == 8) {
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  } else {
    return value;
  }
}

template <typename T>
void append_number(std::string& out, T value) {
  const T big = to_big_endian(value);
  out.append(reinterpret_cast<const char*>(&big), sizeof big);
}

template <typename T>
T read_number(std::string_view bytes, std::size_t at) {
  IMS_ASSERT(at + sizeof(T) <= bytes.size());
  T big{};
  std::memcpy(&big, bytes.data() + at, sizeof big);
  return to_big_endian(big);
}

}  // namespace ims::logic
