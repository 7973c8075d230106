// PROTOCOL.md's rules for single fields (request_rules.h).
#include "gateway/request_rules.h"

#include "shared/limits.h"
#include "shared/names.h"
#include "shared/ops.h"

namespace ims::gateway {
namespace {

constexpr Refusal unsupported(std::string_view reason) noexcept {
  return {Code::kUnsupported, reason};
}
constexpr Refusal bad(std::string_view reason) noexcept { return {Code::kBadRequest, reason}; }

Refusal check_options(const RequestView& request) noexcept {
  if (request.option_count > kOptionsMax) return bad("a request has at most 16 options");
  return {};
}

bool needs_users(GroupOp op) noexcept {
  switch (op) {
    case GroupOp::kInvite:
    case GroupOp::kKick:
    case GroupOp::kSetRole:
    case GroupOp::kMute:
    case GroupOp::kUnmute:
      return true;
    default:
      return false;
  }
}

}  // namespace

Refusal refuse_payload(DecodeStatus status) noexcept {
  switch (status) {
    case DecodeStatus::kOk:
      return {};
    case DecodeStatus::kMalformed:
      return bad("the request's payload does not decode");
    case DecodeStatus::kBadUtf8:
      return bad("a string in the request is not UTF-8");
  }
  return {};
}

Refusal check_connect(DecodeStatus status, const ConnectView& connect) noexcept {
  if (status == DecodeStatus::kBadUtf8) return bad("a string in Connect is not UTF-8");
  if (connect.ack != 0 && connect.ack != 1) return unsupported("unknown AckMode");
  if (!valid_name(connect.org)) return bad("org is not a valid name");
  if (!valid_name(connect.appkey)) return bad("appkey is not a valid name");
  if (!valid_name(connect.user)) return bad("user is not a valid name");
  if (!connect.device.empty() && !valid_name(connect.device)) {
    return bad("device is not a valid name");
  }
  return {};
}

Refusal check_message(const RequestView& request, const MessageView& message,
                      std::uint32_t max_message_bytes) noexcept {
  if (message.type < 0 || message.type >= kMessageTypeCount) {
    return unsupported("unknown message type");
  }
  if (const Refusal refusal = check_options(request)) return refusal;
  if (message.to.empty() == message.group.empty()) {
    return bad("a message names exactly one of to and group");
  }
  if (!message.to.empty() && !valid_name(message.to)) return bad("to is not a valid name");
  if (!message.group.empty() && !valid_name(message.group)) return bad("group is not a valid name");
  if (message.client_id.size() > kClientIdBytesMax) return bad("client_id is at most 32 bytes");
  if (message.type == static_cast<std::int32_t>(MessageType::kRecall)) {
    std::uint64_t seq = 0;
    if (!request.offline) return bad("RECALL needs offline=true");
    if (decode_recall(message.payload, seq) != DecodeStatus::kOk) {
      return bad("the payload of a RECALL does not decode");
    }
  }
  if (message.payload.size() > max_message_bytes) {
    return {Code::kTooLarge, "the message's payload is longer than max_message_bytes"};
  }
  return {};
}

Refusal check_ack(const RequestView& request, const AckView& ack, bool send_only) noexcept {
  if (send_only) return unsupported("a send_only session has no cursors");
  if (const Refusal refusal = check_options(request)) return refusal;
  if (!ack.group.empty() && !valid_name(ack.group)) return bad("group is not a valid name");
  return {};
}

Refusal check_sync(const RequestView& request, const SyncView& sync) noexcept {
  if (const Refusal refusal = check_options(request)) return refusal;
  if (!sync.group.empty() && !valid_name(sync.group)) return bad("group is not a valid name");
  if (sync.after_seq != 0 && sync.before_seq != 0) {
    return bad("SYNC takes after_seq or before_seq, not both");
  }
  return {};
}

Refusal check_contact(const RequestView& request, const ContactRequestView& contact,
                      std::string_view own_name) noexcept {
  if (!valid_contact_op(contact.op)) return unsupported("unknown contact op");
  if (const Refusal refusal = check_options(request)) return refusal;
  const bool lists = static_cast<ContactOp>(contact.op) == ContactOp::kList;
  if (contact.user.empty() ? !lists : !valid_name(contact.user)) {
    return bad("user is not a valid name");
  }
  if (!valid_label(contact.note)) {
    return bad("a note is at most 256 bytes without control characters");
  }
  if (!contact.cursor.empty() && !valid_name(contact.cursor)) {
    return bad("cursor is not a valid name");
  }
  if (!lists && contact.user == own_name) return bad("nobody is a contact of oneself");
  return {};
}

Refusal check_presence(const RequestView& request, const PresenceRequestView& presence,
                       bool send_only) noexcept {
  if (send_only) return unsupported("a send_only session has no presence");
  if (const Refusal refusal = check_options(request)) return refusal;
  if (presence.users.size() > kUsersPerRequestMax) return bad("a request names at most 500 users");
  for (const std::string_view user : presence.users) {
    if (!valid_name(user)) return bad("users holds what is not a valid name");
  }
  return {};
}

Refusal check_group(const RequestView& request, const GroupRequestView& group) noexcept {
  if (!valid_group_op(group.op)) return unsupported("unknown group op");
  if (!valid_role(group.role)) return unsupported("unknown role");
  if (const Refusal refusal = check_options(request)) return refusal;
  const auto op = static_cast<GroupOp>(group.op);
  const bool may_be_unnamed = op == GroupOp::kCreate || op == GroupOp::kListMine;
  if (group.group.empty() ? !may_be_unnamed : !valid_name(group.group)) {
    return bad("group is not a valid name");
  }
  if (!valid_label(group.name)) {
    return bad("a group's name is at most 256 bytes without control characters");
  }
  if (!group.cursor.empty() && !valid_name(group.cursor)) return bad("cursor is not a valid name");
  if (group.users.size() > kUsersPerRequestMax) return bad("a request names at most 500 users");
  if (group.users.empty() && needs_users(op)) return bad("the request names no users");
  for (const std::string_view user : group.users) {
    if (!valid_name(user)) return bad("users holds what is not a valid name");
  }
  return {};
}

}  // namespace ims::gateway
