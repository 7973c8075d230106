// The protobuf wire format, read field by field. For shared/command.cc and shared/payload.cc alone.
//
//   field  = tag value          tag = number << 3 | wire type, a varint of at most 5 bytes
//   value  = varint             wire type 0, at most 10 bytes
//          | 8 bytes            1
//          | length bytes       2, the length a varint of at most 5 bytes and below 2^31
//          | field* end tag     3 .. 4, a group: skipped whole, at most 100 deep
//          | 4 bytes            5
//
// A caller switches over the whole tag, so a known number with another wire type falls into
// `default`, the unknown fields, as in libprotobuf. Bits that do not fit (a tag's beyond 32, a
// varint's beyond 64) are dropped, as there.
// Source: google/protobuf/parse_context.h of 3.21.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shared/bytes.h"

namespace ims {

inline constexpr int kWireDepthMax = 100;  // libprotobuf's default recursion limit

constexpr std::uint32_t varint_tag(std::uint32_t number) noexcept { return number << 3; }
constexpr std::uint32_t bytes_tag(std::uint32_t number) noexcept { return number << 3 | 2; }

class WireReader {
 public:
  // `depth`: how many groups or messages may nest inside this one.
  explicit WireReader(ByteView message, int depth = kWireDepthMax) noexcept
      : at_(message.data()), end_(message.data() + message.size()), depth_(depth) {}

  // Reads the next field whole. False at the end and on the first error; then see ok().
  bool next() noexcept {
    if (at_ == end_) return false;
    if (!read_tag() || !read_value()) {
      ok_ = false;
      return false;
    }
    return true;
  }

  bool ok() const noexcept { return ok_; }
  int depth() const noexcept { return depth_; }
  const std::byte* at() const noexcept { return at_; }  // behind the field just read

  std::uint32_t tag() const noexcept { return tag_; }
  std::uint32_t number() const noexcept { return tag_ >> 3; }
  ByteView bytes() const noexcept { return bytes_; }       // of wire type 2
  std::uint64_t varint() const noexcept { return varint_; }  // of wire type 0
  std::int32_t int32() const noexcept { return static_cast<std::int32_t>(varint_); }
  std::uint32_t uint32() const noexcept { return static_cast<std::uint32_t>(varint_); }
  std::int64_t int64() const noexcept { return static_cast<std::int64_t>(varint_); }
  bool boolean() const noexcept { return varint_ != 0; }

 private:
  bool read_tag() noexcept {
    std::uint32_t tag = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = std::to_integer<std::uint32_t>(*at_++);
      tag |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        tag_ = tag;
        return (tag >> 3) != 0;
      }
    }
    return false;
  }

  bool read_varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = std::to_integer<std::uint64_t>(*at_++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        varint_ = value;
        return true;
      }
    }
    return false;
  }

  bool read_bytes() noexcept {
    std::uint64_t length = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = std::to_integer<std::uint64_t>(*at_++);
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (length > static_cast<std::uint64_t>(end_ - at_)) return false;
        bytes_ = {at_, static_cast<std::size_t>(length)};
        at_ += length;
        return true;
      }
    }
    return false;
  }

  bool skip_fixed(std::ptrdiff_t bytes) noexcept {
    if (end_ - at_ < bytes) return false;
    at_ += bytes;
    return true;
  }

  bool read_value() noexcept {
    switch (tag_ & 7) {
      case 0: return read_varint();
      case 1: return skip_fixed(8);
      case 2: return read_bytes();
      case 3: return skip_group();
      case 5: return skip_fixed(4);
      default: return false;  // an end without a start, or no wire type at all
    }
  }

  bool skip_group() noexcept;  // behind its start tag; leaves tag() at that

  const std::byte* at_;
  const std::byte* end_;
  ByteView bytes_;
  std::uint64_t varint_ = 0;
  std::uint32_t tag_ = 0;
  int depth_;
  bool ok_ = true;
};

}  // namespace ims
