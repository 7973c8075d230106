// Requests onto the rings of workers: for whom they are, who asks, where the answer goes, and the
// room that is kept for it.
#include "gateway/owe.h"

#include <algorithm>
#include <cstring>

#include "shared/copy_short.h"
#include "shared/inline.h"
#include "shared/probes.h"

namespace ims::gateway {

// Room for a record of `bytes`. Null: the connection is held.
IMS_INLINE RequestRecord* Gateway::reserve_request(Connection& connection, WorkerIndex worker,
                                                   std::size_t bytes) {
  if (!ring_open(connection, worker)) return nullptr;
  std::byte* const room = workers_[worker].requests->try_reserve(bytes);
  if (room == nullptr) [[unlikely]] {
    counters_.add(Counter::kRingFullRequests);
    IMS_PROBE(ring_full, 0, worker);
    hold(connection, Hold::kRing, &workers_[worker].held);
  }
  return reinterpret_cast<RequestRecord*>(room);
}

// The record, with its tail, is complete but for who sends it.
IMS_INLINE void Gateway::commit_request(Connection& connection, WorkerIndex worker,
                                        RequestRecord& record, std::size_t answer_bytes) {
  const std::size_t bytes = record_size(sizeof record + record.tail_bytes);
  record.header.bytes = static_cast<std::uint32_t>(bytes);
  record.header.spare = 0;
  if (connection.send_only) record.header.flags |= kFlagSendOnly;
  if (connection.copies) record.header.flags |= kFlagCopies;
  record.connection = connection.id;
  record.session = connection.session;
  record.sender = connection.user;
  record.sender_hash = connection.user_hash;
  record.tenant = connection.tenant;
  record.from_bytes = connection.user_bytes;
  record.device_bytes = connection.device_bytes;
  record.trace = tracer_.next(record);
  if (record.trace != 0) [[unlikely]] {
    record.header.flags |= kFlagTraced;
    tracer_.enter(record.trace, Stage::kRequestRing);
  }
  workers_[worker].requests->commit(bytes);

  if ((record.header.flags & kFlagNoAnswer) != 0) return;
  ++connection.inflight;
  connection.reserved_bytes += static_cast<std::uint32_t>(answer_bytes);
  if (record.request_id == 0) connection.stop_and_wait = true;
}

// A message that was checked: by decode_message_frame(), or step by step. The client's bytes go as
// they came, behind the sender's fields, so that whoever pushes them copies them in one piece
// (request_parts.h).
bool Gateway::push_message(Connection& connection, const MessageFrame& frame) {
  if (!answer_fits(connection, kSmallAnswerBytes)) return false;
  const std::uint64_t target_hash =
      hash_name(hash_seed_, connection.tenant_hash,
                frame.to_group ? NameKind::kGroup : NameKind::kUser, frame.target);
  const WorkerIndex worker =
      worker_of(target_hash, static_cast<std::uint32_t>(workers_.size()));
  const ByteView sender = connection.sender_fields();
  const std::size_t tail_bytes = sender.size() + frame.message.size();
  RequestRecord* const room =
      reserve_request(connection, worker, sizeof(RequestRecord) + tail_bytes);
  if (room == nullptr) return false;

  RequestRecord& record = *room;
  record.header.kind = RecordKind::kMessage;
  record.header.flags = static_cast<std::uint8_t>((frame.offline ? kFlagOffline : 0) |
                                                  (frame.to_group ? kFlagToGroup : 0));
  record.request_id = frame.id;
  record.target_hash = target_hash;
  record.tail_bytes = static_cast<std::uint32_t>(tail_bytes);
  // Offsets of views inside of `message`; an empty one may lie anywhere.
  const std::byte* const from = frame.message.data() - sizeof record - sender.size();
  const auto offset = [from](const void* at) {
    return static_cast<std::uint32_t>(static_cast<const std::byte*>(at) - from);
  };
  record.payload_at = frame.payload.empty() ? 0 : offset(frame.payload.data());
  record.payload_bytes = static_cast<std::uint32_t>(frame.payload.size());
  record.target_at = offset(frame.target.data());
  record.client_id_at = frame.client_id.empty() ? 0 : offset(frame.client_id.data());
  record.type = frame.type;
  record.target_bytes = static_cast<std::uint8_t>(frame.target.size());
  record.client_id_bytes = static_cast<std::uint8_t>(frame.client_id.size());
  std::byte* at = reinterpret_cast<std::byte*>(room + 1);
  at = copy_short(at, sender.data(), sender.size());
  std::memcpy(at, frame.message.data(), frame.message.size());
  counters_.add(Counter::kPayloadBytesCopied, frame.payload.size());
  commit_request(connection, worker, record, kSmallAnswerBytes);
  return true;
}

// The owner of the target; of an ACK, the session's own; of two contacts, that of their pair.
WorkerIndex Gateway::worker_for(const Connection& connection,
                                const RequestRecord& record) const noexcept {
  if (record.header.kind == RecordKind::kAck) return connection.home;
  const std::uint64_t hash = record.header.kind == RecordKind::kContact
                                 ? std::min(record.target_hash, connection.user_hash)
                                 : record.target_hash;
  return worker_of(hash, static_cast<std::uint32_t>(workers_.size()));
}

// Everything but a message. Completes the record and writes it for the worker that it concerns.
// False: that ring is full.
bool Gateway::push_request(Connection& connection, RequestRecord& record, std::string_view target,
                           ByteView payload) {
  const bool to_group = (record.header.flags & kFlagToGroup) != 0;
  record.target_hash = hash_name(hash_seed_, connection.tenant_hash,
                                 to_group ? NameKind::kGroup : NameKind::kUser, target);
  const WorkerIndex worker = worker_for(connection, record);
  const ByteView sender = connection.sender_fields();
  record.tail_bytes = static_cast<std::uint32_t>(sender.size() + target.size() + payload.size());
  RequestRecord* const room =
      reserve_request(connection, worker, sizeof record + record.tail_bytes);
  if (room == nullptr) return false;
  record.target_at = static_cast<std::uint32_t>(sizeof record + sender.size());
  record.target_bytes = static_cast<std::uint8_t>(target.size());
  record.payload_at = static_cast<std::uint32_t>(record.target_at + target.size());
  record.payload_bytes = static_cast<std::uint32_t>(payload.size());
  *room = record;
  std::byte* at = reinterpret_cast<std::byte*>(room + 1);
  for (const ByteView part : {sender, as_bytes(target), payload}) {
    at = std::copy(part.begin(), part.end(), at);
  }
  counters_.add(Counter::kPayloadBytesCopied, payload.size());
  const bool big = (record.header.flags & kFlagBigAnswer) != 0;
  commit_request(connection, worker, *room, big ? big_answer_bytes_ : kSmallAnswerBytes);
  return true;
}

// Connections that wait for this ring go first.
bool Gateway::ring_open(Connection& connection, WorkerIndex worker) {
  if (retrying_ == &workers_[worker] || workers_[worker].held.empty()) return true;
  hold(connection, Hold::kRing, &workers_[worker].held);
  return false;
}

}  // namespace ims::gateway
