// Base-128 varints: the wire's integers, and the length prefix of a frame.
//
//   a varint    1 to 10 bytes, 7 bits each, least significant first; the top bit says "more"
//   a prefix    1 to 5 bytes and at most 2^32 - 1; longer than the shortest form is accepted
//
// Bits of a tenth byte beyond 2^64 are dropped, as protobuf runtimes do. Writers need room for
// varint_bytes(value); nothing here allocates or fails otherwise.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "shared/bytes.h"

namespace ims {

inline constexpr std::size_t kVarintBytesMax = 10;
inline constexpr std::size_t kLengthPrefixBytesMax = 5;

enum class VarintStatus : std::uint8_t {
  kOk,
  kNeedMore,   // the input ends inside it, and it may still become valid
  kMalformed,  // too many bytes, or too large a value
};

struct LengthPrefix {
  VarintStatus status = VarintStatus::kNeedMore;
  std::uint32_t value = 0;        // with kOk
  std::size_t prefix_bytes = 0;   // with kOk
};

// The length prefix at the start of `input`. Malformed is said as soon as no further byte could
// help.
inline LengthPrefix decode_length_prefix(ByteView input) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kLengthPrefixBytesMax; ++i) {
    if (i == input.size()) return {VarintStatus::kNeedMore, 0, 0};
    const auto byte = std::to_integer<std::uint64_t>(input[i]);
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (value > 0xffff'ffffu) return {VarintStatus::kMalformed, 0, 0};
      return {VarintStatus::kOk, static_cast<std::uint32_t>(value), i + 1};
    }
  }
  return {VarintStatus::kMalformed, 0, 0};
}

struct Varint {
  VarintStatus status = VarintStatus::kNeedMore;
  std::uint64_t value = 0;       // with kOk
  std::size_t varint_bytes = 0;  // with kOk
};

// The varint at the start of `input`.
inline Varint decode_varint(ByteView input) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kVarintBytesMax; ++i) {
    if (i == input.size()) return {VarintStatus::kNeedMore, 0, 0};
    const auto byte = std::to_integer<std::uint64_t>(input[i]);
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return {VarintStatus::kOk, value, i + 1};
  }
  return {VarintStatus::kMalformed, 0, 0};
}

// Bytes of the shortest form of `value`: 1 to 10.
constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) * 9 + 64) / 64;
}

// Writes the shortest form and returns the byte behind it.
inline std::byte* write_varint(std::byte* out, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *out++ = static_cast<std::byte>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<std::byte>(value);
  return out;
}

}  // namespace ims
