// Accepts exactly these shapes, all fields ascending, and refuses all else:
//
//   envelope   version? command=2 id? payload id?      id once; version of one byte
//   typed      version? id? request id?                likewise
//   Request    type=0? payload opts*                   an opt is empty or one bool of one byte
//   Message    type? payload? (to | group) client_id?  a valid name; no RECALL
//
// Lengths are of at most three bytes, which is every frame up to 2 MiB. Each check of what is left
// covers a tag and the byte behind it.
#include "shared/message_frame.h"

#include <cstddef>

#include "shared/limits.h"
#include "shared/names.h"

namespace ims {
namespace {

using Byte = unsigned char;

constexpr std::size_t kFrameBytesMin = 7;  // body, payload, and a name of one byte
static_assert(kNameBytesMax < 0x80 && kClientIdBytesMax < 0x80, "their lengths are one byte");

// The length at `at`: returns what it counts, `bytes` long; null if that is cut or long.
inline const Byte* read_length(const Byte* at, const Byte* end, std::size_t& bytes) noexcept {
  std::size_t length = *at++;
  if (length >= 0x80) {
    if (at == end) return nullptr;
    length = (length & 0x7f) | static_cast<std::size_t>(*at++) << 7;
    if (length >= 0x4000) [[unlikely]] {
      if (at == end || *at >= 0x80) return nullptr;
      length = (length & 0x3fff) | static_cast<std::size_t>(*at++) << 14;
    }
  }
  if (length > static_cast<std::size_t>(end - at)) return nullptr;
  bytes = length;
  return at;
}

// Returns the byte behind it, or null.
inline const Byte* read_varint(const Byte* at, const Byte* end, std::uint64_t& value) noexcept {
  std::uint64_t read = 0;
  for (unsigned shift = 0; at != end && shift < 70; shift += 7) {
    const std::uint64_t byte = *at++;
    read |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = read;
      return at;
    }
  }
  return nullptr;
}

inline ByteView view(const Byte* at, std::size_t bytes) noexcept {
  return {reinterpret_cast<const std::byte*>(at), bytes};
}

// Request.opts, up to `end`.
inline bool read_options(const Byte* at, const Byte* end, bool& offline) noexcept {
  offline = false;
  for (std::size_t count = 0; at != end; ++count) {
    const std::ptrdiff_t left = end - at;
    if (count == kOptionsMax || left < 2 || at[0] != 0x1a) return false;
    if (at[1] == 2) {
      if (left < 4 || at[2] != 0x08 || at[3] >= 0x80) return false;
      offline = offline || at[3] != 0;
    } else if (at[1] != 0) {
      return false;
    }
    at += 2 + at[1];
  }
  return true;
}

inline bool read_message(const Byte* at, const Byte* end, MessageFrame& out) noexcept {
  out.type = 0;
  out.payload = {};
  out.client_id = {};
  std::size_t bytes = 0;
  if (end - at < 2) return false;
  if (at[0] == 0x08) {
    out.type = at[1];
    constexpr auto kRecall = static_cast<std::uint8_t>(MessageType::kRecall);
    if (out.type >= kMessageTypeCount || out.type == kRecall) return false;
    at += 2;
    if (end - at < 2) return false;
  }
  if (at[0] == 0x12) {
    at = read_length(at + 1, end, bytes);
    if (at == nullptr) return false;
    out.payload = view(at, bytes);
    at += bytes;
    if (end - at < 2) return false;
  }
  out.to_group = at[0] == 0x2a;
  if (!out.to_group && at[0] != 0x22) return false;
  bytes = at[1];
  at += 2;
  if (bytes > kNameBytesMax || bytes > static_cast<std::size_t>(end - at)) return false;
  out.target = as_text(view(at, bytes));
  if (!valid_name(out.target)) return false;
  at += bytes;
  if (at == end) return true;
  if (end - at < 2 || at[0] != 0x32 || at[1] > kClientIdBytesMax || end - at != 2 + at[1]) {
    return false;
  }
  out.client_id = view(at + 2, at[1]);
  return true;
}

}  // namespace

bool decode_message_frame(Edition edition, ByteView frame, MessageFrame& out) noexcept {
  const Byte* at = reinterpret_cast<const Byte*>(frame.data());
  const Byte* const end = at + frame.size();
  if (frame.size() < kFrameBytesMin) return false;
  out.id = 0;
  if (at[0] == 0x08) {
    if (at[1] >= 0x80) return false;
    at += 2;
  }
  const bool envelope = edition == Edition::kV1;
  if (envelope) {
    if (at[0] != 0x10 || at[1] != 0x02) return false;
    at += 2;
  }
  const bool id_first = at[0] == 0x40;
  if (id_first && (at = read_varint(at + 1, end, out.id)) == nullptr) return false;
  std::size_t bytes = 0;
  if (end - at < 2 || at[0] != (envelope ? 0x1a : 0x32)) return false;
  at = read_length(at + 1, end, bytes);
  if (at == nullptr) return false;
  const Byte* const request_end = at + bytes;
  if (request_end != end) {
    if (id_first || *request_end != 0x40) return false;
    if (read_varint(request_end + 1, end, out.id) != end) return false;
  }

  if (bytes < 2) return false;
  if (at[0] == 0x08) {
    if (at[1] != 0x00) return false;
    at += 2;
    if (request_end - at < 2) return false;
  }
  if (at[0] != 0x12) return false;
  at = read_length(at + 1, request_end, bytes);
  if (at == nullptr) return false;
  out.message = view(at, bytes);
  const Byte* const message_end = at + bytes;
  return read_options(message_end, request_end, out.offline) && read_message(at, message_end, out);
}

}  // namespace ims
