// Sizes and bytes of the two frames (relay_frame.h).
#include "shared/relay_frame.h"

#include <cstring>

#include "shared/copy_short.h"
#include "shared/wire_write.h"

namespace ims {
namespace {

constexpr std::size_t kTwoBytesMax = 0x4000;

// A length, of one byte or two for nearly every message.
inline std::size_t length_bytes(std::size_t length) noexcept {
  if (length < 0x80) return 1;
  return length < kTwoBytesMax ? 2 : varint_bytes(length);
}
inline std::byte* write_length(std::byte* out, std::size_t length) noexcept {
  if (length < 0x80) {
    *out = static_cast<std::byte>(length);
    return out + 1;
  }
  if (length >= kTwoBytesMax) [[unlikely]] return write_varint(out, length);
  out[0] = static_cast<std::byte>(length | 0x80);
  out[1] = static_cast<std::byte>(length >> 7);
  return out + 2;
}

// Seven bytes from 2004 to 2527.
inline std::byte* write_time(std::byte* out, const std::byte* field, std::size_t bytes) noexcept {
  if (bytes != 7) [[unlikely]] return copy_short(out, field, bytes);
  copy_word<std::uint32_t>(out, field);
  copy_word<std::uint32_t>(out + 3, field + 3);
  return out + 7;
}

inline bool small_version(Outer outer) noexcept {
  return outer.version > 0 && outer.version < 0x80;
}

// Version, and the envelope's command.
inline std::byte* write_small_header(std::byte* out, Outer outer, std::uint8_t command) noexcept {
  out[0] = std::byte{1 << 3};
  out[1] = static_cast<std::byte>(outer.version);
  if (outer.edition != Edition::kV1) return out + 2;
  out[2] = std::byte{2 << 3};
  out[3] = std::byte{command};
  return out + 4;
}

// The same and the body's tag.
inline std::size_t small_header_bytes(Outer outer) noexcept {
  return outer.edition == Edition::kV1 ? 5 : 3;
}

}  // namespace

void EncodedTime::encode(std::int64_t time) noexcept {
  time_ms = time;
  const auto value = static_cast<std::uint64_t>(time);
  field_bytes = static_cast<std::uint8_t>(write_varint_field(in_push, 8, value) - in_push);
  write_varint_field(in_answer, 4, value);
}

RelayFrame::RelayFrame(Outer outer, const RequestRecord& request, const EncodedTime& time) noexcept
    : outer_(outer),
      request_(request),
      time_(time),
      message_bytes_(request.tail_bytes + time.field_bytes) {
  static_assert(static_cast<int>(RequestType::kMessage) == 0, "the body's type is not written");
  constexpr std::size_t kHeadersBytesMax = 16;
  if (message_bytes_ >= 0x80 && message_bytes_ < kTwoBytesMax - kHeadersBytesMax &&
      small_version(outer)) [[likely]] {
    body_bytes_ = 3 + message_bytes_;  // all lengths are of two bytes
    command_bytes_ = small_header_bytes(outer) + 2 + body_bytes_;
    bytes_ = 2 + command_bytes_;
    return;
  }
  body_bytes_ = 1 + length_bytes(message_bytes_) + message_bytes_;
  if (small_version(outer)) {
    command_bytes_ = small_header_bytes(outer) + length_bytes(body_bytes_) + body_bytes_;
    bytes_ = length_bytes(command_bytes_) + command_bytes_;
  } else {
    bytes_ = outer_frame_bytes(outer, ServerFrame::kRequest, 0, body_bytes_);
  }
}

std::byte* RelayFrame::write(std::byte* out) const noexcept {
  if (small_version(outer_)) [[likely]] {
    out = write_small_header(write_length(out, command_bytes_), outer_, 2);
    *out++ = static_cast<std::byte>((outer_.edition == Edition::kV1 ? 3 : 6) << 3 | 2);
    out = write_length(out, body_bytes_);
  } else {
    out = write_outer_header(out, outer_, ServerFrame::kRequest, 0, body_bytes_);
  }
  *out++ = std::byte{2 << 3 | 2};
  out = write_length(out, message_bytes_);
  std::memcpy(out, &request_ + 1, request_.tail_bytes);
  return write_time(out + request_.tail_bytes, time_.in_push, time_.field_bytes);
}

// All lengths are of one byte: filled in behind what they count.
std::byte* write_relay_answer(std::byte* out, Outer outer, std::uint64_t id,
                              const EncodedTime& time) noexcept {
  const bool envelope = outer.edition == Edition::kV1;
  std::byte* const frame = out + 1;
  std::byte* at = frame;
  if (small_version(outer)) [[likely]] {
    at = write_small_header(at, outer, 3);
  } else {
    at = write_varint_field(at, 1, wire_int32(outer.version));
    if (envelope) at = write_varint_field(at, 2, 3);
  }
  at = write_varint_field(at, 8, id);
  const std::size_t body_bytes = time.field_bytes;
  if (body_bytes != 0 || !envelope) {
    at[0] = static_cast<std::byte>((envelope ? 3 : 7) << 3 | 2);
    at[1] = static_cast<std::byte>(body_bytes);
    at = write_time(at + 2, time.in_answer, time.field_bytes);
  }
  *out = static_cast<std::byte>(at - frame);
  return at;
}

}  // namespace ims
