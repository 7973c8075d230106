// Relayed messages: from the sender's request record, which stays in its ring meanwhile, straight
// into the recipient's queue (RelayRecord): one copy, beside the one that the sender's gateway
// made. And those of which a worker made a body.
#include "gateway/owe.h"
#include "shared/assert.h"
#include "shared/probes.h"

namespace ims::gateway {

void Gateway::on_relay(const Worker& worker, const RelayRecord& record) {
  IMS_ASSERT(record.gateway < worker.all_requests.size());
  const ByteView bytes = worker.all_requests[record.gateway]->record(record.offset);
  IMS_ASSERT(kind_of(bytes) == RecordKind::kMessage);
  const auto& request = record_as<RequestRecord>(bytes);
  relay_time_.set(record.time_ms);
  const bool traced = (record.header.flags & kFlagTraced) != 0;
  if (traced) [[unlikely]] tracer_.enter(request.trace, Stage::kQueue);
  Connection* target = table_.find(record.target);
  bool queued = false;
  if (target != nullptr && target->state == State::kOnline) {
    queued = relay(*target, request, (record.header.flags & kFlagFanout) != 0);
  } else {
    counters_.add(Counter::kRelayedDropped);
  }
  if (traced) [[unlikely]] {
    if (queued) {
      tracer_.follow(*target, request.trace);
    } else {
      tracer_.drop(request.trace);
    }
  }

  if ((record.header.flags & kFlagAnswer) == 0) return;
  Connection* sender = settle(request.connection, request.request_id, kSmallAnswerBytes);
  if (sender == nullptr) return;
  counters_.add(Counter::kResponseOk);
  std::byte* const room = owe(*sender, kRelayAnswerBytesMax);
  std::byte* const behind =
      write_relay_answer(room, sender->outer(), request.request_id, relay_time_);
  owed(*sender, static_cast<std::size_t>(behind - room), false, false);
  after_answer(*sender);
}

// False: it found no room, and is dropped.
bool Gateway::relay(Connection& connection, const RequestRecord& request, bool fanout) {
  const RelayFrame frame(connection.outer(), request, relay_time_);
  if (!relayed_has_room(connection, frame.bytes())) [[unlikely]] {
    counters_.add(Counter::kRelayedDropped);
    return false;
  }
  counters_.add(Counter::kRelayedDelivered);
  std::byte* const room = owe(connection, frame.bytes());
  std::byte* const behind = frame.write(room);
  IMS_ASSERT(behind == room + frame.bytes());
  counters_.add(Counter::kPayloadBytesCopied, frame.body_bytes());
  copied_bytes_ += frame.bytes();
  owed(connection, frame.bytes(), false, fanout);
  return true;
}

}  // namespace ims::gateway
