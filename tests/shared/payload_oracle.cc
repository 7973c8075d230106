// The request payloads, spliced pushes included, against libprotobuf.
#include <google/protobuf/unknown_field_set.h>

#include <string>
#include <string_view>
#include <vector>

#include "ims.pb.h"
#include "shared/encode.h"
#include "shared/payload.h"
#include "tests/shared/oracle.h"
#include "tests/shared/wire_oracle.h"

namespace ims {
namespace {

namespace pb = google::protobuf;
using oracle::Difference;
using oracle::parse;

std::vector<std::string> list_of(const StringList& names) {
  std::vector<std::string> list;
  for (const std::string_view name : names) list.emplace_back(name);
  return list;
}

template <typename Repeated>
std::vector<std::string> list_of(const Repeated& names) {
  return {names.begin(), names.end()};
}

// PROTOCOL.md's fields a client may set, each once, nothing unknown: read without our decoder.
bool expect_spliceable(ByteView bytes) {
  pb::UnknownFieldSet fields;
  if (!fields.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  int seen[16] = {};
  for (int i = 0; i < fields.field_count(); ++i) {
    const pb::UnknownField& field = fields.field(i);
    const bool type = field.number() == 1 && field.type() == pb::UnknownField::TYPE_VARINT &&
                      field.varint() <= 0x7fff'ffff;
    const bool bytes_field =
        (field.number() == 2 || (field.number() >= 4 && field.number() <= 6)) &&
        field.type() == pb::UnknownField::TYPE_LENGTH_DELIMITED;
    if (!type && !bytes_field) return false;
    if (++seen[field.number()] > 1) return false;
  }
  return true;
}

void check_splice(ByteView client_message, const MessageView& view, Difference& difference) {
  std::vector<std::byte> both(sender_fields_bytes("alice", "phone"));
  write_sender_fields(both.data(), "alice", "phone");
  both.insert(both.end(), client_message.begin(), client_message.end());
  const SplicedMessage spliced{both, 7, 1'700'000'000'000};
  std::vector<std::byte> push(push_spliced_bytes(spliced));
  if (write_push_spliced(push.data(), spliced) != push.data() + push.size()) {
    difference.fail("spliced push has another length than announced");
  }

  MessageFields fields;
  fields.type = view.type;
  fields.payload = view.payload;
  fields.from = "alice";
  fields.to = view.to;
  fields.group = view.group;
  fields.client_id = view.client_id;
  fields.seq = 7;
  fields.time_ms = 1'700'000'000'000;
  fields.device = "phone";
  std::vector<std::byte> whole(push_message_bytes(fields));
  if (write_push_message(whole.data(), fields) != whole.data() + whole.size()) {
    difference.fail("push has another length than announced");
  }

  ims::Request a;
  ims::Request b;
  ims::Message message_a;
  ims::Message message_b;
  if (parse(push, a) != DecodeStatus::kOk || parse(whole, b) != DecodeStatus::kOk ||
      !message_a.ParseFromString(a.payload()) || !message_b.ParseFromString(b.payload())) {
    difference.fail("a push does not parse");
    return;
  }
  difference.equal("spliced push", message_a.SerializeAsString(), message_b.SerializeAsString());
}

}  // namespace

std::string check_message(ByteView bytes) {
  Difference difference("Message");
  MessageView ours;
  ims::Message theirs;
  if (difference.status(decode_message(bytes, ours), parse(bytes, theirs))) {
    difference.equal("type", ours.type, static_cast<std::int32_t>(theirs.type()));
    difference.bytes_equal("payload", ours.payload, theirs.payload());
    difference.equal("from", ours.from, theirs.from());
    difference.equal("to", ours.to, theirs.to());
    difference.equal("group", ours.group, theirs.group());
    difference.bytes_equal("client_id", ours.client_id, theirs.client_id());
    difference.equal("seq", ours.seq, theirs.seq());
    difference.equal("time_ms", ours.time_ms, theirs.time_ms());
    difference.equal("device", ours.device, theirs.device());
    difference.equal("peer_seq", ours.peer_seq, theirs.peer_seq());
    difference.equal("spliceable", ours.spliceable, expect_spliceable(bytes));
    if (ours.spliceable) check_splice(bytes, ours, difference);
  }
  return difference.text();
}

std::string check_other_payloads(ByteView bytes) {
  Difference ack_difference("AckRequest");
  AckView ack;
  ims::AckRequest ack_theirs;
  if (ack_difference.status(decode_ack(bytes, ack), parse(bytes, ack_theirs))) {
    ack_difference.equal("group", ack.group, ack_theirs.group());
    ack_difference.equal("seq", ack.seq, ack_theirs.seq());
  }
  if (!ack_difference.text().empty()) return ack_difference.text();

  Difference sync_difference("SyncRequest");
  SyncView sync;
  ims::SyncRequest sync_theirs;
  if (sync_difference.status(decode_sync(bytes, sync), parse(bytes, sync_theirs))) {
    sync_difference.equal("group", sync.group, sync_theirs.group());
    sync_difference.equal("after_seq", sync.after_seq, sync_theirs.after_seq());
    sync_difference.equal("limit", sync.limit, sync_theirs.limit());
    sync_difference.equal("before_seq", sync.before_seq, sync_theirs.before_seq());
  }
  if (!sync_difference.text().empty()) return sync_difference.text();

  Difference contact_difference("ContactRequest");
  ContactRequestView contact;
  ims::ContactRequest contact_theirs;
  if (contact_difference.status(decode_contact_request(bytes, contact),
                                parse(bytes, contact_theirs))) {
    contact_difference.equal("op", contact.op, static_cast<std::int32_t>(contact_theirs.op()));
    contact_difference.equal("user", contact.user, contact_theirs.user());
    contact_difference.equal("note", contact.note, contact_theirs.note());
    contact_difference.equal("cursor", contact.cursor, contact_theirs.cursor());
    contact_difference.equal("limit", contact.limit, contact_theirs.limit());
  }
  if (!contact_difference.text().empty()) return contact_difference.text();

  Difference group_difference("GroupRequest");
  GroupRequestView group;
  ims::GroupRequest group_theirs;
  if (group_difference.status(decode_group_request(bytes, group), parse(bytes, group_theirs))) {
    group_difference.equal("op", group.op, static_cast<std::int32_t>(group_theirs.op()));
    group_difference.equal("group", group.group, group_theirs.group());
    group_difference.equal("users", list_of(group.users), list_of(group_theirs.users()));
    group_difference.equal("users.size", group.users.size(),
                           static_cast<std::uint32_t>(group_theirs.users_size()));
    group_difference.equal("name", group.name, group_theirs.name());
    group_difference.equal("role", group.role, static_cast<std::int32_t>(group_theirs.role()));
    group_difference.equal("open", group.open, group_theirs.open());
    group_difference.equal("cursor", group.cursor, group_theirs.cursor());
    group_difference.equal("limit", group.limit, group_theirs.limit());
  }
  if (!group_difference.text().empty()) return group_difference.text();

  Difference presence_difference("PresenceRequest");
  PresenceRequestView presence;
  ims::PresenceRequest presence_theirs;
  if (presence_difference.status(decode_presence_request(bytes, presence),
                                 parse(bytes, presence_theirs))) {
    presence_difference.equal("users", list_of(presence.users), list_of(presence_theirs.users()));
    presence_difference.equal("watch", presence.watch, presence_theirs.watch());
  }
  if (!presence_difference.text().empty()) return presence_difference.text();

  Difference recall_difference("RecallPayload");
  std::uint64_t recall_seq = 0;
  ims::RecallPayload recall_theirs;
  if (recall_difference.status(decode_recall(bytes, recall_seq), parse(bytes, recall_theirs))) {
    recall_difference.equal("seq", recall_seq, recall_theirs.seq());
  }
  return recall_difference.text();
}

}  // namespace ims
