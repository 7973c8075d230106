// Framing: prefixes, limits below, at and above, and any segmentation.
#include "shared/frame.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace std::string_view_literals;

namespace ims {
namespace {

std::string frame_of(std::size_t payload_bytes) {
  std::byte header[kLengthPrefixBytesMax];
  const std::byte* end = encode_frame_header(header, static_cast<std::uint32_t>(payload_bytes));
  std::string frame(as_text({header, end}));
  return frame + std::string(payload_bytes, 'p');
}

struct FrameRow {
  const char* rule;
  std::string_view input;
  std::uint32_t frame_bytes_max;
  FrameStatus status;
  std::string_view payload = {};
  std::size_t consumed_bytes = 0;
};

constexpr FrameRow kFrameRows[] = {
    {"nothing yet", ""sv, 10, FrameStatus::kNeedMore},
    {"a heartbeat", "\x00"sv, 10, FrameStatus::kFrame, ""sv, 1},
    {"a heartbeat where nothing is allowed", "\x00"sv, 0, FrameStatus::kFrame, ""sv, 1},
    {"a heartbeat in two bytes", "\x80\x00"sv, 10, FrameStatus::kFrame, ""sv, 2},
    {"a whole frame", "\x02\x61\x62"sv, 10, FrameStatus::kFrame, "ab"sv, 3},
    {"the next one is left alone", "\x02\x61\x62\x01\x63"sv, 10, FrameStatus::kFrame, "ab"sv, 3},
    {"a longer prefix than needed", "\x82\x80\x80\x80\x00\x61\x62"sv, 10, FrameStatus::kFrame,
     "ab"sv, 7},
    {"a payload that is not all there", "\x02\x61"sv, 10, FrameStatus::kNeedMore},
    {"a prefix that is not all there", "\x80"sv, 10, FrameStatus::kNeedMore},
    {"too large, from the length alone", "\x0b"sv, 10, FrameStatus::kTooLarge},
    {"2^32 - 1, from the length alone", "\xff\xff\xff\xff\x0f"sv, 65536, FrameStatus::kTooLarge},
    {"2^32", "\x80\x80\x80\x80\x10"sv, 0xffff'ffff, FrameStatus::kMalformed},
    {"a prefix of six bytes", "\x80\x80\x80\x80\x80\x00"sv, 10, FrameStatus::kMalformed},
};

TEST_CASE("next_frame") {
  for (const FrameRow& row : kFrameRows) {
    CAPTURE(row.rule);
    const FrameResult result = next_frame(as_bytes(row.input), row.frame_bytes_max);
    CHECK(result.status == row.status);
    CHECK(as_text(result.payload) == row.payload);
    CHECK(result.consumed_bytes == row.consumed_bytes);
  }
}

TEST_CASE("the frame limit: below and at it a frame, above it too large") {
  for (const std::uint32_t limit : {127u, 128u, 4096u, 65536u}) {
    CAPTURE(limit);
    const std::string below = frame_of(limit - 1);
    const std::string at = frame_of(limit);
    const std::string above = frame_of(limit + 1);
    CHECK(next_frame(as_bytes(below), limit).payload.size() == limit - 1);
    CHECK(next_frame(as_bytes(at), limit).payload.size() == limit);
    CHECK(next_frame(as_bytes(above), limit).status == FrameStatus::kTooLarge);
  }
}

TEST_CASE("one byte at a time: kNeedMore until the last, and the size is known with the prefix") {
  const std::string frame = frame_of(300);
  for (std::size_t bytes = 0; bytes < frame.size(); ++bytes) {
    CAPTURE(bytes);
    const FrameResult result = next_frame(as_bytes(frame).first(bytes), 65536);
    CHECK(result.status == FrameStatus::kNeedMore);
    CHECK(result.consumed_bytes == 0);
    CHECK(result.frame_bytes == (bytes < 2 ? 0 : frame.size()));
  }
  CHECK(next_frame(as_bytes(frame), 65536).status == FrameStatus::kFrame);
}

TEST_CASE("a thousand frames in one segment") {
  std::string segment;
  for (std::size_t i = 0; i < 1000; ++i) segment += frame_of(i % 200);
  ByteView rest = as_bytes(segment);
  for (std::size_t i = 0; i < 1000; ++i) {
    const FrameResult result = next_frame(rest, 4096);
    REQUIRE(result.status == FrameStatus::kFrame);
    REQUIRE(result.payload.size() == i % 200);
    rest = rest.subspan(result.consumed_bytes);
  }
  CHECK(rest.empty());
}

TEST_CASE("frame_header_bytes is what encode_frame_header writes; the heartbeat is one zero byte") {
  for (const std::uint32_t size : {0u, 127u, 128u, 16383u, 16384u, 65536u, 0xffff'ffffu}) {
    std::byte header[kLengthPrefixBytesMax];
    CHECK(encode_frame_header(header, size) == header + frame_header_bytes(size));
  }
  CHECK(next_frame(kHeartbeatFrame, 4096).status == FrameStatus::kFrame);
  CHECK(sizeof kHeartbeatFrame == 1);
}

}  // namespace
}  // namespace ims
