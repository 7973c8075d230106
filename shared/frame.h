// Framing (PROTOCOL.md section 1): a length prefix, then that many bytes of one Command.
// Knows lengths only, never what the bytes mean. Stateless; views point into the caller's input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shared/bytes.h"
#include "shared/varint.h"

namespace ims {

enum class FrameStatus : std::uint8_t {
  kFrame,      // `payload` is one whole frame; empty: a heartbeat
  kNeedMore,   // the input ends inside the prefix or the payload
  kTooLarge,   // longer than allowed: PROTOCOL_ERROR, decided by the length alone
  kMalformed,  // a prefix over 5 bytes or over 2^32 - 1: PROTOCOL_ERROR
};

struct FrameResult {
  FrameStatus status = FrameStatus::kNeedMore;
  ByteView payload;                // kFrame: inside the input
  std::size_t consumed_bytes = 0;  // kFrame: prefix and payload, else 0
  std::size_t frame_bytes = 0;     // kFrame, kNeedMore: prefix and payload once the prefix is
                                   // whole, else 0; so a carry can be sized once
};

// The first frame of `input`. `frame_bytes_max` limits the payload; the limit itself is allowed.
inline FrameResult next_frame(ByteView input, std::uint32_t frame_bytes_max) noexcept {
  const LengthPrefix prefix = decode_length_prefix(input);
  if (prefix.status == VarintStatus::kNeedMore) return {FrameStatus::kNeedMore, {}, 0, 0};
  if (prefix.status == VarintStatus::kMalformed) return {FrameStatus::kMalformed, {}, 0, 0};
  if (prefix.value > frame_bytes_max) return {FrameStatus::kTooLarge, {}, 0, 0};
  const std::size_t frame_bytes = prefix.prefix_bytes + prefix.value;
  if (input.size() < frame_bytes) return {FrameStatus::kNeedMore, {}, 0, frame_bytes};
  return {FrameStatus::kFrame, input.subspan(prefix.prefix_bytes, prefix.value), frame_bytes,
          frame_bytes};
}

// The length prefix in front of `payload_bytes`. `out` has room for frame_header_bytes of it.
constexpr std::size_t frame_header_bytes(std::uint32_t payload_bytes) noexcept {
  return varint_bytes(payload_bytes);
}
inline std::byte* encode_frame_header(std::byte* out, std::uint32_t payload_bytes) noexcept {
  return write_varint(out, payload_bytes);
}

inline constexpr std::byte kHeartbeatFrame[1] = {std::byte{0}};

}  // namespace ims
