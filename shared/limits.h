// Every bound of the system, by name, and the relations between them. A queue, table, list or
// buffer without a line here is unfinished (DESIGN.md section 7).
//
// A bound that an operator may set is a key of shared/config.h; here stand its default (kXDefault)
// and the range that config allows. All others are fixed. `kXBytes...` counts bytes, `kXMax` is the
// largest value that is still allowed.
// Source: PROTOCOL.md, DESIGN.md sections 3 to 7.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ims {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::size_t kGiB = 1024 * kMiB;

// ---- names and fields (PROTOCOL.md section 3) ----

inline constexpr std::size_t kNameBytesMax = 64;        // org, appkey, user, device, group
inline constexpr std::size_t kClientIdBytesMax = 32;    // Message.client_id
inline constexpr std::size_t kOptionsMax = 16;          // Request.opts; more: BAD_REQUEST
inline constexpr std::size_t kLabelBytesMax = 256;      // a group's name, a contact's note
inline constexpr std::size_t kTokenBytesMax = 3 * kKiB;  // Connect.token: fits the first frame
inline constexpr std::size_t kReasonBytesMax = 256;     // Response.reason, Disconnect.reason: ours
inline constexpr std::uint32_t kKeepaliveSecondsMax = 3600;  // above it is taken as this

// ---- frames (PROTOCOL.md section 1) ----

inline constexpr std::size_t kFramePrefixBytesMax = 5;  // a varint length over 5 bytes is an error
inline constexpr std::size_t kMaxFrameBytesDefault = 64 * kKiB;
inline constexpr std::size_t kMaxFrameBytesFloor = 4 * kKiB;
inline constexpr std::size_t kMaxFrameBytesCeiling = 1 * kMiB;
inline constexpr std::size_t kFirstFrameBytesMax = 4 * kKiB;  // the first frame of a connection
// max_message_bytes is at most max_frame_bytes less this: room for the outer frame, every server
// field and the names of a pushed Message, so that whatever was accepted can be pushed.
inline constexpr std::size_t kFrameOverheadBytes = 1024;
inline constexpr std::size_t kSmallAnswerBytes = 512;  // owed for a request that answers no page

// ---- a connection (PROTOCOL.md sections 1 and 5, DESIGN.md section 4) ----

inline constexpr std::uint32_t kMaxInflightDefault = 256;
inline constexpr std::uint32_t kMaxInflightCeiling = 4096;
inline constexpr std::size_t kSendQueueBytesDefault = 256 * kKiB;
inline constexpr std::size_t kSendQueueFramesMin = 4;  // send_queue_bytes >= 4 x max_frame_bytes
inline constexpr std::size_t kSoRcvbufBytesDefault = 64 * kKiB;
inline constexpr std::size_t kSoSndbufBytesDefault = 64 * kKiB;
inline constexpr std::size_t kCarryStopBytes = 16 * kKiB;  // above it the receive is cancelled
inline constexpr std::size_t kConnectionIdleBytesMax = 192;  // sizeof(Connection), asserted there
inline constexpr std::uint32_t kDrainOnCloseMs = 1000;  // input discarded until EOF or this

// What a connection's carry may grow to: a cut frame, what the kernel had queued when the receive
// was cancelled, and what arrived before the cancellation was noticed. The kernel doubles SO_RCVBUF
// for its own bookkeeping; the payload in it stays below the configured value.
constexpr std::size_t carry_bytes_max(std::size_t max_frame_bytes, std::size_t so_rcvbuf_bytes) {
  return max_frame_bytes + so_rcvbuf_bytes + kCarryStopBytes;
}

// ---- a gateway thread ----

