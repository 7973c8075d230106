// MESSAGE requests that do not decode in one pass or break a rule: step by step. The others go
// straight to push_message().
#include "gateway/owe.h"

#include "shared/assert.h"

namespace ims::gateway {

bool Gateway::take_message(Connection& connection, std::uint64_t id, const RequestView& request) {
  if (!answer_fits(connection, kSmallAnswerBytes)) return false;
  MessageView message;
  Refusal refusal = refuse_payload(decode_message(request.payload, message));
  if (!refusal) refusal = check_message(request, message, config_.max_message_bytes);
  if (refusal) {
    refuse(connection, id, refusal);
    return true;
  }
  MessageFields fields;
  fields.type = message.type;
  fields.payload = message.payload;
  fields.to = message.to;
  fields.group = message.group;
  fields.client_id = message.client_id;
  const std::size_t bytes = message_bytes(fields);
  MessageFrame frame;
  frame.message = request.payload;
  if (!message.spliceable || bytes != frame.message.size()) {
    // Longer than it has to be, or with fields that only the server sets: written anew.
    rewritten_.resize(bytes);
    write_message(rewritten_.data(), fields);
    frame.message = rewritten_;
    const DecodeStatus status = decode_message(frame.message, message);
    IMS_ASSERT(status == DecodeStatus::kOk && message.spliceable);
  }
  frame.id = id;
  frame.payload = message.payload;
  frame.to_group = message.to.empty();
  frame.target = frame.to_group ? message.group : message.to;
  frame.client_id = message.client_id;
  frame.type = static_cast<std::uint8_t>(message.type);
  frame.offline = request.offline;
  return push_message(connection, frame);
}

}  // namespace ims::gateway
