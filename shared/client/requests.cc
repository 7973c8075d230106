// Encoding, client's side, on protozero (requests.h). Defaults are not written, as proto3 does.
#include "shared/client/requests.h"

#include <protozero/pbf_writer.hpp>

#include "shared/client/fields.h"
#include "shared/command.h"
#include "shared/varint.h"

namespace ims::client {
namespace {

using protozero::pbf_writer;

std::string outer_frame(Wire wire, std::uint64_t id, CommandKind kind, std::string_view body) {
  std::string command;
  pbf_writer out(command);
  if (wire.version != 0) out.add_int32(1, wire.version);
  if (wire.edition == Edition::kV1) {
    if (kind != CommandKind::kConnect) out.add_enum(2, static_cast<std::int32_t>(kind));
    add_text(out, 3, body);
  } else {
    // Present even when empty: the field itself says what the command is.
    const std::uint32_t field = kind == CommandKind::kConnect      ? 3
                                : kind == CommandKind::kDisconnect ? 5
                                : kind == CommandKind::kRequest    ? 6
                                                                   : 7;
    out.add_message(field, body.data(), body.size());
  }
  if (id != 0) out.add_uint64(8, id);

  std::byte prefix[kLengthPrefixBytesMax];
  const std::byte* const end = write_varint(prefix, command.size());
  return std::string(as_text({prefix, end})) + command;
}

}  // namespace

std::string connect_frame(Wire wire, std::uint64_t id, const Login& login) {
  std::string body;
  pbf_writer out(body);
  add_text(out, 1, login.org);
  add_text(out, 2, login.appkey);
  add_text(out, 3, login.user);
  add_text(out, 4, login.token);
  add_text(out, 5, login.device);
  if (login.keepalive_s != 0) out.add_uint32(6, login.keepalive_s);
  if (login.ack != AckMode::kAuto) out.add_enum(7, static_cast<std::int32_t>(login.ack));
  if (login.send_only) out.add_bool(8, true);
  return outer_frame(wire, id, CommandKind::kConnect, body);
}

std::string request_frame(Wire wire, std::uint64_t id, RequestType type, std::string_view payload,
                          bool offline) {
  std::string body;
  pbf_writer out(body);
  if (type != RequestType::kMessage) out.add_enum(1, static_cast<std::int32_t>(type));
  add_text(out, 2, payload);
  if (offline) {
    pbf_writer option(out, 3);
    option.add_bool(1, true);
  }
  return outer_frame(wire, id, CommandKind::kRequest, body);
}

std::string disconnect_frame(Wire wire) {
  return outer_frame(wire, 0, CommandKind::kDisconnect, {});
}

// ---- payloads ----

std::string message_payload(const OutMessage& message) {
  std::string body;
  pbf_writer out(body);
  if (message.type != MessageType::kTxt) out.add_enum(1, static_cast<std::int32_t>(message.type));
  add_text(out, 2, message.payload);
  add_text(out, 4, message.to);
  add_text(out, 5, message.group);
  add_text(out, 6, message.client_id);
  return body;
}

std::string text_payload(std::string_view text) {
  std::string body;
  pbf_writer out(body);
  add_text(out, 1, text);
  return body;
}

std::string ack_payload(std::string_view group, std::uint64_t seq) {
  std::string body;
  pbf_writer out(body);
  add_text(out, 1, group);
  if (seq != 0) out.add_uint64(2, seq);
  return body;
}

std::string sync_payload(std::string_view group, std::uint64_t after_seq, std::uint32_t limit,
                         std::uint64_t before_seq) {
  std::string body;
  pbf_writer out(body);
  add_text(out, 1, group);
  if (after_seq != 0) out.add_uint64(2, after_seq);
  if (limit != 0) out.add_uint32(3, limit);
  if (before_seq != 0) out.add_uint64(4, before_seq);
  return body;
}

std::string group_payload(const OutGroupRequest& request) {
  std::string body;
  pbf_writer out(body);
  if (request.op != GroupOp::kInfo) out.add_enum(1, static_cast<std::int32_t>(request.op));
  add_text(out, 2, request.group);
  for (const std::string& user : request.users) out.add_string(3, user);
  add_text(out, 4, request.name);
  if (request.role != Role::kMember) out.add_enum(5, static_cast<std::int32_t>(request.role));
  if (request.open) out.add_bool(6, true);
  add_text(out, 7, request.cursor);
  if (request.limit != 0) out.add_uint32(8, request.limit);
  return body;
}

}  // namespace ims::client