inline constexpr std::uint32_t kGatewaysMax = 64;
inline constexpr std::uint32_t kWorkersMax = 64;
inline constexpr std::size_t kReceiveBufferBytes = 2 * kKiB;
inline constexpr std::size_t kReceiveBufferCount = 512;  // a power of two: a provided-buffer ring
inline constexpr std::uint32_t kConnectionsPerGatewayMax = 1u << 20;  // slots of one table
inline constexpr std::uint32_t kConnectionsPerGatewayDefault = 1u << 18;  // or what the rings hold
inline constexpr std::uint32_t kRingsPerGatewayMax = 32;  // each holds RLIMIT_NOFILE; on demand
inline constexpr std::uint32_t kConnectionReserve = 16;  // below the table's end accepting stops
inline constexpr std::uint32_t kSendsInFlightMax = 1;    // per connection: keeps the bytes in order
inline constexpr std::uint32_t kFanoutSendsPerTurnMax = 64;
inline constexpr std::uint32_t kFanoutSendsPerTurnMin = 16;  // however long they take
inline constexpr std::uint32_t kFanoutTurnUs = 100;
inline constexpr std::uint32_t kFanoutTargetsPerTurnMax = 1024;  // copied to, of one ring
inline constexpr std::uint32_t kCompletionsPerTurnMax = 4096;
inline constexpr std::uint32_t kRecordsPerTurnMax = 1024;  // of one ring, so that none starves
inline constexpr std::uint32_t kFramesPerConnectionTurnMax = 256;
inline constexpr std::size_t kSendChunkBytes = 4 * kKiB;  // unit of a send queue's memory
inline constexpr std::uint32_t kUringEntries = 4096;      // submissions; completions: 4 times that
inline constexpr std::size_t kKernelRingBytes =           // of both queues, in the kernel
    kUringEntries * (64 + sizeof(std::uint32_t)) + 4 * kUringEntries * 16;
inline constexpr std::size_t kKernelSocketBytesMax = 5 * kKiB;  // idle: measured, bench/README.md

// ---- rings between threads (DESIGN.md section 3) ----

inline constexpr std::size_t kRecordAlignBytes = 8;
inline constexpr std::size_t kRecordHeaderBytesMax = 256;  // the fixed part of any record
inline constexpr std::size_t kPushTargetsMax = 1024;       // connections of one delivery record
inline constexpr std::size_t kPushTargetBytes = 16;        // one of them
// A row is pushed to more targets than these only behind so few bytes: 8,000 targets, which their
// gateway copies to within some 2 ms. Who is left out reads the row when there is time (catch-up).
inline constexpr std::size_t kFewTargetsMax = 64;
inline constexpr std::size_t kManyTargetsBytesMax = 128 * kKiB;
inline constexpr std::size_t kRingRecordsMin = 8;          // of the largest size, in every ring
inline constexpr std::size_t kExchangesPerPairMax = 8;     // K: reserved answers, worker to worker
inline constexpr std::size_t kHandoffRecordsMin = 2 * kExchangesPerPairMax;
inline constexpr std::size_t kRingBytesMin = 1 * kMiB;

// Names, client id and the sender's pre-encoded fields travel behind a record's header, besides the
// payload: to or group, from, device, client_id.
inline constexpr std::size_t kRecordNamesBytesMax = 4 * kNameBytesMax + kClientIdBytesMax;

constexpr std::size_t round_up_record(std::size_t bytes) {
  return (bytes + kRecordAlignBytes - 1) / kRecordAlignBytes * kRecordAlignBytes;
}

// The largest record of any ring: a delivery, its frame with the length prefix, all its targets.
constexpr std::size_t record_bytes_max(std::size_t max_frame_bytes) {
  return round_up_record(kRecordHeaderBytesMax + kRecordNamesBytesMax + kFramePrefixBytesMax +
                         max_frame_bytes + kPushTargetsMax * kPushTargetBytes);
}

// Bytes of one request or delivery ring, a power of two.
constexpr std::size_t ring_bytes(std::size_t max_frame_bytes) {
  const std::size_t least = kRingRecordsMin * record_bytes_max(max_frame_bytes);
  return std::bit_ceil(least < kRingBytesMin ? kRingBytesMin : least);
}

// Bytes of one handoff ring, a power of two: K answers and K questions always find room.
constexpr std::size_t handoff_ring_bytes(std::size_t max_frame_bytes) {
  return std::bit_ceil(kHandoffRecordsMin * record_bytes_max(max_frame_bytes));
}

// ---- requests and pages (PROTOCOL.md sections 1, 3, 6) ----

