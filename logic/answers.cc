// Records out: answers and disconnects to gateways, handoffs to workers.
//
// When full  An answer that finds no room waits in memory and requests are not drained until all of
//            them left: so at most what one turn and the exchanges under way can answer waits.

#include "logic/worker.h"
#include "shared/probes.h"

namespace ims::logic {
namespace {

std::string_view usual_reason(Code code) {
  switch (code) {
    case Code::kOk: return {};
    case Code::kFail: return "The request failed.";
    case Code::kBadRequest: return "The request is not well-formed.";
    case Code::kUnauthenticated: return "The credentials are not valid.";
    case Code::kForbidden: return "That is not allowed.";
    case Code::kNotFound: return "There is no such user or group.";
    case Code::kAlreadyExists: return "That exists already.";
    case Code::kOffline: return "The user is not online.";
    case Code::kQueueFull: return "The limit is reached.";
    case Code::kTooLarge: return "It is longer than a frame may be.";
    case Code::kRateLimited: return "Too many requests.";
    case Code::kOverloaded: return "The server is overloaded; try again.";
    case Code::kUnavailable: return "The store cannot write now; nothing was kept, try again.";
    case Code::kUnsupported: return "That is not supported.";
  }
  return {};
}

template <typename Record>
std::string whole_record(Record record, std::initializer_list<std::string_view> tail) {
  std::size_t bytes = sizeof record;
  for (const std::string_view part : tail) bytes += part.size();
  record.header.bytes = static_cast<std::uint32_t>(record_size(bytes));
  std::string out;
  out.reserve(record.header.bytes);
  out.append(reinterpret_cast<const char*>(&record), sizeof record);
  for (const std::string_view part : tail) out.append(part);
  out.resize(record.header.bytes, '\0');
  return out;
}

}  // namespace

void Worker::emit(GatewayIndex gateway, std::string_view record) {
  if (waiting_answers_.empty()) {
    RecordWriter writer(*ports_.deliveries[gateway], record.size());
    if (writer.ok()) {
      writer.append(as_bytes(record));
      writer.commit();
      return;
    }
  }
  counters_.add(Counter::kRingFullDeliveries);
  IMS_PROBE(ring_full, 1, gateway);
  waiting_answers_.emplace_back(gateway, std::string(record));
}

// True when something left.
bool Worker::flush_waiting_answers() {
  bool moved = false;
  while (!waiting_answers_.empty()) {
    const auto& [gateway, record] = waiting_answers_.front();
    RecordWriter writer(*ports_.deliveries[gateway], record.size());
    if (!writer.ok()) break;
    writer.append(as_bytes(record));
    writer.commit();
    waiting_answers_.pop_front();
    moved = true;
  }
  return moved;
}

void Worker::answer(const Requester& to, Code code, std::string_view reason, std::uint64_t seq,
                    std::int64_t time_ms, std::string_view payload, bool duplicate) {
  if ((to.flags & kFlagNoAnswer) != 0) {
    if (code != Code::kOk) counters_.add(Counter::kAcksIgnored);
    return;
  }
  if (to.connection == ConnectionId{}) return;  // nobody waits
  counters_.add(counter_of(code));
  enter(to.trace, Stage::kDeliveryRing);
  ResponseRecord record;
  record.header.kind = RecordKind::kResponse;
  record.header.flags = static_cast<std::uint8_t>((to.flags & kFlagBigAnswer) |
                                                  (duplicate ? kFlagDuplicate : 0));
  record.connection = to.connection;
  record.request_id = to.request_id;
  record.seq = seq;
  record.time_ms = time_ms;
  record.trace = to.trace;
  record.payload_bytes = static_cast<std::uint32_t>(payload.size());
  record.reason_bytes = static_cast<std::uint16_t>(reason.size());
  record.code = code;

  const GatewayIndex gateway = to.connection.gateway();
  if (waiting_answers_.empty()) {
    RecordWriter writer(*ports_.deliveries[gateway],
                        sizeof record + reason.size() + payload.size());
    if (writer.ok()) {
      writer.header(record);
      writer.append(as_bytes(reason));
      writer.append(as_bytes(payload));
      writer.commit();
      return;
    }
  }
  emit(gateway, whole_record(record, {reason, payload}));
}

void Worker::refuse(const Requester& to, Code code) { answer(to, code, usual_reason(code)); }

void Worker::answer_login(const Requester& to, const LoginAnswerRecord& fields,
                          std::string_view user, std::string_view device,
                          std::string_view reason) {
  LoginAnswerRecord record = fields;
  record.header.kind = RecordKind::kLoginAnswer;
  record.connection = to.connection;
  record.trace = to.trace;
  enter(to.trace, Stage::kDeliveryRing);
  record.server_time_ms = now_.wall_ms;
  record.durability = config_.durability;
  record.user_bytes = static_cast<std::uint8_t>(user.size());
  record.device_bytes = static_cast<std::uint8_t>(device.size());
  record.reason_bytes = static_cast<std::uint16_t>(reason.size());
  record.epoch_bytes = static_cast<std::uint16_t>(identity_.epoch.size());
  emit(to.connection.gateway(), whole_record(record, {user, device, reason, identity_.epoch}));
}

void Worker::refuse_login(const Requester& to, Code code, std::string_view reason) {
  LoginAnswerRecord record;
  record.code = code;
  answer_login(to, record, {}, {}, reason);
}

void Worker::disconnect(ConnectionId connection, DisconnectCode code, std::string_view reason) {
  DisconnectRecord record;
  record.header.kind = RecordKind::kDisconnect;
  record.connection = connection;
  record.reason_bytes = static_cast<std::uint16_t>(reason.size());
  record.code = code;
  emit(connection.gateway(), whole_record(record, {reason}));
}

template <typename Record>
bool Worker::send_handoff(WorkerIndex to, Record record, HandoffKind kind,
                          std::initializer_list<std::string_view> bytes) {
  record.header.kind = record_kind(kind);
  counters_.add(Counter::kHandoffs);
  if (to == ports_.index) {
    local_.push_back(whole_record(record, bytes));
    return true;
  }
  std::size_t size = sizeof record;
  for (const std::string_view part : bytes) size += part.size();
  RecordWriter writer(*ports_.handoffs_out[to], size);
  if (!writer.ok()) {
    counters_.add(Counter::kRingFullHandoffs);
    IMS_PROBE(ring_full, 2, to);
    return false;
  }
  writer.header(record);
  for (const std::string_view part : bytes) writer.append(as_bytes(part));
  writer.commit();
  return true;
}

template bool Worker::send_handoff(WorkerIndex, SubscribeRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);
template bool Worker::send_handoff(WorkerIndex, GroupRowRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);
template bool Worker::send_handoff(WorkerIndex, AckExchangeRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);
template bool Worker::send_handoff(WorkerIndex, UsersExchangeRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);
template bool Worker::send_handoff(WorkerIndex, EffectRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);
template bool Worker::send_handoff(WorkerIndex, ContactExchangeRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);
template bool Worker::send_handoff(WorkerIndex, OwnCopyRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);
template bool Worker::send_handoff(WorkerIndex, PresenceRecord, HandoffKind,
                                   std::initializer_list<std::string_view>);

}  // namespace ims::logic
