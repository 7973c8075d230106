// The records on the byte rings between gateways and workers: fixed headers, then bytes inline.
// Offsets and lengths, never pointers, so that the two sides may become two processes.
//
//   gateway -> worker                            worker -> gateway
//     kLogin     a decoded first frame              kLoginAnswer  ConAck, and who is there now
//     kMessage   a MESSAGE request                  kResponse     the answer to one request
//     kAck       an ACK request                     kPush         one body, up to 1,024 targets
//     kSync      a SYNC request                     kRelay        one target for a kMessage record
//     kGroup     a GROUP request                    kDisconnect   end that connection, with a code
//     kTaken     the kernel took rows up to an ordinal
//     kRefused   rows from an ordinal on found no room in the send queue
//     kDrained   the send queue of a connection that had refused rows is empty
//     kEnded     the connection is gone; follows its last request
//     kContact   a CONTACT request                  kCopies       its messages are copied now
//     kPresence  a PRESENCE request
//     kCopiesSet the answer to a kCopies that asked for one
//
// Every record starts with RecordHeader and is a multiple of 8 bytes. Strings follow the header in
// the order in which their lengths stand in it, without padding between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "shared/byte_ring.h"
#include "shared/bytes.h"
#include "shared/codes.h"
#include "shared/copy_short.h"
#include "shared/ids.h"
#include "shared/trace_id.h"

