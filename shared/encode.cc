// Sizes and writers of frames and their bodies, field by field over shared/wire_write.h.
#include "shared/encode.h"

#include "shared/wire_write.h"

namespace ims {
namespace {

// The fields of one outer frame. Envelope: command and payload; typed: one field per kind.
struct Layout {
  std::uint32_t command = 0;   // envelope alone; 0: typed
  std::uint32_t body_field = 0;
  bool body_absent_if_empty = false;
};

constexpr Layout kLayouts[2][4] = {
    // kResponse, kRequest, kDisconnect, kConAck
    {{3, 3, true}, {2, 3, true}, {1, 3, true}, {3, 3, true}},
    {{0, 7, false}, {0, 6, false}, {0, 5, false}, {0, 4, false}},
};

inline Layout layout_of(Edition edition, ServerFrame kind) noexcept {
  return kLayouts[edition == Edition::kV1 ? 0 : 1][static_cast<std::size_t>(kind)];
}

// The Command without its body's content.
inline std::size_t command_header_bytes(Layout layout, Outer outer, std::uint64_t id,
                                        std::size_t body_bytes) noexcept {
  const bool body = body_bytes != 0 || !layout.body_absent_if_empty;
  return varint_field_bytes(wire_int32(outer.version)) + varint_field_bytes(id) +
         varint_field_bytes(layout.command) + (body ? length_field_bytes(body_bytes) : 0);
}

// Response and the login answer of the envelope edition, whose payload is not in one piece yet.
std::size_t response_bytes(const ResponseFields& fields, std::size_t payload_bytes) noexcept {
  return varint_field_bytes(static_cast<std::uint64_t>(fields.code)) +
         bytes_field_bytes(fields.reason.size()) + varint_field_bytes(fields.seq) +
         varint_field_bytes(wire_int64(fields.time_ms)) + bytes_field_bytes(payload_bytes) +
         varint_field_bytes(fields.duplicate) + varint_field_bytes(fields.retry_after_ms);
}

ResponseFields login_response(const ConAckFields& fields) noexcept {
  ResponseFields response;
  response.code = fields.code;
  response.reason = fields.reason;
  response.retry_after_ms = fields.retry_after_ms;
  return response;
}

std::byte* write_response_head(std::byte* out, const ResponseFields& fields) noexcept {
  out = write_varint_field(out, 1, static_cast<std::uint64_t>(fields.code));
  out = write_text_field(out, 2, fields.reason);
  out = write_varint_field(out, 3, fields.seq);
  return write_varint_field(out, 4, wire_int64(fields.time_ms));
}

std::byte* write_response_tail(std::byte* out, const ResponseFields& fields) noexcept {
  out = write_varint_field(out, 6, fields.duplicate);
  return write_varint_field(out, 7, fields.retry_after_ms);
}

constexpr std::uint64_t conack_status(Code code) noexcept { return code == Code::kOk ? 0 : 1; }

std::size_t spliced_bytes(const SplicedMessage& message) noexcept {
  return message.message.size() + varint_field_bytes(message.seq) +
         varint_field_bytes(wire_int64(message.time_ms));
}

}  // namespace

// ---- the outer frame ---------------------------------------------------------------------------

std::size_t outer_header_bytes(Outer outer, ServerFrame kind, std::uint64_t id,
                               std::size_t body_bytes) noexcept {
  const std::size_t header =
      command_header_bytes(layout_of(outer.edition, kind), outer, id, body_bytes);
  return varint_bytes(header + body_bytes) + header;
}

std::byte* write_outer_header(std::byte* out, Outer outer, ServerFrame kind, std::uint64_t id,
                              std::size_t body_bytes) noexcept {
  const Layout layout = layout_of(outer.edition, kind);
  if (id == 0 && body_bytes != 0 && outer.version > 0 && outer.version < 0x80) {
    // A push to nearly every client: all but two lengths are known bytes.
    const std::size_t fixed = layout.command == 0 ? 3 : 5;
    out = write_varint(out, fixed + varint_bytes(body_bytes) + body_bytes);
    *out++ = std::byte{1 << 3};
    *out++ = static_cast<std::byte>(outer.version);
    if (layout.command != 0) {
      *out++ = std::byte{2 << 3};
      *out++ = static_cast<std::byte>(layout.command);
    }
    return write_length_field(out, layout.body_field, body_bytes);
  }
  out = write_varint(out, command_header_bytes(layout, outer, id, body_bytes) + body_bytes);
  out = write_varint_field(out, 1, wire_int32(outer.version));
  out = write_varint_field(out, 2, layout.command);
  out = write_varint_field(out, 8, id);
  if (body_bytes == 0 && layout.body_absent_if_empty) return out;
  return write_length_field(out, layout.body_field, body_bytes);
}

std::byte* write_outer_frame(std::byte* out, Outer outer, ServerFrame kind, std::uint64_t id,
                             ByteView body) noexcept {
  return write_raw(write_outer_header(out, outer, kind, id, body.size()), body);
}

// ---- answers -----------------------------------------------------------------------------------

std::size_t response_bytes(const ResponseFields& fields) noexcept {
  return response_bytes(fields, fields.payload.size());
}

std::byte* write_response(std::byte* out, const ResponseFields& fields) noexcept {
  out = write_response_head(out, fields);
  out = write_bytes_field(out, 5, fields.payload);
  return write_response_tail(out, fields);
}

std::size_t response_frame_bytes(Outer outer, std::uint64_t id,
                                 const ResponseFields& fields) noexcept {
  return outer_frame_bytes(outer, ServerFrame::kResponse, id, response_bytes(fields));
}

std::byte* write_response_frame(std::byte* out, Outer outer, std::uint64_t id,
                                const ResponseFields& fields) noexcept {
  out = write_outer_header(out, outer, ServerFrame::kResponse, id, response_bytes(fields));
  return write_response(out, fields);
}

// Lengths of one byte each, so that they can be filled in behind what they count.
std::byte* write_small_response_frame(std::byte* out, Outer outer, std::uint64_t id,
                                      const ResponseFields& fields) noexcept {
  const Layout layout = layout_of(outer.edition, ServerFrame::kResponse);
  std::byte* const frame = out + 1;
  std::byte* at = write_varint_field(frame, 1, wire_int32(outer.version));
  at = write_varint_field(at, 2, layout.command);
  at = write_varint_field(at, 8, id);
  std::byte* const body = at + 2;
  std::byte* end = write_response_tail(write_response_head(body, fields), fields);
  if (end == body && layout.body_absent_if_empty) {
    end = at;
  } else {
    at[0] = static_cast<std::byte>(layout.body_field << 3 | 2);
    at[1] = static_cast<std::byte>(end - body);
  }
  *out = static_cast<std::byte>(end - frame);
  return end;
}

std::size_t conack_bytes(const ConAckFields& fields) noexcept {
  return varint_field_bytes(conack_status(fields.code)) + bytes_field_bytes(fields.reason.size()) +
         varint_field_bytes(static_cast<std::uint64_t>(fields.code)) +
         varint_field_bytes(fields.session) +
         varint_field_bytes(wire_int64(fields.server_time_ms)) +
         varint_field_bytes(fields.max_frame_bytes) + varint_field_bytes(fields.inbox_seq) +
         varint_field_bytes(fields.acked_seq) + varint_field_bytes(fields.retry_after_ms) +
         bytes_field_bytes(fields.epoch.size()) +
         varint_field_bytes(static_cast<std::uint64_t>(fields.durability)) +
         varint_field_bytes(fields.first_seq);
}

std::byte* write_conack(std::byte* out, const ConAckFields& fields) noexcept {
  out = write_varint_field(out, 1, conack_status(fields.code));
  out = write_text_field(out, 2, fields.reason);
  out = write_varint_field(out, 3, static_cast<std::uint64_t>(fields.code));
  out = write_varint_field(out, 4, fields.session);
  out = write_varint_field(out, 5, wire_int64(fields.server_time_ms));
  out = write_varint_field(out, 6, fields.max_frame_bytes);
  out = write_varint_field(out, 7, fields.inbox_seq);
  out = write_varint_field(out, 8, fields.acked_seq);
  out = write_varint_field(out, 9, fields.retry_after_ms);
  out = write_bytes_field(out, 10, fields.epoch);
  out = write_varint_field(out, 11, static_cast<std::uint64_t>(fields.durability));
  return write_varint_field(out, 12, fields.first_seq);
}

std::size_t conack_frame_bytes(Outer outer, std::uint64_t id, const ConAckFields& fields) noexcept {
  std::size_t body = conack_bytes(fields);
  if (outer.edition == Edition::kV1) body = response_bytes(login_response(fields), body);
  return outer_frame_bytes(outer, ServerFrame::kConAck, id, body);
}

std::byte* write_conack_frame(std::byte* out, Outer outer, std::uint64_t id,
                              const ConAckFields& fields) noexcept {
  const std::size_t conack = conack_bytes(fields);
  if (outer.edition == Edition::kV2) {
    out = write_outer_header(out, outer, ServerFrame::kConAck, id, conack);
    return write_conack(out, fields);
  }
  const ResponseFields response = login_response(fields);
  out = write_outer_header(out, outer, ServerFrame::kConAck, id, response_bytes(response, conack));
  out = write_response_head(out, response);
  if (conack != 0) out = write_conack(write_length_field(out, 5, conack), fields);
  return write_response_tail(out, response);
}

std::size_t disconnect_bytes(const DisconnectFields& fields) noexcept {
  return varint_field_bytes(static_cast<std::uint64_t>(fields.code)) +
         bytes_field_bytes(fields.reason.size()) + varint_field_bytes(fields.retry_after_ms);
}

std::byte* write_disconnect(std::byte* out, const DisconnectFields& fields) noexcept {
  out = write_varint_field(out, 1, static_cast<std::uint64_t>(fields.code));
  out = write_text_field(out, 2, fields.reason);
  return write_varint_field(out, 3, fields.retry_after_ms);
}

std::size_t disconnect_frame_bytes(Outer outer, const DisconnectFields& fields) noexcept {
  return outer_frame_bytes(outer, ServerFrame::kDisconnect, 0, disconnect_bytes(fields));
}

std::byte* write_disconnect_frame(std::byte* out, Outer outer,
                                  const DisconnectFields& fields) noexcept {
  out = write_outer_header(out, outer, ServerFrame::kDisconnect, 0, disconnect_bytes(fields));
  return write_disconnect(out, fields);
}

// ---- messages and pushes -----------------------------------------------------------------------

std::size_t message_bytes(const MessageFields& fields) noexcept {
  return varint_field_bytes(wire_int32(fields.type)) + bytes_field_bytes(fields.payload.size()) +
         bytes_field_bytes(fields.from.size()) + bytes_field_bytes(fields.to.size()) +
         bytes_field_bytes(fields.group.size()) + bytes_field_bytes(fields.client_id.size()) +
         varint_field_bytes(fields.seq) + varint_field_bytes(wire_int64(fields.time_ms)) +
         bytes_field_bytes(fields.device.size()) + varint_field_bytes(fields.peer_seq);
}

std::byte* write_message(std::byte* out, const MessageFields& fields) noexcept {
  out = write_varint_field(out, 1, wire_int32(fields.type));
  out = write_bytes_field(out, 2, fields.payload);
  out = write_text_field(out, 3, fields.from);
  out = write_text_field(out, 4, fields.to);
  out = write_text_field(out, 5, fields.group);
  out = write_bytes_field(out, 6, fields.client_id);
  out = write_varint_field(out, 7, fields.seq);
  out = write_varint_field(out, 8, wire_int64(fields.time_ms));
  out = write_text_field(out, 9, fields.device);
  return write_varint_field(out, 10, fields.peer_seq);
}

std::size_t push_header_bytes(RequestType type, std::size_t payload_bytes) noexcept {
  return varint_field_bytes(static_cast<std::uint64_t>(type)) +
         (payload_bytes == 0 ? 0 : length_field_bytes(payload_bytes));
}

std::byte* write_push_header(std::byte* out, RequestType type, std::size_t payload_bytes) noexcept {
  out = write_varint_field(out, 1, static_cast<std::uint64_t>(type));
  return payload_bytes == 0 ? out : write_length_field(out, 2, payload_bytes);
}

std::byte* write_push(std::byte* out, RequestType type, ByteView payload) noexcept {
  return write_raw(write_push_header(out, type, payload.size()), payload);
}

std::size_t push_message_bytes(const MessageFields& fields) noexcept {
  return push_bytes(RequestType::kMessage, message_bytes(fields));
}

std::byte* write_push_message(std::byte* out, const MessageFields& fields) noexcept {
  out = write_push_header(out, RequestType::kMessage, message_bytes(fields));
  return write_message(out, fields);
}

std::size_t sender_fields_bytes(std::string_view from, std::string_view device) noexcept {
  return bytes_field_bytes(from.size()) + bytes_field_bytes(device.size());
}

std::byte* write_sender_fields(std::byte* out, std::string_view from,
                               std::string_view device) noexcept {
  return write_text_field(write_text_field(out, 3, from), 9, device);
}

std::size_t push_spliced_bytes(const SplicedMessage& message) noexcept {
  return push_bytes(RequestType::kMessage, spliced_bytes(message));
}

std::byte* write_push_spliced(std::byte* out, const SplicedMessage& message) noexcept {
  out = write_push_header(out, RequestType::kMessage, spliced_bytes(message));
  out = write_raw(out, message.message);
  out = write_varint_field(out, 7, message.seq);
  return write_varint_field(out, 8, wire_int64(message.time_ms));
}

}  // namespace ims
