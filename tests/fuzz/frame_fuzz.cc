// Fuzzes the frame splitter.
//
//   input = bytes 0, 1: the frame limit | byte 2: size of a segment | the rest: the stream
//
// The stream is split whole, and again as it would arrive in segments with a carry. Both must give
// the same frames and the same end. Each frame must lie inside its input, keep the limit, and be
// what libprotobuf reads as a length-delimited piece.
#include <google/protobuf/io/coded_stream.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shared/assert.h"
#include "shared/frame.h"

namespace {

using ims::ByteView;
using ims::FrameResult;
using ims::FrameStatus;

struct Split {
  std::vector<std::string> frames;
  FrameStatus end = FrameStatus::kNeedMore;
  friend bool operator==(const Split&, const Split&) = default;
};

void check_frame(ByteView input, const FrameResult& result, std::uint32_t limit) {
  IMS_ASSERT(result.consumed_bytes <= input.size());
  IMS_ASSERT(result.payload.size() <= limit);
  IMS_ASSERT(result.payload.data() + result.payload.size() == input.data() + result.consumed_bytes);
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const std::uint8_t*>(input.data()), static_cast<int>(input.size()));
  std::uint32_t length = 0;
  IMS_ASSERT(stream.ReadVarint32(&length));
  IMS_ASSERT(length == result.payload.size());
  IMS_ASSERT(static_cast<std::size_t>(stream.CurrentPosition()) + length == result.consumed_bytes);
}

// Takes what frames there are from `carry`; false once the stream is refused.
bool drain(std::string& carry, std::uint32_t limit, Split& split) {
  for (;;) {
    const ByteView input = ims::as_bytes(carry);
    const FrameResult result = ims::next_frame(input, limit);
    split.end = result.status;
    if (result.status != FrameStatus::kFrame) {
      IMS_ASSERT(result.consumed_bytes == 0);
      if (result.status == FrameStatus::kNeedMore && result.frame_bytes != 0) {
        IMS_ASSERT(result.frame_bytes > carry.size());
      }
      return result.status == FrameStatus::kNeedMore;
    }
    check_frame(input, result, limit);
    split.frames.emplace_back(ims::as_text(result.payload));
    carry.erase(0, result.consumed_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto limit = static_cast<std::uint32_t>(data[0] | data[1] << 8);
  const std::size_t segment_bytes = std::size_t{1} + data[2];
  const std::string stream(reinterpret_cast<const char*>(data + 3), size - 3);

  Split whole;
  std::string carry = stream;
  drain(carry, limit, whole);

  Split pieces;
  carry.clear();
  for (std::size_t at = 0; at < stream.size(); at += segment_bytes) {
    carry += stream.substr(at, segment_bytes);
    if (!drain(carry, limit, pieces)) break;
  }
  IMS_ASSERT(whole == pieces);
  return 0;
}