namespace ims {

enum class RecordKind : std::uint8_t {
  kLogin = 1,
  kMessage = 2,
  kAck = 3,
  kSync = 4,
  kGroup = 5,
  kTaken = 6,
  kRefused = 7,
  kDrained = 8,
  kEnded = 9,
  kContact = 10,
  kPresence = 11,
  kCopiesSet = 12,
  kLoginAnswer = 32,
  kResponse = 33,
  kPush = 34,
  kDisconnect = 35,
  kRelay = 36,
  kCopies = 37,
  kInternal = 64,  // and above: between workers, see logic/handoff.h
};

struct RecordHeader {
  std::uint32_t bytes = 0;  // the whole record, a multiple of 8
  RecordKind kind{};
  std::uint8_t flags = 0;
  std::uint16_t spare = 0;
};
static_assert(sizeof(RecordHeader) == 8 && offsetof(RecordHeader, flags) == 5);

// ---- gateway -> worker -------------------------------------------------------------------------

// flags of LoginRecord, RequestRecord and of the ResponseRecord that answers it
inline constexpr std::uint8_t kFlagOffline = 1;      // Option.offline
inline constexpr std::uint8_t kFlagToGroup = 2;      // the target is a group, else a user
inline constexpr std::uint8_t kFlagSendOnly = 4;     // the sender's session is send_only
inline constexpr std::uint8_t kFlagBigAnswer = 8;    // max_frame_bytes were reserved for the answer
inline constexpr std::uint8_t kFlagNoAnswer = 16;    // an ACK with id 0
inline constexpr std::uint8_t kFlagCopies = 32;      // other devices of the sender get a copy
// of LoginRecord, RequestRecord and RelayRecord
inline constexpr std::uint8_t kFlagTraced = 128;     // it is being followed: `trace` is not 0

// kLogin. Bytes: the serialized Connect, checked (UTF-8, names, AckMode) by the gateway.
struct LoginRecord {
  RecordHeader header;
  ConnectionId connection;
  std::uint64_t request_id = 0;
  std::uint64_t tenant_hash = 0;
  std::uint64_t user_hash = 0;
  TraceId trace = 0;                 // shared/trace.h; 0: nobody follows it
  std::int64_t expires_ms = 0;       // worker's own: the token's exp, once it was checked; 0: none
  std::uint32_t connect_bytes = 0;
  std::uint32_t spare = 0;
  // connect
};

// kMessage, kAck, kSync, kGroup, kContact, kPresence. Bytes: as request_parts.h draws them.
//   kMessage  target = `to` or `group`
//   kAck      target = the group's name, or the session's own user name for the inbox (no
//             kFlagToGroup)
//   kSync     as kAck; payload empty
//   kGroup    target = the group's name (for LIST_MINE: the own user's, no kFlagToGroup); payload =
//             the serialized GroupRequest, checked to decode; CREATE without a name: the gateway
//             made one up
//   kContact  target = the other user, for LIST the own user; payload = the serialized
//             ContactRequest, checked to decode. Goes to the owner of the pair (shared/route.h)
//   kPresence target = the own user; payload = the serialized PresenceRequest, checked to decode
// Offsets count from the record's start.
struct RequestRecord {
  RecordHeader header;
  ConnectionId connection;
  SessionId session;
  UserId sender;
  std::uint64_t request_id = 0;
  std::uint64_t target_hash = 0;
  std::uint64_t sender_hash = 0;     // name hash of the sender, to route back to its owner
  TraceId trace = 0;
  TenantId tenant;
  std::uint32_t tail_bytes = 0;
  std::uint32_t payload_at = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t target_at = 0;
  std::uint32_t client_id_at = 0;
  std::uint8_t type = 0;             // MessageType, GroupRequest.Op or ContactRequest.Op
  std::uint8_t from_bytes = 0;
  std::uint8_t device_bytes = 0;
  std::uint8_t target_bytes = 0;
  std::uint8_t client_id_bytes = 0;
  std::uint8_t spare[3] = {};
  // What follows is unspecified in a kMessage.
  std::uint64_t seq = 0;             // kAck: seq; kSync: after_seq
  std::uint64_t before_seq = 0;      // kSync
  std::uint32_t limit = 0;           // kSync
  std::uint32_t spare2 = 0;
};

// kTaken, kRefused, kDrained, kCopiesSet, kEnded.
//   kTaken      every stored row up to `ordinal` was wholly taken by the kernel
//   kRefused    rows from `ordinal` on were not queued and will not be until the worker starts
//               again at that ordinal (a kPush target with kTargetRestart)
//   kCopiesSet  a kCopies with kFlagConfirm was heard: what the client sends from here on has it
//   kEnded      as kTaken, and the connection is gone
struct SessionRecord {
  RecordHeader header;
  ConnectionId connection;
  SessionId session;                 // 0 in kEnded when the login was not answered yet
  std::uint64_t ordinal = 0;
};

// ---- worker -> gateway -------------------------------------------------------------------------

// kLoginAnswer. With Code::kOk the connection is bound to the user; else it is closed after the
// answer. Bytes: user, device, reason, epoch.
struct LoginAnswerRecord {
  RecordHeader header;               // flags: kFlagSendOnly, kFlagCopies
  ConnectionId connection;
  SessionId session;
  UserId user;
  std::uint64_t user_hash = 0;
  std::uint64_t tenant_hash = 0;
  TraceId trace = 0;                 // the login's
  std::uint64_t inbox_seq = 0;
  std::uint64_t acked_seq = 0;
  std::uint64_t first_seq = 0;
  std::int64_t server_time_ms = 0;
  TenantId tenant;
  std::uint32_t retry_after_ms = 0;
  std::uint32_t keepalive_s = 0;
  Code code{};
  Durability durability{};
  std::uint8_t user_bytes = 0;
  std::uint8_t device_bytes = 0;
  std::uint16_t reason_bytes = 0;
  std::uint16_t epoch_bytes = 0;
  // user, device, reason, epoch
};

// kResponse. Bytes: reason, payload.
inline constexpr std::uint8_t kFlagDuplicate = 1;    // kFlagBigAnswer is echoed
struct ResponseRecord {
  RecordHeader header;
  ConnectionId connection;
  std::uint64_t request_id = 0;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  TraceId trace = 0;                 // the request's, if this ends it
  std::uint32_t payload_bytes = 0;
  std::uint32_t retry_after_ms = 0;
  std::uint16_t reason_bytes = 0;
  Code code{};
  std::uint8_t spare[5] = {};
  // reason, payload
};

// kPush. Bytes: the targets, then the body: one serialized Request (type and payload), which the
// gateway wraps in each target's edition.
inline constexpr std::uint8_t kFlagStored = 1;  // rows: counted in ordinals, never just dropped
inline constexpr std::uint8_t kFlagToMany = 2;  // part of a fan-out, whatever its targets here
struct PushRecord {
  RecordHeader header;
  std::uint32_t body_bytes = 0;
  std::uint16_t target_count = 0;
  std::uint16_t spare = 0;
  // PushTarget[target_count], body
};

struct PushTarget {
  ConnectionId connection;
  std::uint64_t ordinal = 0;         // kFlagStored: 1, 2, 3, ... per session; else 0
};

// A session that was told kRefused starts again: this target's top bit says "from here on".
inline constexpr std::uint64_t kTargetRestart = std::uint64_t{1} << 63;

// kRelay. A message that is not stored, to one connection: its bytes stay where the sender's
// gateway put them, the kMessage record in the ring of requests from `gateway` to the writing
// worker, which gives that record back only when this one was read (logic/relay_pins.h).
inline constexpr std::uint8_t kFlagFanout = 1;  // to several connections of the recipient
inline constexpr std::uint8_t kFlagAnswer = 2;  // and answers the request: OK at time_ms
struct RelayRecord {
  RecordHeader header;
  ConnectionId target;
  std::int64_t time_ms = 0;
  std::uint32_t offset = 0;          // ByteRing::record()
  GatewayIndex gateway = 0;          // of the sender
  std::uint8_t spare[3] = {};
};

// kCopies. From now on stored 1:1 messages of the connection are copied to the user's other
// devices, or (flags without kFlagCopies) there is no other device any more.
inline constexpr std::uint8_t kFlagConfirm = 64;  // kCopiesSet, or kEnded, is waited for
struct CopiesRecord {
  RecordHeader header;
  ConnectionId connection;
};

// kDisconnect. Bytes: reason.
struct DisconnectRecord {
  RecordHeader header;
  ConnectionId connection;
  std::uint32_t retry_after_ms = 0;
  std::uint16_t reason_bytes = 0;
  DisconnectCode code{};
  std::uint8_t spare = 0;
  // reason
};

// ---- reading and writing -----------------------------------------------------------------------

static_assert(sizeof(LoginRecord) % 8 == 0 && sizeof(RequestRecord) % 8 == 0 &&
              sizeof(SessionRecord) % 8 == 0 && sizeof(LoginAnswerRecord) % 8 == 0 &&
              sizeof(ResponseRecord) % 8 == 0 && sizeof(PushRecord) % 8 == 0 &&
              sizeof(PushTarget) == 16 && sizeof(RelayRecord) % 8 == 0 &&
              sizeof(CopiesRecord) % 8 == 0 &&
              sizeof(DisconnectRecord) % 8 == 0);

inline RecordKind kind_of(ByteView record) noexcept {
  return static_cast<RecordKind>(std::to_integer<std::uint8_t>(record[4]));
}

// The fixed part of a record, in place: rings are 8-byte aligned.
template <typename Record>
const Record& record_as(ByteView bytes) noexcept {
  static_assert(std::is_standard_layout_v<Record> && std::is_trivially_copyable_v<Record>);
  IMS_ASSERT(bytes.size() >= sizeof(Record));
  return *reinterpret_cast<const Record*>(bytes.data());
}

inline bool is_traced(ByteView record) noexcept {
  return (std::to_integer<std::uint8_t>(record[5]) & kFlagTraced) != 0;
}
// Of a kLogin or a request.
inline TraceId trace_of(ByteView record) noexcept {
  return kind_of(record) == RecordKind::kLogin ? record_as<LoginRecord>(record).trace
                                               : record_as<RequestRecord>(record).trace;
}

// A record with its tail, from its fixed part.
template <typename Record>
ByteView bytes_of(const Record& record) noexcept {
  return {reinterpret_cast<const std::byte*>(&record), record.header.bytes};
}

// Walks the byte strings behind a record's fixed part.
class RecordTail {
 public:
  template <typename Record>
  explicit RecordTail(const Record& record) noexcept
      : at_(reinterpret_cast<const std::byte*>(&record) + sizeof(Record)),
        end_(reinterpret_cast<const std::byte*>(&record) + record.header.bytes) {}

