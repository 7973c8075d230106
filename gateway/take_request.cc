// Every later frame: requests are decoded and checked once, here, and become records on the ring of
// whoever owns what they change (push_request.cc, take_message.cc). What breaks a rule that needs
// no state is answered here.
#include "gateway/owe.h"

#include <span>

#include "shared/assert.h"
#include "shared/ops.h"

namespace ims::gateway {

bool Gateway::take_next_frame(Connection& connection, ByteView frame) {
  MessageFrame message;
  if (decode_message_frame(connection.edition, frame, message) &&
      message.payload.size() <= config_.max_message_bytes) [[likely]] {
    return push_message(connection, message);
  }
  Command command;
  if (decode_command(connection.edition, frame, command) != DecodeStatus::kOk) {
    protocol_error(connection, command.why);
    return true;
  }
  switch (command.kind) {
    case CommandKind::kRequest:
      return take_request(connection, command);
    case CommandKind::kResponse:
      return true;
    case CommandKind::kConnect:
      protocol_error(connection, "a second CONNECT");
      return true;
    case CommandKind::kDisconnect:
      begin_close(connection, CloseReason::kNormal, nullptr);
      return true;
  }
  return true;
}

bool Gateway::take_request(Connection& connection, const Command& command) {
  RequestView request;
  if (decode_request(command.body, request) != DecodeStatus::kOk) {
    protocol_error(connection, "Request does not decode");
    return true;
  }
  switch (request.type) {
    case static_cast<std::int32_t>(RequestType::kMessage):
      return take_message(connection, command.id, request);
    case static_cast<std::int32_t>(RequestType::kAck):
      return take_ack(connection, command.id, request);
    case static_cast<std::int32_t>(RequestType::kSync):
      return take_sync(connection, command.id, request);
    case static_cast<std::int32_t>(RequestType::kGroup):
      return take_group(connection, command.id, request);
    case static_cast<std::int32_t>(RequestType::kContact):
      return take_contact(connection, command.id, request);
    case static_cast<std::int32_t>(RequestType::kPresence):
      return take_presence(connection, command.id, request);
    default:
      if (!answer_fits(connection, kSmallAnswerBytes)) return false;
      refuse(connection, command.id, {Code::kUnsupported, "unsupported request type"});
      return true;
  }
}

bool Gateway::take_ack(Connection& connection, std::uint64_t id, const RequestView& request) {
  if (id != 0 && !answer_fits(connection, kSmallAnswerBytes)) return false;
  AckView ack;
  Refusal refusal = connection.send_only ? check_ack(request, ack, true)
                                         : refuse_payload(decode_ack(request.payload, ack));
  if (!refusal) refusal = check_ack(request, ack, connection.send_only);
  if (refusal) {
    if (id == 0) {
      counters_.add(Counter::kAcksIgnored);
    } else {
      refuse(connection, id, refusal);
    }
    return true;
  }
  RequestRecord record;
  record.header.kind = RecordKind::kAck;
  record.request_id = id;
  record.seq = ack.seq;
  if (id == 0) record.header.flags |= kFlagNoAnswer;
  if (!ack.group.empty()) record.header.flags |= kFlagToGroup;
  return push_request(connection, record, ack.group.empty() ? connection.user_name() : ack.group,
                      {});
}

bool Gateway::take_sync(Connection& connection, std::uint64_t id, const RequestView& request) {
  if (!answer_fits(connection, big_answer_bytes_)) return false;
  SyncView sync;
  Refusal refusal = refuse_payload(decode_sync(request.payload, sync));
  if (!refusal) refusal = check_sync(request, sync);
  if (refusal) {
    refuse(connection, id, refusal);
    return true;
  }
  RequestRecord record;
  record.header.kind = RecordKind::kSync;
  record.header.flags = kFlagBigAnswer;
  record.request_id = id;
  record.seq = sync.after_seq;
  record.before_seq = sync.before_seq;
  record.limit = sync.limit;
  if (!sync.group.empty()) record.header.flags |= kFlagToGroup;
  return push_request(connection, record, sync.group.empty() ? connection.user_name() : sync.group,
                      {});
}

bool Gateway::take_group(Connection& connection, std::uint64_t id, const RequestView& request) {
  if (!answer_fits(connection, big_answer_bytes_)) return false;
  GroupRequestView group;
  Refusal refusal = refuse_payload(decode_group_request(request.payload, group));
  if (!refusal) refusal = check_group(request, group);
  if (refusal) {
    refuse(connection, id, refusal);
    return true;
  }
  RequestRecord record;
  record.header.kind = RecordKind::kGroup;
  record.header.flags = kFlagBigAnswer | kFlagToGroup;
  record.request_id = id;
  record.type = static_cast<std::uint8_t>(group.op);
  std::string_view target = group.group;
  char made_up[kNameBytesMax];
  if (static_cast<GroupOp>(group.op) == GroupOp::kListMine) {
    record.header.flags = kFlagBigAnswer;
    target = connection.user_name();
  } else if (target.empty()) {
    target = make_group_name(made_up);
  }
  return push_request(connection, record, target, request.payload);
}

// A name for a group that was created without one: 128 bits, so that nobody has to ask whether it
// is taken.
std::string_view Gateway::make_group_name(std::span<char> out) noexcept {
  const std::uint64_t halves[2] = {prng_.next() ^ static_cast<std::uint64_t>(now_.wall_ms),
                                   prng_.next() ^ now_.ticks};
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::size_t at = 0;
  out[at++] = 'g';
  for (const std::uint64_t half : halves) {
    for (int shift = 60; shift >= 0; shift -= 4) out[at++] = kDigits[(half >> shift) & 15];
  }
  return {out.data(), at};
}

}  // namespace ims::gateway
