// Sizes and bytes of the two frames (relay_frame.h).
#include "shared/relay_frame.h"

#include "shared/copy_short.h"
#include "shared/limits.h"
#include "shared/wire_write.h"

namespace ims {
namespace {

static_assert(kNameBytesMax < 0x80 && kClientIdBytesMax < 0x80, "their lengths are one byte");

std::size_t short_field_bytes(std::size_t bytes) noexcept { return bytes == 0 ? 0 : 2 + bytes; }

std::byte* write_short_field(std::byte* out, std::uint32_t number, ByteView bytes) noexcept {
  if (bytes.empty()) return out;
  out[0] = static_cast<std::byte>(number << 3 | 2);
  out[1] = static_cast<std::byte>(bytes.size());
  return copy_short(out + 2, bytes.data(), bytes.size());
}

std::byte* write_time_field(std::byte* out, std::uint32_t number,
                            const EncodedTime& time) noexcept {
  if (time.time_ms == 0) return out;
  *out++ = static_cast<std::byte>(number << 3);
  return copy_short(out, time.bytes, time.size_bytes);
}

std::size_t time_field_bytes(const EncodedTime& time) noexcept {
  return time.time_ms == 0 ? 0 : std::size_t{1} + time.size_bytes;
}

bool small_version(Outer outer) noexcept { return outer.version > 0 && outer.version < 0x80; }

// Version, the envelope's command, the body's tag.
std::size_t small_header_bytes(Outer outer) noexcept {
  return outer.edition == Edition::kV1 ? 5 : 3;
}

}  // namespace

RelayFrame::RelayFrame(Outer outer, const RequestRecord& request, const EncodedTime& time) noexcept
    : outer_(outer),
      request_(request),
      time_(time),
      message_bytes_(varint_field_bytes(request.type) + bytes_field_bytes(request.payload_bytes) +
                     short_field_bytes(request.from_bytes) +
                     short_field_bytes(request.target_bytes) +
                     short_field_bytes(request.client_id_bytes) + time_field_bytes(time) +
                     short_field_bytes(request.device_bytes)),
      body_bytes_(push_bytes(RequestType::kMessage, message_bytes_)) {
  if (small_version(outer)) {
    command_bytes_ = small_header_bytes(outer) + varint_bytes(body_bytes_) + body_bytes_;
    bytes_ = varint_bytes(command_bytes_) + command_bytes_;
  } else {
    bytes_ = outer_frame_bytes(outer, ServerFrame::kRequest, 0, body_bytes_);
  }
}

std::byte* RelayFrame::write(std::byte* out) const noexcept {
  const MessageParts parts(request_);
  if (small_version(outer_)) {  // nearly every client's
    out = write_varint(out, command_bytes_);
    *out++ = std::byte{1 << 3};
    *out++ = static_cast<std::byte>(outer_.version);
    if (outer_.edition == Edition::kV1) {
      *out++ = std::byte{2 << 3};
      *out++ = std::byte{2};
    }
    out = write_length_field(out, outer_.edition == Edition::kV1 ? 3 : 6, body_bytes_);
  } else {
    out = write_outer_header(out, outer_, ServerFrame::kRequest, 0, body_bytes_);
  }
  out = write_push_header(out, RequestType::kMessage, message_bytes_);
  out = write_varint_field(out, 1, request_.type);
  out = write_bytes_field(out, 2, parts.payload);
  out = write_short_field(out, 3, as_bytes(parts.from));
  const bool to_group = (request_.header.flags & kFlagToGroup) != 0;
  out = write_short_field(out, to_group ? 5 : 4, as_bytes(parts.target));
  out = write_short_field(out, 6, parts.client_id);
  out = write_time_field(out, 8, time_);
  return write_short_field(out, 9, as_bytes(parts.device));
}

// All lengths are of one byte: filled in behind what they count.
std::byte* write_relay_answer(std::byte* out, Outer outer, std::uint64_t id,
                              const EncodedTime& time) noexcept {
  const bool envelope = outer.edition == Edition::kV1;
  std::byte* const frame = out + 1;
  std::byte* at = write_varint_field(frame, 1, wire_int32(outer.version));
  if (envelope) {
    at[0] = std::byte{2 << 3};
    at[1] = std::byte{3};
    at += 2;
  }
  at = write_varint_field(at, 8, id);
  const std::size_t body_bytes = time_field_bytes(time);
  if (body_bytes != 0 || !envelope) {
    at[0] = static_cast<std::byte>((envelope ? 3 : 7) << 3 | 2);
    at[1] = static_cast<std::byte>(body_bytes);
    at = write_time_field(at + 2, 4, time);
  }
  *out = static_cast<std::byte>(at - frame);
  return at;
}

}  // namespace ims
