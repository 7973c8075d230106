// Groups across workers. At the member's side: hubs, which collect the local sessions of a group.
// At the group's side: subscribers, the workers that want its rows.
//
// A hub hears every committed row in the order of seq; where the ring had no room it hears the head
// later and its sessions read the store. It never reads above what it heard.

#include <algorithm>

#include "logic/find_entity.h"
#include "logic/worker.h"

namespace ims::logic {

// ---- the member's side --------------------------------------------------------------------------

GroupHub& Worker::join_hub(GroupId id, TenantId tenant, std::string_view name) {
  auto& slot = hubs_[id.value];
  if (slot != nullptr) return *slot;
  slot = std::make_unique<GroupHub>();
  slot->id = id;
  slot->tenant = tenant;
  slot->name = name;
  slot->hash = hash_name(identity_.hash_seed, tenant_hash(tenant), NameKind::kGroup, name);
  SubscribeRecord record;
  record.group = id;
  record.group_hash = slot->hash;
  record.tenant = tenant;
  record.worker = ports_.index;
  record.name_bytes = static_cast<std::uint8_t>(name.size());
  if (!send_handoff(worker_of(slot->hash, worker_count_), record, HandoffKind::kSubscribe,
                    {name})) {
    unsent_subscriptions_.push_back(id);
  }
  return *slot;
}

std::uint32_t Worker::add_group_feed(Session& session, std::string_view group_name,
                                     const MineRow& mine, std::uint64_t cursor) {
  const auto index = static_cast<std::uint32_t>(session.feed_count());
  GroupFeed& feed = session.groups.emplace_back(cursor, mine.join_seq);
  const TenantId tenant = session.user->tenant;
  if (mine.end_seq == 0) {
    GroupHub& hub = join_hub(mine.group, tenant, group_name);
    feed.set_hub(hub);
    feed.hub_position = static_cast<std::uint32_t>(hub.places.size());
    hub.places.emplace_back(session, index);
    return index;
  }
  const std::uint64_t hash =
      hash_name(identity_.hash_seed, tenant_hash(tenant), NameKind::kGroup, group_name);
  feed.set_end({partition_of(hash), mine.group.value}, mine.end_seq);
  return index;
}

void Worker::leave_hub(Session& session, std::uint32_t feed_index) {
  GroupFeed& feed = session.groups[feed_index - 1];
  GroupHub& hub = *feed.hub();
  const GroupHub::Place moved = hub.places.back();
  hub.places[feed.hub_position] = moved;
  moved.session().groups[moved.feed() - 1].hub_position = feed.hub_position;
  hub.places.pop_back();
  feed.set_unused();
  feed.feed.set_live(false);
  if (!hub.places.empty()) return;

  SubscribeRecord record;
  record.group = hub.id;
  record.group_hash = hub.hash;
  record.tenant = hub.tenant;
  record.worker = ports_.index;
  record.name_bytes = static_cast<std::uint8_t>(hub.name.size());
  // Where the ring is full the owner goes on sending rows that nobody takes, until the next
  // subscription of this group here, or its next unsubscription.
  send_handoff(worker_of(hub.hash, worker_count_), record, HandoffKind::kUnsubscribe, {hub.name});
  hubs_.erase(hub.id.value);
}

// What the group's owner said is durable. Sessions that were LIVE below it catch up.
void Worker::hear(GroupHub& hub, std::uint64_t head) {
  hub.heard_head = std::max(hub.heard_head, head);
  for (const GroupHub::Place& place : hub.places) {
    Feed& feed = place.session().feed(place.feed());
    if (feed.handed() < hub.heard_head) feed.set_live(false);
    enqueue_pump(place.session());
  }
}

void Worker::on_subscribed(const GroupRowRecord& record) {
  const auto it = hubs_.find(record.group.value);
  if (it == hubs_.end()) return;
  it->second->subscribed = true;
  hear(*it->second, record.seq);
}

void Worker::on_group_head(const GroupRowRecord& record) {
  const auto it = hubs_.find(record.group.value);
  if (it == hubs_.end() || !it->second->subscribed) return;
  hear(*it->second, record.seq);
}

void Worker::on_group_row(const GroupRowRecord& record, std::string_view body) {
  const auto it = hubs_.find(record.group.value);
  if (it == hubs_.end() || !it->second->subscribed) return;  // of an earlier subscription
  GroupHub& hub = *it->second;
  if (record.seq <= hub.heard_head) return;
  if (record.seq != hub.heard_head + 1) return hear(hub, record.seq);
  hub.heard_head = record.seq;
  for (const GroupHub::Place& place : hub.places) {
    consider_live(place.session(), place.feed(), record.seq, record.origin_session, body.size());
  }
  push_row(record.seq, body);
}

void Worker::on_group_relay(const GroupRowRecord& record, std::string_view body) {
  const auto it = hubs_.find(record.group.value);
  if (it == hubs_.end()) return;
  for (const GroupHub::Place& place : it->second->places) {
    Session& session = place.session();
    if (session.closing || !session.answered || session.id == record.origin_session) continue;
    fan_[session.connection.gateway()].push_back({&session, place.feed()});
  }
  relay_body(body);
}

// ---- the group's side ---------------------------------------------------------------------------

void Worker::on_subscribe(const SubscribeRecord& record) {
  RecordTail tail(record);
  const std::string_view name = tail.take_text(record.name_bytes);
  Group& group = group_entry(record.tenant, record.group_hash, name);
  const ByteView bytes = bytes_of(record);
  if (!ensure_loaded(group, bytes)) return;
  if (group.state == Entity::State::kAbsent || group.id != record.group) return;
  const auto found = std::find_if(
      group.subscribers.begin(), group.subscribers.end(),
      [&](const Subscriber& subscriber) { return subscriber.worker == record.worker; });
  if (found == group.subscribers.end()) {
    group.subscribers.push_back({record.worker, Subscriber::Owed::kNothing});
    pin(&group);
  }
  GroupRowRecord answer;
  answer.group = group.id;
  answer.seq = group.timeline.head();
  if (!effects_sent(record.worker) ||
      !send_handoff(record.worker, answer, HandoffKind::kSubscribed, {})) {
    for (Subscriber& subscriber : group.subscribers) {
      if (subscriber.worker == record.worker) subscriber.owed = Subscriber::Owed::kSubscribed;
    }
    lagging_.push_back(&group);
    pin(&group);
  }
}

void Worker::on_unsubscribe(const SubscribeRecord& record) {
  RecordTail tail(record);
  const std::string_view name = tail.take_text(record.name_bytes);
  Entity* found = find_entity(NameKind::kGroup, record.tenant, record.group_hash, name);
  if (found == nullptr) return;
  Group& group = static_cast<Group&>(*found);
  const ByteView bytes = bytes_of(record);
  if (must_wait(group, bytes)) return;  // behind the subscription that it ends
  const auto erased = std::erase_if(group.subscribers, [&](const Subscriber& subscriber) {
    return subscriber.worker == record.worker;
  });
  for (std::size_t i = 0; i < erased; ++i) unpin(&group);
}

void Worker::publish_group_row(Group& group, std::uint64_t seq, SessionId origin,
                               std::string_view body) {
  // What was sent to ourselves before goes first, effects above all; whoever left by one of them
  // may have been the last here, so subscribers come and go in it.
  drain_local();
  for (Subscriber& subscriber : group.subscribers) {
    GroupRowRecord row;
    row.group = group.id;
    row.seq = seq;
    row.origin_session = origin;
    row.body_bytes = static_cast<std::uint32_t>(body.size());
    if (subscriber.worker == ports_.index) {
      on_group_row(row, body);
      continue;
    }
    if (subscriber.owed != Subscriber::Owed::kNothing) continue;  // it will hear a later head
    // A membership change that waits for room goes first, or a row would reach who left.
    if (!effects_sent(subscriber.worker) ||
        !send_handoff(subscriber.worker, row, HandoffKind::kGroupRow, {body})) {
      counters_.add(Counter::kHandoffsDropped);
      subscriber.owed = Subscriber::Owed::kHead;
      lagging_.push_back(&group);
      pin(&group);
    }
  }
}

// Who missed rows for lack of room is told the head as soon as there is some.
void Worker::send_lagging_heads() {
  std::vector<Group*> still;
  for (Group* group : lagging_) {
    bool owed = false;
    for (Subscriber& subscriber : group->subscribers) {
      if (subscriber.owed == Subscriber::Owed::kNothing) continue;
      GroupRowRecord record;
      record.group = group->id;
      record.seq = group->timeline.head();
      if (!effects_sent(subscriber.worker)) {
        owed = true;
        continue;
      }
      const HandoffKind kind = subscriber.owed == Subscriber::Owed::kHead
                                   ? HandoffKind::kGroupHead
                                   : HandoffKind::kSubscribed;
      if (send_handoff(subscriber.worker, record, kind, {})) {
        subscriber.owed = Subscriber::Owed::kNothing;
      } else {
        owed = true;
      }
    }
    if (owed) {
      still.push_back(group);
    } else {
      unpin(group);
    }
  }
  lagging_.swap(still);

  std::vector<GroupId> unsent;
  unsent.swap(unsent_subscriptions_);
  for (const GroupId id : unsent) {
    const auto it = hubs_.find(id.value);
    if (it == hubs_.end()) continue;
    SubscribeRecord record;
    record.group = id;
    record.group_hash = it->second->hash;
    record.tenant = it->second->tenant;
    record.worker = ports_.index;
    record.name_bytes = static_cast<std::uint8_t>(it->second->name.size());
    if (!send_handoff(worker_of(it->second->hash, worker_count_), record, HandoffKind::kSubscribe,
                      {it->second->name})) {
      unsent_subscriptions_.push_back(id);
    }
  }
}

}  // namespace ims::logic
