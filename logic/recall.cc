// RECALL: a message that names an earlier row of its sender in the same timeline. It is a row of
// its own; the earlier one keeps its seq and loses its payload in the same batch (PROTOCOL.md
// section 5).
#include "logic/worker.h"
#include "shared/encode.h"
#include "shared/request_parts.h"
#include "shared/payload.h"

namespace ims::logic {

// Finds the row that `record` recalls: in memory, mostly. Else, and where the row itself or another
// RECALL of it is not durable yet, it is read once all that was submitted is. False: parked or
// answered.
bool Worker::find_recalled(const RequestRecord& record, const RequestParts& parts, Entity& target,
                           const Timeline& timeline, std::string& recalled) {
  const Requester to = requester_of(record);
  const auto unknown = [&] {
    answer(to, Code::kNotFound, "There is no message of yours with that seq.");
    return false;
  };
  std::uint64_t seq = 0;
  const DecodeStatus status = decode_recall(parts.payload(), seq);
  IMS_ASSERT(status == DecodeStatus::kOk);  // the gateway checked it
  if (seq == 0 || seq > timeline.pending_head()) return unknown();
  const std::string key = row_key(timeline.key(), seq);
  const bool is_pending = recall_is_pending(key);
  const auto read =
      read_row(target, key, is_pending || seq > timeline.head(), bytes_of(record), recalled);
  if (!read) return false;
  if (is_pending) return unknown();  // recalled by the one before
  if (*read == StoreStatus::kNotFound) return unknown();
  if (*read != StoreStatus::kOk) return refuse(to, Code::kUnavailable), false;
  const auto row = decode_row(recalled);
  MessageView message;
  const bool is_own_message = row && row->kind == RowKind::kMessage &&
                              row->sender == record.sender &&
                              row->time_ms >= retention_cutoff_ms() &&
                              decode_message(as_bytes(row->message()), message) ==
                                  DecodeStatus::kOk &&
                              message.type != static_cast<std::int32_t>(MessageType::kRecall) &&
                              message.peer_seq == 0;  // a copy of what is in another's inbox
  if (!is_own_message) return unknown();
  if (now_.wall_ms - row->time_ms > config_.recall_window_ms) {
    answer(to, Code::kForbidden, "The message is too old to be recalled.");
    return false;
  }
  return true;
}

// The row once it is recalled, into the open batch.
void Worker::put_recalled(const Timeline& timeline, std::string_view recalled) {
  const auto row = decode_row(recalled);
  MessageView message;
  const DecodeStatus status = decode_message(as_bytes(row->message()), message);
  IMS_ASSERT(status == DecodeStatus::kOk);
  MessageFields fields;
  fields.type = static_cast<std::int32_t>(MessageType::kRecall);
  fields.from = message.from;
  fields.to = message.to;
  fields.group = message.group;
  fields.client_id = message.client_id;
  fields.seq = message.seq;
  fields.time_ms = message.time_ms;
  fields.device = message.device;
  std::string value;
  append_recalled_header(value, *row,
                         hash_content(static_cast<std::uint8_t>(message.type), message.payload));
  const std::size_t body_offset = value.size();
  value.resize(body_offset + push_message_bytes(fields));
  write_push_message(reinterpret_cast<std::byte*>(value.data() + body_offset), fields);
  const std::string key = row_key(timeline.key(), message.seq);
  ops().put(Table::kRows, key, value);
  pending_recalls_[key] = open_->number;
}

// A RECALL of that row is in a batch that is not released yet.
bool Worker::recall_is_pending(const std::string& key) {
  const auto recall = pending_recalls_.find(key);
  if (recall == pending_recalls_.end()) return false;
  if (batch_is_pending(recall->second)) return true;
  pending_recalls_.erase(recall);
  return false;
}

}  // namespace ims::logic