inline constexpr std::uint32_t kPageRowsDefault = 100;  // limit 0
inline constexpr std::uint32_t kPageRowsMax = 1000;     // above it is taken as this
inline constexpr std::uint32_t kUsersPerRequestMax = 500;

// ---- sessions and timelines (PROTOCOL.md sections 5 and 8, DESIGN.md section 5) ----

inline constexpr std::uint32_t kPushWindowDefault = 256;
inline constexpr std::uint32_t kPushWindowMax = 4096;
inline constexpr std::size_t kCatchupPageBytesMax = 64 * kKiB;
inline constexpr std::uint32_t kCatchupPageRowsMax = 256;
inline constexpr std::uint32_t kCatchupPagesInFlightMax = 1;  // per session
inline constexpr std::size_t kSessionBytesMax = 1 * kKiB;  // session, pinned user, device, timers
inline constexpr std::size_t kPushedRowBytes = 16;         // one row handed on and not Taken
inline constexpr std::uint32_t kOwnRangesMax = 16;  // own seqs above a cursor; more: CATCHUP
inline constexpr std::uint32_t kMaxDevicesDefault = 8;
inline constexpr std::uint32_t kMaxKnownDevicesDefault = 32;
inline constexpr std::uint32_t kMaxSendOnlyDefault = 32;
inline constexpr std::uint32_t kParkedPerKeyMax = 1024;     // requests behind one read; OVERLOADED
inline constexpr std::uint32_t kParkedPerWorkerMax = 4096;  // over all keys; more: OVERLOADED
inline constexpr std::size_t kParkedBytesPerWorkerMax = 16 * kMiB;
inline constexpr std::uint32_t kReadsInFlightPerWorkerMax = 1024;  // the reader's queue
inline constexpr std::uint32_t kExchangeTimeoutMs = 5000;  // then UNAVAILABLE; reservations end
inline constexpr std::uint32_t kAutoCursorFlushMs = 1000;  // AUTO cursors are durable within this
inline constexpr std::size_t kDedupeFiltersMax = 32;  // above, rows older than the last are scanned
inline constexpr std::size_t kDirtyUsersMax = 4096;  // whose sessions ended; above, stored at once
inline constexpr std::size_t kOutboxMax = 65'536;  // entries at one worker; above, OVERLOADED
inline constexpr std::size_t kContactExchangesMax = 1024;  // open questions of a worker
inline constexpr std::size_t kContactQueueMax = 64;        // requests behind one of them
inline constexpr std::size_t kContactWaitsMax = 8192;      // changes not yet durable at both users
inline constexpr std::size_t kContactsCachedMax = 1024;    // rows looked up, per user
inline constexpr std::size_t kPresenceExchangesMax = 1024;
inline constexpr std::size_t kPresenceDevicesMax = 32;     // told of one user
inline constexpr std::uint32_t kPresenceSettleMs = 100;    // changes within are one push
inline constexpr std::uint32_t kPresenceGoneMs = 2000;     // who is back by then was never gone
inline constexpr std::size_t kUnsentCopiesMax = 1024;      // above, requests wait
inline constexpr std::uint32_t kTakenReportMs = 300;  // rows taken are known to their worker
static_assert(kTakenReportMs + kAutoCursorFlushMs / 2 < kAutoCursorFlushMs);
inline constexpr std::uint32_t kTokenExpiryCheckMs = 5000;

// ---- commits (DESIGN.md sections 5 and 6) ----

inline constexpr std::uint32_t kBatchMessagesMax = 1024;
inline constexpr std::size_t kBatchBytesMax = 1 * kMiB;
inline constexpr std::uint32_t kBatchesInFlightMax = 4;  // per worker, handed to the committer

// ---- the segment log (logic/segment_*.h) ----

inline constexpr std::size_t kSegmentBytesDefault = 128 * kMiB;  // of a file; more for one write
inline constexpr std::size_t kSegmentBytesMin = 64 * kKiB;
inline constexpr std::size_t kSegmentBytesCeiling = 1 * kGiB;
inline constexpr std::size_t kUnsealedSegmentsMax = 16;  // that readers may see
inline constexpr std::size_t kUnsealedSegmentsFull = 4;  // from here on writes wait for the sealer
inline constexpr std::size_t kOpenSegmentsMax = 256;     // files held open for reads

