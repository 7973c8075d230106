// Every later frame: requests are decoded and checked once, here, and become records on the ring of
// whoever owns what they change. What breaks a rule that needs no state is answered here.
#include "gateway/gateway.h"

#include <algorithm>
#include <cstring>

#include "shared/assert.h"
#include "shared/ops.h"
#include "shared/probes.h"

namespace ims::gateway {

bool Gateway::take_next_frame(Connection& connection, ByteView frame) {
  Command command;
  RequestView request;
  MessageView message;
  if (decode_message_frame(connection.edition, frame, command, request, message)) {
    return take_message(connection, command.id, request, message);
  }
  command = {};
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
    case static_cast<std::int32_t>(RequestType::kMessage): {
      MessageView message;
      const DecodeStatus status = decode_message(request.payload, message);
      if (status == DecodeStatus::kOk)
        return take_message(connection, command.id, request, message);
      if (!answer_fits(connection, kSmallAnswerBytes)) return false;
      refuse(connection, command.id, refuse_payload(status));
      return true;
    }
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

bool Gateway::take_message(Connection& connection, std::uint64_t id, const RequestView& request,
                           const MessageView& message) {
  if (!answer_fits(connection, kSmallAnswerBytes)) return false;
  if (const Refusal refusal = check_message(request, message, config_.max_message_bytes)) {
    refuse(connection, id, refusal);
    return true;
  }
  RequestRecord record;
  record.header.kind = RecordKind::kMessage;
  record.request_id = id;
  record.type = static_cast<std::uint8_t>(message.type);
  if (request.offline) record.header.flags |= kFlagOffline;
  if (message.to.empty()) record.header.flags |= kFlagToGroup;
  const std::string_view target = message.to.empty() ? message.group : message.to;
  return push_request(connection, record, target, message.client_id, message.payload);
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
                      {}, {});
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
                      {}, {});
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
  return push_request(connection, record, target, {}, request.payload);
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

// ---- onto the ring -----------------------------------------------------------------------------

// The owner of the target; of an ACK, the session's own; of two contacts, that of their pair.
WorkerIndex Gateway::worker_for(const Connection& connection,
                                const RequestRecord& record) const noexcept {
  if (record.header.kind == RecordKind::kAck) return connection.home;
  const std::uint64_t hash = record.header.kind == RecordKind::kContact
                                 ? std::min(record.target_hash, connection.user_hash)
                                 : record.target_hash;
  return worker_of(hash, static_cast<std::uint32_t>(workers_.size()));
}

// Completes the record and writes it for the worker that it concerns. False: that ring is full.
bool Gateway::push_request(Connection& connection, RequestRecord& record, std::string_view target,
                           ByteView client_id, ByteView payload) {
  const bool to_group = (record.header.flags & kFlagToGroup) != 0;
  record.target_hash = hash_name(hash_seed_, connection.tenant_hash,
                                 to_group ? NameKind::kGroup : NameKind::kUser, target);
  const WorkerIndex worker = worker_for(connection, record);
  if (!ring_open(connection, worker)) return false;
  RecordWriter writer(*workers_[worker].requests,
                      sizeof record + connection.user_bytes + connection.device_bytes +
                          target.size() + client_id.size() + payload.size());
  if (!writer.ok()) {
    counters_.add(Counter::kRingFullRequests);
    IMS_PROBE(ring_full, 0, worker);
    hold(connection, Hold::kRing, &workers_[worker].held);
    return false;
  }
  if (connection.send_only) record.header.flags |= kFlagSendOnly;
  if (connection.copies) record.header.flags |= kFlagCopies;
  record.connection = id_of(connection);
  record.session = connection.session;
  record.sender = connection.user;
  record.sender_hash = connection.user_hash;
  record.tenant = connection.tenant;
  record.trace = tracer_.next(record);
  if (record.trace != 0) [[unlikely]] record.header.flags |= kFlagTraced;
  record.payload_bytes = static_cast<std::uint32_t>(payload.size());
  record.from_bytes = connection.user_bytes;
  record.device_bytes = connection.device_bytes;
  record.target_bytes = static_cast<std::uint8_t>(target.size());
  record.client_id_bytes = static_cast<std::uint8_t>(client_id.size());
  writer.header(record);
  writer.append_short(as_bytes(connection.names()));
  writer.append_short(as_bytes(target));
  writer.append_short(client_id);
  writer.append(payload);
  writer.commit();
  if (record.trace != 0) [[unlikely]] tracer_.enter(record.trace, Stage::kRequestRing);
  counters_.add(Counter::kPayloadBytesCopied, payload.size());

  if ((record.header.flags & kFlagNoAnswer) == 0) {
    ++connection.inflight;
    connection.reserved_bytes += static_cast<std::uint32_t>(
        (record.header.flags & kFlagBigAnswer) != 0 ? big_answer_bytes_ : kSmallAnswerBytes);
    if (record.request_id == 0) connection.stop_and_wait = true;
  }
  return true;
}

// Connections that wait for this ring go first.
bool Gateway::ring_open(Connection& connection, WorkerIndex worker) {
  if (retrying_ == &workers_[worker] || workers_[worker].held.empty()) return true;
  hold(connection, Hold::kRing, &workers_[worker].held);
  return false;
}

}  // namespace ims::gateway
