// Decoding, outer half: frame bytes -> Command -> Connect or Request (PROTOCOL.md section 2).
// The payload of a Request is read by shared/payload.h.
//
// Every view points into the frame's bytes and lives as long as they do. Nothing allocates, nothing
// throws, no state. What is accepted, and every value read, equals what libprotobuf 3.21 accepts
// and reads: unknown fields are skipped, a known number with another wire type is an unknown field,
// the last one of a scalar wins, groups nest at most 100 deep. tests/fuzz/command_fuzz.cc compares.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/bytes.h"
#include "shared/codes.h"

namespace ims {

enum class DecodeStatus : std::uint8_t {
  kOk,
  kMalformed,  // not the message it should be
  kBadUtf8,    // well-formed but for a string that is not UTF-8
};

// The numbers are the envelope edition's CommandType.
enum class CommandKind : std::uint8_t {
  kConnect = 0,
  kDisconnect = 1,
  kRequest = 2,
  kResponse = 3
};

struct Command {
  CommandKind kind = CommandKind::kConnect;
  std::int32_t version = 0;
  std::uint64_t id = 0;
  ByteView body;          // the serialized Connect, Disconnect, Request or Response
  std::string_view why;   // unless kOk: one sentence for Disconnect.reason, a literal
};

// The edition that a first frame is written in, on a listener with edition "auto": the envelope if
// field 2 is present (of whatever wire type) or version is 1, else typed. Bytes that are no
// protobuf are "typed"; decode_command then refuses them.
Edition detect_edition(ByteView first_frame) noexcept;

// A client's frame. kOk: `out` is whole, and the body decodes as what `kind` says; a Connect may
// still hold a string that is not UTF-8, which decode_connect reports. Else kMalformed: a protocol
// error, and only out.why is set.
DecodeStatus decode_command(Edition edition, ByteView frame, Command& out) noexcept;

struct ConnectView {
  std::string_view org;
  std::string_view appkey;
  std::string_view user;
  std::string_view token;
  std::string_view device;
  std::uint32_t keepalive_s = 0;
  std::int32_t ack = 0;  // as on the wire: may be no AckMode
  bool send_only = false;
};

DecodeStatus decode_connect(ByteView body, ConnectView& out) noexcept;

struct RequestView {
  std::int32_t type = 0;  // as on the wire: may be no RequestType
  ByteView payload;
  std::uint32_t option_count = 0;
  bool offline = false;  // any of the options says so
};

DecodeStatus decode_request(ByteView body, RequestView& out) noexcept;  // never kBadUtf8

}  // namespace ims