// ---- passwords and administration ----

inline constexpr std::uint32_t kPasswordQueueDefault = 256;
inline constexpr std::size_t kPasswordBytesMax = 1024;
inline constexpr std::size_t kAdminLineBytesMax = 64 * kKiB;
inline constexpr std::uint32_t kAdminConnectionsMax = 16;
inline constexpr std::int64_t kAdminSilentMs = 2000;  // then its place goes to who waits for one

// ---- logging ----

inline constexpr std::size_t kLogLineBytesMax = 1024;  // longer lines are cut and marked
inline constexpr std::size_t kLogValueBytesMax = 256;
inline constexpr std::uint32_t kLogBurst = 10;     // lines of one call site at once
inline constexpr std::uint32_t kLogPerSecond = 1;  // then this many, the rest is counted

// ---- relations ----

static_assert(kFirstFrameBytesMax <= kMaxFrameBytesFloor, "a first frame is a frame");
static_assert(kMaxFrameBytesFloor <= kMaxFrameBytesDefault);
static_assert(kMaxFrameBytesDefault <= kMaxFrameBytesCeiling);
static_assert(kFrameOverheadBytes < kMaxFrameBytesFloor, "max_message_bytes stays above zero");
static_assert(kTokenBytesMax + 3 * kNameBytesMax + kNameBytesMax < kFirstFrameBytesMax,
              "CONNECT with the longest names and token fits the first frame");
static_assert(5 * kNameBytesMax + kClientIdBytesMax + 256 <= kFrameOverheadBytes,
              "names, numbers and tags of a pushed Message fit the overhead");
static_assert(kReasonBytesMax + 128 <= kSmallAnswerBytes, "an answer without page is small");
static_assert(kSendQueueBytesDefault >= kSendQueueFramesMin * kMaxFrameBytesDefault);
static_assert(kReceiveBufferBytes * kReceiveBufferCount <= 1 * kMiB, "DESIGN.md section 4");
static_assert(std::has_single_bit(kReceiveBufferCount), "the kernel's ring needs a power of two");
static_assert(kReceiveBufferBytes <= kCarryStopBytes);
static_assert(kReceiveBufferCount / kRingsPerGatewayMax >= 16, "each ring has buffers for a pass");
static_assert(kPageRowsDefault <= kPageRowsMax);
static_assert(kCatchupPageRowsMax <= kPageRowsMax);
static_assert(kPushWindowDefault >= 1 && kPushWindowDefault <= kPushWindowMax);
static_assert(kCatchupPageBytesMax >= kMaxFrameBytesDefault, "a page holds any default message");
static_assert(kBatchBytesMax >= kMaxFrameBytesCeiling, "a batch holds the largest message");
static_assert(kUnsealedSegmentsFull < kUnsealedSegmentsMax);
static_assert(kSegmentBytesCeiling + 2 * kBatchBytesMax < (1ull << 32), "places are 32 bits");
static_assert(kHandoffRecordsMin >= kRingRecordsMin);
static_assert(ring_bytes(kMaxFrameBytesCeiling) >=
              kRingRecordsMin * record_bytes_max(kMaxFrameBytesCeiling));
static_assert(handoff_ring_bytes(kMaxFrameBytesFloor) >=
              kHandoffRecordsMin * record_bytes_max(kMaxFrameBytesFloor));
static_assert(ring_bytes(kMaxFrameBytesCeiling) < (std::size_t{1} << 32), "offsets are 32 bits");
static_assert(kGatewaysMax <= 255 && kWorkersMax <= 255, "GatewayIndex and WorkerIndex are 8 bits");
static_assert(kMaxDevicesDefault <= kMaxKnownDevicesDefault);
static_assert(kParkedPerKeyMax <= kParkedPerWorkerMax);
static_assert(kMaxInflightDefault <= kParkedPerKeyMax, "what one client has under way may park");
static_assert(kKeepaliveSecondsMax * 3 / 2 * 1000ull < (1ull << 32), "deadlines fit 32 bits of ms");

}  // namespace ims
