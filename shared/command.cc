// The rules of PROTOCOL.md section 2 for both editions, over the field reader of shared/wire.h.
#include "shared/command.h"

#include "shared/names.h"
#include "shared/payload.h"
#include "shared/wire.h"

namespace ims {
namespace {

// Is `body` what `kind` says, when its parser may nest `depth` deep? (A body inside a typed Command
// is one level down already.) Strings of a Connect are left to decode_connect.
DecodeStatus check_body(CommandKind kind, ByteView body, int depth) noexcept {
  DecodeStatus status = DecodeStatus::kOk;
  WireReader fields(body, depth);
  switch (kind) {
    case CommandKind::kConnect:
      while (fields.next()) {
      }
      break;
    case CommandKind::kDisconnect:
    case CommandKind::kResponse:
      while (fields.next()) {
        const bool reason = fields.tag() == bytes_tag(2);
        if (reason && !valid_utf8(as_text(fields.bytes()))) status = DecodeStatus::kBadUtf8;
      }
      break;
    case CommandKind::kRequest:
      while (fields.next()) {
        if (fields.tag() != bytes_tag(3)) continue;
        WireReader option(fields.bytes(), depth - 1);
        while (option.next()) {
        }
        if (!option.ok()) return DecodeStatus::kMalformed;
      }
      break;
  }
  return fields.ok() ? status : DecodeStatus::kMalformed;
}

DecodeStatus refuse(Command& out, std::string_view why) noexcept {
  out.why = why;
  return DecodeStatus::kMalformed;
}

DecodeStatus finish(Command& out, int depth) noexcept {
  const DecodeStatus status = check_body(out.kind, out.body, depth);
  if (status == DecodeStatus::kOk) return status;
  const bool text = status == DecodeStatus::kBadUtf8;
  switch (out.kind) {
    case CommandKind::kConnect:
      return refuse(out, "The bytes of connect do not decode as Connect.");
    case CommandKind::kDisconnect:
      return refuse(out, text ? "Disconnect.reason is not UTF-8."
                              : "The bytes of disconnect do not decode as Disconnect.");
    case CommandKind::kRequest:
      return refuse(out, "The bytes of request do not decode as Request.");
    case CommandKind::kResponse:
      return refuse(out, text ? "Response.reason is not UTF-8."
                              : "The bytes of response do not decode as Response.");
  }
  return refuse(out, "The frame does not decode as Command.");
}

DecodeStatus decode_envelope(ByteView frame, Command& out) noexcept {
  std::int32_t kind = 0;
  WireReader fields(frame);
  while (fields.next()) {
    switch (fields.tag()) {
      case varint_tag(1): out.version = fields.int32(); break;
      case varint_tag(2): kind = fields.int32(); break;
      case bytes_tag(3): out.body = fields.bytes(); break;
      case varint_tag(8): out.id = fields.varint(); break;
      default: break;
    }
  }
  if (!fields.ok()) return refuse(out, "The frame does not decode as Command.");
  if (kind < 0 || kind > 3) return refuse(out, "Command.command is not between 0 and 3.");
  out.kind = static_cast<CommandKind>(kind);
  return finish(out, kWireDepthMax);
}

DecodeStatus decode_typed(ByteView frame, Command& out) noexcept {
  int bodies = 0;
  bool conack = false;
  const auto take = [&](CommandKind kind, ByteView body) noexcept {
    out.kind = kind;
    out.body = body;
    ++bodies;
  };
  WireReader fields(frame);
  while (fields.next()) {
    switch (fields.tag()) {
      case varint_tag(1): out.version = fields.int32(); break;
      case bytes_tag(3): take(CommandKind::kConnect, fields.bytes()); break;
      case bytes_tag(4): conack = true; break;
      case bytes_tag(5): take(CommandKind::kDisconnect, fields.bytes()); break;
      case bytes_tag(6): take(CommandKind::kRequest, fields.bytes()); break;
      case bytes_tag(7): take(CommandKind::kResponse, fields.bytes()); break;
      case varint_tag(8): out.id = fields.varint(); break;
      default: break;
    }
  }
  if (!fields.ok()) return refuse(out, "The frame does not decode as Command.");
  if (conack) return refuse(out, "A client does not send conack.");
  if (bodies == 0) {
    return refuse(out, "Command has none of connect, disconnect, request and response.");
  }
  if (bodies > 1) {
    return refuse(out, "Command has more than one of connect, disconnect, request and response.");
  }
  return finish(out, kWireDepthMax - 1);
}

void set_text(std::string_view& out, ByteView bytes, DecodeStatus& status) noexcept {
  out = as_text(bytes);
  if (!valid_utf8(out)) status = DecodeStatus::kBadUtf8;
}

}  // namespace

Edition detect_edition(ByteView first_frame) noexcept {
  bool field_2 = false;
  std::int32_t version = 0;
  WireReader fields(first_frame);
  while (fields.next()) {
    if (fields.number() == 2) field_2 = true;
    if (fields.tag() == varint_tag(1)) version = fields.int32();
  }
  if (!fields.ok()) return Edition::kV2;
  return field_2 || version == 1 ? Edition::kV1 : Edition::kV2;
}

DecodeStatus decode_command(Edition edition, ByteView frame, Command& out) noexcept {
  out = {};
  return edition == Edition::kV1 ? decode_envelope(frame, out) : decode_typed(frame, out);
}

DecodeStatus decode_connect(ByteView body, ConnectView& out) noexcept {
  out = {};
  DecodeStatus status = DecodeStatus::kOk;
  WireReader fields(body);
  while (fields.next()) {
    switch (fields.tag()) {
      case bytes_tag(1): set_text(out.org, fields.bytes(), status); break;
      case bytes_tag(2): set_text(out.appkey, fields.bytes(), status); break;
      case bytes_tag(3): set_text(out.user, fields.bytes(), status); break;
      case bytes_tag(4): set_text(out.token, fields.bytes(), status); break;
      case bytes_tag(5): set_text(out.device, fields.bytes(), status); break;
      case varint_tag(6): out.keepalive_s = fields.uint32(); break;
      case varint_tag(7): out.ack = fields.int32(); break;
      case varint_tag(8): out.send_only = fields.boolean(); break;
      default: break;
    }
  }
  return fields.ok() ? status : DecodeStatus::kMalformed;
}

DecodeStatus decode_request(ByteView body, RequestView& out) noexcept {
  out = {};
  WireReader fields(body);
  while (fields.next()) {
    switch (fields.tag()) {
      case varint_tag(1): out.type = fields.int32(); break;
      case bytes_tag(2): out.payload = fields.bytes(); break;
      case bytes_tag(3): {
        bool offline = false;
        WireReader option(fields.bytes(), fields.depth() - 1);
        while (option.next()) {
          if (option.tag() == varint_tag(1)) offline = option.boolean();
        }
        if (!option.ok()) return DecodeStatus::kMalformed;
        ++out.option_count;
        out.offline = out.offline || offline;
        break;
      }
      default: break;
    }
  }
  return fields.ok() ? DecodeStatus::kOk : DecodeStatus::kMalformed;
}

}  // namespace ims
