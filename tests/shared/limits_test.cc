// Relations between the limits and the types that they bound, where no header sees both.
#include "shared/limits.h"

#include <doctest/doctest.h>

#include <bit>

#include "shared/ids.h"
#include "shared/records.h"
#include "shared/varint.h"

namespace ims {
namespace {

TEST_CASE("no record's fixed part is larger than rings are made for") {
  CHECK(sizeof(LoginRecord) <= kRecordHeaderBytesMax);
  CHECK(sizeof(RequestRecord) <= kRecordHeaderBytesMax);
  CHECK(sizeof(SessionRecord) <= kRecordHeaderBytesMax);
  CHECK(sizeof(LoginAnswerRecord) <= kRecordHeaderBytesMax);
  CHECK(sizeof(ResponseRecord) <= kRecordHeaderBytesMax);
  CHECK(sizeof(PushRecord) <= kRecordHeaderBytesMax);
  CHECK(sizeof(DisconnectRecord) <= kRecordHeaderBytesMax);
  CHECK(sizeof(PushTarget) <= kPushTargetBytes);
  CHECK(kLengthPrefixBytesMax == kFramePrefixBytesMax);
}

TEST_CASE("rings hold their records at every frame size, and no more than twice that") {
  for (const std::size_t frame_bytes :
       {kMaxFrameBytesFloor, kMaxFrameBytesFloor + 1, kMaxFrameBytesDefault - 1,
        kMaxFrameBytesDefault, kMaxFrameBytesDefault + 1, kMaxFrameBytesCeiling - 1,
        kMaxFrameBytesCeiling}) {
    CAPTURE(frame_bytes);
    const std::size_t record_bytes = record_bytes_max(frame_bytes);
    CHECK(record_bytes % kRecordAlignBytes == 0);
    CHECK(record_bytes > frame_bytes + kPushTargetsMax * kPushTargetBytes);

    const std::size_t ring = ring_bytes(frame_bytes);
    CHECK(std::has_single_bit(ring));
    CHECK(ring >= kRingRecordsMin * record_bytes);
    CHECK((ring == kRingBytesMin || ring < 2 * kRingRecordsMin * record_bytes));

    const std::size_t handoffs = handoff_ring_bytes(frame_bytes);
    CHECK(std::has_single_bit(handoffs));
    CHECK(handoffs >= 2 * kExchangesPerPairMax * record_bytes);
    CHECK(handoffs < 4 * kExchangesPerPairMax * record_bytes);
  }
}

TEST_CASE("indexes fit their types") {
  CHECK(static_cast<GatewayIndex>(kGatewaysMax - 1) == kGatewaysMax - 1);
  CHECK(static_cast<WorkerIndex>(kWorkersMax - 1) == kWorkersMax - 1);
  const ConnectionId last = ConnectionId::make(static_cast<GatewayIndex>(kGatewaysMax - 1),
                                               ConnectionId::kGenerationMask,
                                               kConnectionsPerGatewayMax - 1);
  CHECK(last.gateway() == kGatewaysMax - 1);
  CHECK(last.slot() == kConnectionsPerGatewayMax - 1);
}

}  // namespace
}  // namespace ims