  ByteView take(std::size_t bytes) noexcept {
    IMS_ASSERT(bytes <= static_cast<std::size_t>(end_ - at_));
    const ByteView view{at_, bytes};
    at_ += bytes;
    return view;
  }
  std::string_view take_text(std::size_t bytes) noexcept { return as_text(take(bytes)); }

 private:
  const std::byte* at_;
  const std::byte* end_;
};

// Builds one record in place. `ok()` is false when the ring had no room: nothing was written.
//
//   RecordWriter writer(ring, sizeof(ResponseRecord) + reason.size());
//   if (!writer.ok()) return false;
//   writer.header(record); writer.append(as_bytes(reason)); writer.commit();
class RecordWriter {
 public:
  RecordWriter(ByteRing& ring, std::size_t bytes) noexcept
      : ring_(ring), bytes_(record_size(bytes)), start_(ring.try_reserve(bytes)), at_(start_) {}

  bool ok() const noexcept { return start_ != nullptr; }

  template <typename Record>
  void header(const Record& record) noexcept {
    static_assert(offsetof(Record, header) == 0 && offsetof(RecordHeader, bytes) == 0);
    std::memcpy(at_, &record, sizeof record);
    const auto size_bytes = static_cast<std::uint32_t>(bytes_);
    std::memcpy(at_, &size_bytes, sizeof size_bytes);
    at_ += sizeof record;
  }
  void append(ByteView bytes) noexcept {
    if (bytes.empty()) return;
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  // The same, for a name.
  void append_short(ByteView bytes) noexcept { at_ = copy_short(at_, bytes.data(), bytes.size()); }
  // Room that the caller fills itself.
  std::byte* extend(std::size_t bytes) noexcept {
    std::byte* room = at_;
    at_ += bytes;
    return room;
  }
  void commit() noexcept {
    IMS_ASSERT(static_cast<std::size_t>(at_ - start_) <= bytes_);
    ring_.commit(bytes_);
  }

 private:
  ByteRing& ring_;
  const std::size_t bytes_;
  std::byte* const start_;
  std::byte* at_;
};

}  // namespace ims
