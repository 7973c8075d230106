// CONTACT and PRESENCE: checked here, passed on as they came. Who decides: the owner of the two
// users' pair (shared/route.h), for LIST and PRESENCE the owner of the session's user.
#include "gateway/owe.h"

#include "shared/ops.h"

namespace ims::gateway {

bool Gateway::take_contact(Connection& connection, std::uint64_t id, const RequestView& request) {
  if (!answer_fits(connection, big_answer_bytes_)) return false;
  ContactRequestView contact;
  Refusal refusal = refuse_payload(decode_contact_request(request.payload, contact));
  if (!refusal) refusal = check_contact(request, contact, connection.user_name());
  if (refusal) {
    refuse(connection, id, refusal);
    return true;
  }
  RequestRecord record;
  record.header.kind = RecordKind::kContact;
  record.header.flags = kFlagBigAnswer;
  record.request_id = id;
  record.type = static_cast<std::uint8_t>(contact.op);
  const bool lists = static_cast<ContactOp>(contact.op) == ContactOp::kList;
  return push_request(connection, record, lists ? connection.user_name() : contact.user,
                      request.payload);
}

bool Gateway::take_presence(Connection& connection, std::uint64_t id, const RequestView& request) {
  if (!answer_fits(connection, big_answer_bytes_)) return false;
  PresenceRequestView presence;
  // Every one of a send_only session is UNSUPPORTED, also one that does not decode.
  Refusal refusal = connection.send_only
                        ? check_presence(request, presence, true)
                        : refuse_payload(decode_presence_request(request.payload, presence));
  if (!refusal) refusal = check_presence(request, presence, connection.send_only);
  if (refusal) {
    refuse(connection, id, refusal);
    return true;
  }
  RequestRecord record;
  record.header.kind = RecordKind::kPresence;
  record.header.flags = kFlagBigAnswer;
  record.request_id = id;
  return push_request(connection, record, connection.user_name(), request.payload);
}

}  // namespace ims::gateway
