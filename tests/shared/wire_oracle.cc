// Frames of both editions, logins, requests and the one-pass decoder against libprotobuf.
#include "tests/shared/wire_oracle.h"

#include <google/protobuf/unknown_field_set.h>

#include <string>

#include "ims.pb.h"
#include "ims_v1.pb.h"
#include "ims_v2.pb.h"
#include "shared/command.h"
#include "shared/message_frame.h"
#include "shared/names.h"
#include "shared/payload.h"
#include "tests/shared/oracle.h"

namespace ims {
namespace {

namespace pb = google::protobuf;
using oracle::Difference;
using oracle::parse;

std::string check_connect(ByteView bytes) {
  Difference difference("Connect");
  ConnectView ours;
  ims::Connect theirs;
  if (difference.status(decode_connect(bytes, ours), parse(bytes, theirs))) {
    difference.equal("org", ours.org, theirs.org());
    difference.equal("appkey", ours.appkey, theirs.appkey());
    difference.equal("user", ours.user, theirs.user());
    difference.equal("token", ours.token, theirs.token());
    difference.equal("device", ours.device, theirs.device());
    difference.equal("keepalive_s", ours.keepalive_s, theirs.keepalive_s());
    difference.equal("ack", ours.ack, static_cast<std::int32_t>(theirs.ack()));
    difference.equal("send_only", ours.send_only, theirs.send_only());
  }
  return difference.text();
}

std::string check_request(ByteView bytes) {
  Difference difference("Request");
  RequestView ours;
  ims::Request theirs;
  if (!difference.status(decode_request(bytes, ours), parse(bytes, theirs))) {
    return difference.text();
  }
  bool offline = false;
  for (const auto& option : theirs.opts()) offline = offline || option.offline();
  difference.equal("type", ours.type, static_cast<std::int32_t>(theirs.type()));
  difference.bytes_equal("payload", ours.payload, theirs.payload());
  difference.equal("opts", ours.option_count, static_cast<std::uint32_t>(theirs.opts_size()));
  difference.equal("offline", ours.offline, offline);
  if (!difference.text().empty()) return difference.text();
  if (const std::string text = check_message(ours.payload); !text.empty()) return text;
  return check_other_payloads(ours.payload);
}

struct Expected {
  bool accepted = false;
  CommandKind kind{};
  std::int32_t version = 0;
  std::uint64_t id = 0;
  std::string body;
};

template <typename Proto>
DecodeStatus parse_status(const std::string& bytes) {
  Proto message;
  return parse(as_bytes(bytes), message);
}

// A body that decodes; of a Connect a string that is not UTF-8 is no protocol error.
bool body_accepted(CommandKind kind, const std::string& body) {
  switch (kind) {
    case CommandKind::kConnect:
      return parse_status<ims::Connect>(body) != DecodeStatus::kMalformed;
    case CommandKind::kDisconnect: return parse_status<ims::Disconnect>(body) == DecodeStatus::kOk;
    case CommandKind::kRequest: return parse_status<ims::Request>(body) == DecodeStatus::kOk;
    case CommandKind::kResponse: return parse_status<ims::Response>(body) == DecodeStatus::kOk;
  }
  return false;
}

Expected expect_envelope(ByteView bytes) {
  Expected expected;
  ims::v1::Command command;
  if (parse(bytes, command) != DecodeStatus::kOk) return expected;
  if (command.command() < 0 || command.command() > 3) return expected;
  expected.kind = static_cast<CommandKind>(command.command());
  expected.version = command.version();
  expected.id = command.id();
  expected.body = command.payload();
  expected.accepted = body_accepted(expected.kind, expected.body);
  return expected;
}

Expected expect_typed(ByteView bytes) {
  Expected expected;
  ims::v2::Command command;
  const DecodeStatus status = parse(bytes, command);
  if (status == DecodeStatus::kMalformed) return expected;
  pb::UnknownFieldSet fields;
  if (!fields.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return expected;
  int bodies = 0;
  int body_number = 0;
  for (int i = 0; i < fields.field_count(); ++i) {
    const pb::UnknownField& field = fields.field(i);
    if (field.type() == pb::UnknownField::TYPE_LENGTH_DELIMITED && field.number() >= 3 &&
        field.number() <= 7) {
      ++bodies;
      body_number = field.number();
      expected.body = field.length_delimited();
    }
    // Read here too, because a Connect that is not UTF-8 leaves `command` half parsed.
    if (field.type() == pb::UnknownField::TYPE_VARINT && field.number() == 1) {
      expected.version = static_cast<std::int32_t>(field.varint());
    }
    if (field.type() == pb::UnknownField::TYPE_VARINT && field.number() == 8) {
      expected.id = field.varint();
    }
  }
  if (bodies != 1 || body_number == 4) return expected;
  expected.kind = body_number == 3   ? CommandKind::kConnect
                  : body_number == 5 ? CommandKind::kDisconnect
                  : body_number == 6 ? CommandKind::kRequest
                                     : CommandKind::kResponse;
  expected.accepted = status == DecodeStatus::kOk || expected.kind == CommandKind::kConnect;
  return expected;
}

Edition expect_edition(ByteView bytes) {
  ims::v1::Command command;
  pb::UnknownFieldSet fields;
  if (parse(bytes, command) != DecodeStatus::kOk ||
      !fields.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Edition::kV2;
  }
  bool field_2 = false;
  for (int i = 0; i < fields.field_count(); ++i) field_2 |= fields.field(i).number() == 2;
  return field_2 || command.version() == 1 ? Edition::kV1 : Edition::kV2;
}

std::string check_one_pass(Edition edition, ByteView bytes) {
  Difference difference("decode_message_frame");
  MessageFrame fast;
  if (!decode_message_frame(edition, bytes, fast)) return {};
  Command command;
  RequestView request;
  MessageView message;
  if (decode_command(edition, bytes, command) != DecodeStatus::kOk ||
      command.kind != CommandKind::kRequest ||
      decode_request(command.body, request) != DecodeStatus::kOk || request.type != 0 ||
      decode_message(request.payload, message) != DecodeStatus::kOk) {
    return "decode_message_frame accepts what the steps refuse";
  }
  const auto same = [](ByteView a, ByteView b) {
    return a.size() == b.size() && (a.empty() || a.data() == b.data());
  };
  difference.equal("id", fast.id, command.id);
  difference.equal("message", same(fast.message, request.payload), true);
  difference.equal("offline", fast.offline, request.offline);
  difference.equal("type", static_cast<std::int32_t>(fast.type), message.type);
  difference.equal("payload", same(fast.payload, message.payload), true);
  difference.equal("target", fast.target, fast.to_group ? message.group : message.to);
  difference.equal("the other target", fast.to_group ? message.to : message.group, "");
  difference.equal("client_id", same(fast.client_id, message.client_id), true);
  difference.equal("spliceable", message.spliceable, true);
  // The rules that it answers for.
  difference.equal("a valid name", valid_name(fast.target), true);
  difference.equal("a known type", fast.type < 10 && fast.type != 7, true);
  difference.equal("16 options", request.option_count <= 16, true);
  difference.equal("a client_id of 32 bytes", fast.client_id.size() <= 32, true);
  return difference.text();
}

}  // namespace

std::string check_frame(Edition edition, ByteView bytes) {
  Difference difference(edition == Edition::kV1 ? "v1.Command" : "v2.Command");
  difference.equal("detect_edition", detect_edition(bytes), expect_edition(bytes));
  Command ours;
  const DecodeStatus status = decode_command(edition, bytes, ours);
  const Expected expected =
      edition == Edition::kV1 ? expect_envelope(bytes) : expect_typed(bytes);
  const DecodeStatus expected_status =
      expected.accepted ? DecodeStatus::kOk : DecodeStatus::kMalformed;
  if (!difference.status(status, expected_status)) {
    if (status != DecodeStatus::kOk && ours.why.empty())
      difference.fail("refused without a reason");
    if (difference.text().empty()) return check_one_pass(edition, bytes);
    return difference.text();
  }
  difference.equal("kind", ours.kind, expected.kind);
  difference.equal("version", ours.version, expected.version);
  difference.equal("id", ours.id, expected.id);
  difference.bytes_equal("body", ours.body, expected.body);
  if (!difference.text().empty()) return difference.text();
  if (const std::string text = check_one_pass(edition, bytes); !text.empty()) return text;
  if (ours.kind == CommandKind::kConnect) return check_connect(ours.body);
  if (ours.kind == CommandKind::kRequest) return check_request(ours.body);
  return {};
}

}  // namespace ims
