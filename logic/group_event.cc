// What every change of a group ends in: member rows, the event row, and the answer that waits for
// it.

#include "logic/group_call.h"
#include "logic/worker.h"
#include "shared/encode.h"

namespace ims::logic {

void Worker::set_member(Group& group, std::string_view user, const Member& member) {
  const std::string key = member_key(group.timeline.key(), user);
  if (member.exists) {
    ops().put(Table::kMeta, key, encode_member(member.row));
  } else {
    ops().erase(Table::kMeta, key);
  }
  group.members[std::string(user)] = member;
}

// The push of the event must fit a frame: its users came in one, but its other fields may be
// longer.
bool Worker::event_fits(const GroupCall& call, std::span<const std::string_view> users) const {
  GroupEventFields fields;
  fields.op = call.op;
  fields.group = call.target;
  fields.by = call.from;
  fields.users = users;
  fields.seq = UINT64_MAX;
  fields.time_ms = INT64_MAX;
  fields.name = call.request.name;
  fields.role = call.role;
  // Room for what a SyncResult puts around it, which is more than a push does.
  return push_group_event_bytes(fields) + kSmallAnswerBytes <= config_.max_frame_bytes;
}

// Into result_, as long as the answer still fits a frame.
void Worker::add_result_member(const MemberFields& member) {
  const std::size_t before = result_.size();
  append_group_member(result_, member);
  if (result_.size() + kGroupTailBytesMax + kSmallAnswerBytes > config_.max_frame_bytes) {
    result_.resize(before);
  }
}

// The event row behind the changes of this request, all in the open batch; `result_` holds the
// members that the answer names.
void Worker::group_event(const RequestRecord& record, Group& group, const GroupCall& call,
                         std::span<const std::string_view> users, std::uint64_t seq,
                         std::int64_t time_ms) {
  GroupEventFields fields;
  fields.op = call.op;
  fields.group = group.name;
  fields.by = call.from;
  fields.users = users;
  fields.seq = seq;
  fields.time_ms = time_ms;
  if (call.op == GroupOp::kCreate || call.op == GroupOp::kRename) fields.name = group.label;
  if (call.op == GroupOp::kSetRole) fields.role = call.role;

  const RowSlot slot = put_row(group, group.timeline, seq, time_ms, record.session, record.sender,
                               RowKind::kGroupEvent, push_group_event_bytes(fields));
  write_push_group_event(slot.body, fields);

  append_group_tail(result_, {.group = group.name,
                              .name = group.label,
                              .member_count = group.member_count,
                              .head_seq = seq,
                              .cursor = {},
                              .open = group.open});
  Effect& effect = slot.effect;
  wait_for_batch(effect, requester_of(record));
  effect.meta = true;
  effect.payload_offset = static_cast<std::uint32_t>(open_->arena.size());
  effect.payload_bytes = static_cast<std::uint32_t>(result_.size());
  open_->arena.append(as_text(result_));
  ++group.pending_changes;
}

// A request that changes nothing: OK without an event, behind what is pending already.
void Worker::group_unchanged(const RequestRecord& record, Group& group) {
  result_.clear();
  append_group_tail(result_, {.group = group.name,
                              .name = group.label,
                              .member_count = group.member_count,
                              .head_seq = group.timeline.head(),
                              .cursor = {},
                              .open = group.open});
  if (group.pending_changes == 0) {
    return answer(requester_of(record), Code::kOk, {}, 0, 0, as_text(result_));
  }
  Effect& effect = add_effect(Effect::Kind::kAnswer, &group);
  wait_for_batch(effect, requester_of(record));
  effect.payload_offset = static_cast<std::uint32_t>(open_->arena.size());
  effect.payload_bytes = static_cast<std::uint32_t>(result_.size());
  open_->arena.append(as_text(result_));
}

void Worker::group_info(const RequestRecord& record, Group& group) {
  group_unchanged(record, group);
}

}  // namespace ims::logic
