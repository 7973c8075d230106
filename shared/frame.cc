// One look at the length prefix decides everything.
#include "shared/frame.h"

namespace ims {

FrameResult next_frame(ByteView input, std::uint32_t frame_bytes_max) noexcept {
  const LengthPrefix prefix = decode_length_prefix(input);
  if (prefix.status == VarintStatus::kNeedMore) return {FrameStatus::kNeedMore, {}, 0, 0};
  if (prefix.status == VarintStatus::kMalformed) return {FrameStatus::kMalformed, {}, 0, 0};
  if (prefix.value > frame_bytes_max) return {FrameStatus::kTooLarge, {}, 0, 0};
  const std::size_t frame_bytes = prefix.prefix_bytes + prefix.value;
  if (input.size() < frame_bytes) return {FrameStatus::kNeedMore, {}, 0, frame_bytes};
  return {FrameStatus::kFrame, input.subspan(prefix.prefix_bytes, prefix.value), frame_bytes,
          frame_bytes};
}

}  // namespace ims
