// Encoding, hot half: whole frames, and the bodies that go into them (PROTOCOL.md sections 2, 3).
//
// Everything is a pair: x_bytes says how long, write_x writes exactly that and returns the byte
// behind it. So a caller reserves room in a send chunk or a ring record first, and nothing here
// allocates or fails. Strings must be UTF-8 already; the caller answers for that.
//
//   frame = length | version | id | command or field tag | body length | body
//
// The id (field 8) is written before the body, which protobuf allows: so header and body are two
// contiguous pieces, and one body can follow the headers of both editions. Bodies have their
// fields in ascending order; defaults are not written. For id 0 a frame is byte for byte what
// libprotobuf writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shared/bytes.h"
#include "shared/codes.h"

namespace ims {

// ---- the outer frame ---------------------------------------------------------------------------

struct Outer {
  Edition edition = Edition::kV2;
  std::int32_t version = 2;  // echoed from the connection's first frame
};

// What a server sends. In the envelope edition kConAck is a RESPONSE: its body is a Response around
// the ConAck, which write_conack_frame knows.
enum class ServerFrame : std::uint8_t { kResponse, kRequest, kDisconnect, kConAck };

inline constexpr std::size_t kOuterHeaderBytesMax = 5 + 11 + 11 + 2 + 1 + 5;

// Everything in front of `body_bytes` of body, the length prefix included.
std::size_t outer_header_bytes(Outer outer, ServerFrame kind, std::uint64_t id,
                               std::size_t body_bytes) noexcept;
std::byte* write_outer_header(std::byte* out, Outer outer, ServerFrame kind, std::uint64_t id,
                              std::size_t body_bytes) noexcept;

// Header and body.
inline std::size_t outer_frame_bytes(Outer outer, ServerFrame kind, std::uint64_t id,
                                     std::size_t body_bytes) noexcept {
  return outer_header_bytes(outer, kind, id, body_bytes) + body_bytes;
}
std::byte* write_outer_frame(std::byte* out, Outer outer, ServerFrame kind, std::uint64_t id,
                             ByteView body) noexcept;

// ---- answers -----------------------------------------------------------------------------------

struct ResponseFields {
  Code code = Code::kOk;
  std::string_view reason;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  ByteView payload;
  bool duplicate = false;
  std::uint32_t retry_after_ms = 0;
};

std::size_t response_bytes(const ResponseFields& fields) noexcept;
std::byte* write_response(std::byte* out, const ResponseFields& fields) noexcept;
std::size_t response_frame_bytes(Outer outer, std::uint64_t id,
                                 const ResponseFields& fields) noexcept;
std::byte* write_response_frame(std::byte* out, Outer outer, std::uint64_t id,
                                const ResponseFields& fields) noexcept;

// The same bytes in one pass, for an answer without payload whose reason has at most kSmallReason
// bytes: nothing is sized first. `out` has room for small_response_room().
inline constexpr std::size_t kSmallReasonBytesMax = 48;
constexpr std::size_t small_response_room(std::size_t reason_bytes) noexcept {
  return 80 + reason_bytes;  // two lengths, version 11, command 2, id 11, reason's 2, numbers 32
}
std::byte* write_small_response_frame(std::byte* out, Outer outer, std::uint64_t id,
                                      const ResponseFields& fields) noexcept;

struct ConAckFields {  // status follows from code
  Code code = Code::kOk;
  std::string_view reason;  // empty: absent
  std::uint64_t session = 0;
  std::int64_t server_time_ms = 0;
  std::uint32_t max_frame_bytes = 0;
  std::uint64_t inbox_seq = 0;
  std::uint64_t acked_seq = 0;
  std::uint32_t retry_after_ms = 0;
  ByteView epoch;
  Durability durability = Durability::kSync;
  std::uint64_t first_seq = 0;
};

std::size_t conack_bytes(const ConAckFields& fields) noexcept;
std::byte* write_conack(std::byte* out, const ConAckFields& fields) noexcept;
// The login answer of either edition: conack, or RESPONSE{code, reason, ConAck, retry_after_ms}.
std::size_t conack_frame_bytes(Outer outer, std::uint64_t id, const ConAckFields& fields) noexcept;
std::byte* write_conack_frame(std::byte* out, Outer outer, std::uint64_t id,
                              const ConAckFields& fields) noexcept;

struct DisconnectFields {
  DisconnectCode code = DisconnectCode::kNormal;
  std::string_view reason;
  std::uint32_t retry_after_ms = 0;
};

std::size_t disconnect_bytes(const DisconnectFields& fields) noexcept;
std::byte* write_disconnect(std::byte* out, const DisconnectFields& fields) noexcept;
std::size_t disconnect_frame_bytes(Outer outer, const DisconnectFields& fields) noexcept;
std::byte* write_disconnect_frame(std::byte* out, Outer outer,
                                  const DisconnectFields& fields) noexcept;

// ---- messages and pushes -----------------------------------------------------------------------

struct MessageFields {
  std::int32_t type = 0;
  ByteView payload;
  std::string_view from;
  std::string_view to;     // of a user's inbox; else empty
  std::string_view group;  // of a group's timeline; else empty
  ByteView client_id;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  std::string_view device;
  std::uint64_t peer_seq = 0;
};

std::size_t message_bytes(const MessageFields& fields) noexcept;
std::byte* write_message(std::byte* out, const MessageFields& fields) noexcept;

// A push is the body of a Request frame with id 0: its type, then `payload_bytes` of payload.
std::size_t push_header_bytes(RequestType type, std::size_t payload_bytes) noexcept;
std::byte* write_push_header(std::byte* out, RequestType type, std::size_t payload_bytes) noexcept;
inline std::size_t push_bytes(RequestType type, std::size_t payload_bytes) noexcept {
  return push_header_bytes(type, payload_bytes) + payload_bytes;
}
std::byte* write_push(std::byte* out, RequestType type, ByteView payload) noexcept;

std::size_t push_message_bytes(const MessageFields& fields) noexcept;
std::byte* write_push_message(std::byte* out, const MessageFields& fields) noexcept;

// The same push made by splicing: the client's own bytes (MessageView::spliceable) and the sender's
// fields, then the server's. Equal to write_push_message but for the order of the fields.
struct SplicedMessage {
  ByteView message;  // of both, one behind the other
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
};

// Message.from and Message.device, encoded once at login. At most kSenderFieldsBytesMax for names.
inline constexpr std::size_t kSenderFieldsBytesMax = 2 * (1 + 1 + 64);
std::size_t sender_fields_bytes(std::string_view from, std::string_view device) noexcept;
std::byte* write_sender_fields(std::byte* out, std::string_view from,
                               std::string_view device) noexcept;

std::size_t push_spliced_bytes(const SplicedMessage& message) noexcept;
std::byte* write_push_spliced(std::byte* out, const SplicedMessage& message) noexcept;

}  // namespace ims
