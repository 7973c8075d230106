// MESSAGE: from one user to one user, or to a group. The gateway has checked its form.
//
//   runs on   the recipient's or the group's owner
//   offline   one row in the recipient's inbox or in the group's timeline; answered and pushed when
//             it is durable
//   else      relayed to who is online now, seq 0, never stored
//   checks    dedupe; NOT_FOUND; FORBIDDEN (muted, no member); space; QUEUE_FULL: in this order

#include "logic/find_entity.h"
#include "logic/worker.h"
#include "shared/encode.h"
#include "shared/request_parts.h"

namespace ims::logic {
namespace {

// Is a relayed message for this session of the recipient?
bool hears(const Session& session, const RequestRecord& record) {
  return !session.send_only && !session.closing && session.id != record.session;
}

}  // namespace

void Worker::handle_message(const RequestRecord& record) {
  if ((record.header.flags & (kFlagOffline | kFlagToGroup)) == 0) return handle_relayed(record);
  const RequestParts parts(record);
  const bool to_group = (record.header.flags & kFlagToGroup) != 0;
  const bool offline = (record.header.flags & kFlagOffline) != 0;
  Entity& target = to_group ? static_cast<Entity&>(group_entry(record.tenant, record.target_hash,
                                                               parts.target()))
                            : user_entry(record.tenant, record.target_hash, parts.target());
  if (!ensure_loaded(target, bytes_of(record))) return;
  const Requester to = requester_of(record);
  if (target.state == Entity::State::kAbsent) return refuse(to, Code::kNotFound);
  Timeline& timeline = timeline_of(target);

  const bool is_named = offline && !parts.client_id().empty();
  DedupeKey key;
  ContentHash content;
  if (is_named) {
    key = DedupeKey(identity_.hash_seed, timeline.id(), record.sender, parts.client_id());
    content = hash_content(record.type, parts.payload());
    if (is_duplicate(record, parts, target, timeline, key, content)) return;
  }

  if (to_group) {
    Group& group = static_cast<Group&>(target);
    if (group.dismissed) return refuse(to, Code::kNotFound);
    const std::string_view from = parts.from();
    if (!ensure_members(group, {&from, 1}, bytes_of(record))) return;
    const Member& member = member_of(group, from);
    if (!member.exists) return answer(to, Code::kForbidden, "You are no member of the group.");
    if (member.row.muted) return answer(to, Code::kForbidden, "You are muted in the group.");
  } else if (!may_write(record, parts.from(), static_cast<User&>(target))) {
    return;
  }
  if (!offline) {
    counters_.add(Counter::kMessagesRelayed);
    return relay_to_group(record, parts, static_cast<Group&>(target));
  }
  std::string recalled;
  const bool recalls = record.type == static_cast<std::uint8_t>(MessageType::kRecall);
  // From here on nothing parks but a full timeline's search, and a RECALL's.
  if (timeline.row_count() >= config_.max_timeline_rows &&
      !ensure_fresh(target, timeline, bytes_of(record))) {
    return;
  }
  if (recalls && !find_recalled(record, parts, target, timeline, recalled)) return;
  if (timeline.row_count() >= config_.max_timeline_rows) {
    return answer(to, Code::kQueueFull, "The recipient's queue is full.");
  }
  if (!ports_.store->has_space()) return refuse(to, Code::kUnavailable);
  if (recalls) put_recalled(timeline, recalled);
  store_message(record, parts, target, timeline);
  if (is_named) {
    Effect& effect = open_->effects.back();
    effect.dedupe_offset = static_cast<std::uint32_t>(open_->arena.size());
    effect.has_dedupe = true;
    open_->arena.append(reinterpret_cast<const char*>(&key), sizeof key);
    pending_dedupe_[key] = {content, {}};
  }
}

void Worker::store_message(const RequestRecord& record, const RequestParts& parts, Entity& target,
                           Timeline& timeline) {
  std::int64_t time_ms = 0;
  const std::uint64_t seq = append_row(target, timeline, time_ms);
  const SplicedMessage message = parts.message(seq, time_ms);
  const RowSlot slot = put_row(target, timeline, seq, time_ms, record.session, record.sender,
                               RowKind::kMessage, push_spliced_bytes(message));
  write_push_spliced(slot.body, message);
  counters_.add(Counter::kPayloadBytesCopied, parts.payload().size());
  wait_for_batch(slot.effect, requester_of(record));
  // A message to oneself is one row.
  slot.effect.copies = (record.header.flags & (kFlagCopies | kFlagToGroup)) == kFlagCopies &&
                       static_cast<User&>(target).id() != record.sender;
}

// A block holds for stored and relayed messages. False: parked, or answered.
bool Worker::may_write(const RequestRecord& record, std::string_view from, User& user) {
  if (!Contacts::may_block(user)) return true;
  if (!contacts_.ensure(user, {&from, 1}, bytes_of(record))) return false;
  if (!contacts_.view(user, from).blocked) return true;
  answer(requester_of(record), Code::kForbidden, "The user has blocked you.");
  return false;
}

// ---- relay --------------------------------------------------------------------------------------

// To one user, not stored: what is no more than a look-up and a record for nearly every message.
void Worker::handle_relayed(const RequestRecord& record) {
  const RequestParts parts(record);
  User& user = user_entry(record.tenant, record.target_hash, parts.target());
  if (user.state == Entity::State::kReady && !user.reading && user.parked.empty()) [[likely]] {
    counters_.add(Counter::kCacheHits);
  } else if (!ensure_loaded(user, bytes_of(record))) {
    return;
  }
  if (user.state == Entity::State::kAbsent) return refuse(requester_of(record), Code::kNotFound);
  if (Contacts::may_block(user) && !may_write(record, parts.from(), user)) return;
  counters_.add(Counter::kMessagesRelayed);
  // A record that was parked is no longer in its ring.
  const ByteRing& ring = *ports_.requests[record.connection.gateway()];
  if (ring.holds(&record) && waiting_answers_.empty()) [[likely]] {
    return relay_in_place(record, user, ring.offset(&record));
  }
  relay_to_user(record, parts, user);
}

void Worker::relay_to_user(const RequestRecord& record, const RequestParts& parts, User& user) {
  const std::int64_t time_ms = now_.wall_ms;
  bool anyone = false;
  for (Session* session : user.sessions) {
    if (!hears(*session, record)) continue;
    anyone = true;
    if (!session->answered) continue;  // its login answer goes first; it counts as online
    fan_[session->connection.gateway()].push_back({session, 0});
  }
  const Requester to = requester_of(record);
  if (!anyone) return refuse(to, Code::kOffline);
  relay(parts.message(0, time_ms));
  answer(to, Code::kOk, {}, 0, time_ms);
}

// Every gateway concerned is told where the request is; the last of them also answers it, where it
// is the sender's own.
void Worker::relay_in_place(const RequestRecord& record, const User& user, std::uint32_t offset) {
  RelayRecord relayed;
  relayed.header.kind = RecordKind::kRelay;
  relayed.time_ms = now_.wall_ms;
  relayed.offset = offset;
  relayed.gateway = record.connection.gateway();
  std::size_t targets = 0;
  for (const Session* session : user.sessions) targets += hears(*session, record) ? 1 : 0;
  if (targets == 0) return refuse(requester_of(record), Code::kOffline);
  const std::uint8_t fanout = targets > 1 ? kFlagFanout : 0;
  bool answered = false;
  TraceId trace = record.trace;
  for (const Session* session : user.sessions) {
    if (!hears(*session, record)) continue;
    --targets;
    if (!session->answered) continue;  // its login answer goes first; it counts as online
    const GatewayIndex gateway = session->connection.gateway();
    RecordWriter writer(*ports_.deliveries[gateway], sizeof relayed);
    if (!writer.ok()) {
      counters_.add(Counter::kRelayedDropped);
      continue;
    }
    answered = targets == 0 && gateway == relayed.gateway;
    relayed.header.flags = static_cast<std::uint8_t>(fanout | (answered ? kFlagAnswer : 0));
    if (trace != 0) [[unlikely]] {  // it ends with the first push
      enter(std::exchange(trace, 0), Stage::kDeliveryRing);
      relayed.header.flags |= kFlagTraced;
    }
    relayed.target = session->connection;
    writer.header(relayed);
    writer.commit();
    relay_pins_.add();
  }
  if (answered) {
    counters_.add(Counter::kResponseOk);
  } else {
    Requester to = requester_of(record);
    to.trace = trace;
    answer(to, Code::kOk, {}, 0, relayed.time_ms);
  }
}

void Worker::relay_to_group(const RequestRecord& record, const RequestParts& parts, Group& group) {
  const std::int64_t time_ms = now_.wall_ms;
  if (!group.subscribers.empty()) {
    const SplicedMessage message = parts.message(0, time_ms);
    result_.resize(push_spliced_bytes(message));
    write_push_spliced(result_.data(), message);
    const std::string_view body = as_text(result_);
    for (const Subscriber& subscriber : group.subscribers) {
      GroupRowRecord row;
      row.group = group.id;
      row.origin_session = record.session;
      row.body_bytes = static_cast<std::uint32_t>(body.size());
      if (subscriber.worker == ports_.index) {
        on_group_relay(row, body);
      } else if (!send_handoff(subscriber.worker, row, HandoffKind::kGroupRelay, {body})) {
        counters_.add(Counter::kRelayedDropped);
      }
    }
  }
  answer(requester_of(record), Code::kOk, {}, 0, time_ms);
}

}  // namespace ims::logic
