// Writing protobuf fields: sizes, and writers that return the byte behind. For shared/encode.cc and
// shared/results.cc alone. Every field number is below 16, so every tag is one byte; a default
// (0, false, empty) costs and writes nothing, as in proto3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "shared/bytes.h"
#include "shared/varint.h"

namespace ims {

constexpr std::uint64_t wire_int32(std::int32_t value) noexcept {  // negative: ten bytes
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
}
constexpr std::uint64_t wire_int64(std::int64_t value) noexcept {
  return static_cast<std::uint64_t>(value);
}

constexpr std::size_t varint_field_bytes(std::uint64_t value) noexcept {
  return value == 0 ? 0 : 1 + varint_bytes(value);
}
inline std::byte* write_varint_field(std::byte* out, std::uint32_t number,
                                     std::uint64_t value) noexcept {
  if (value == 0) return out;
  *out++ = static_cast<std::byte>(number << 3);
  return write_varint(out, value);
}

inline std::byte* write_raw(std::byte* out, ByteView bytes) noexcept {
  if (bytes.empty()) return out;
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

// Tag and length of a field whose content follows; written even if it is empty (submessages,
// elements of repeated fields).
constexpr std::size_t length_field_bytes(std::size_t content_bytes) noexcept {
  return 1 + varint_bytes(content_bytes);
}
inline std::byte* write_length_field(std::byte* out, std::uint32_t number,
                                     std::size_t content_bytes) noexcept {
  *out++ = static_cast<std::byte>(number << 3 | 2);
  return write_varint(out, content_bytes);
}

constexpr std::size_t element_bytes(std::size_t content_bytes) noexcept {
  return length_field_bytes(content_bytes) + content_bytes;
}

constexpr std::size_t bytes_field_bytes(std::size_t content_bytes) noexcept {
  return content_bytes == 0 ? 0 : element_bytes(content_bytes);
}
inline std::byte* write_bytes_field(std::byte* out, std::uint32_t number, ByteView bytes) noexcept {
  if (bytes.empty()) return out;
  return write_raw(write_length_field(out, number, bytes.size()), bytes);
}
inline std::byte* write_text_field(std::byte* out, std::uint32_t number,
                                   std::string_view text) noexcept {
  return write_bytes_field(out, number, as_bytes(text));
}
inline std::byte* write_text_element(std::byte* out, std::uint32_t number,
                                     std::string_view text) noexcept {
  return write_raw(write_length_field(out, number, text.size()), as_bytes(text));
}

}  // namespace ims
