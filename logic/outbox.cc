// The outbox: what a group's change means to its members' owners, at least once and in order.
//
//   group's owner                                         user's owner
//     batch: event, member row, outbox row n
//     durable ──▶ lane of that worker ── kEffect n ──▶    batch: mine row; feeds follow at once
//     erase outbox row n ◀── kEffectDone n, ok ────────   durable
//     send again from the lane's front ◀── not ok ─────   the batch failed
//
// Order      A lane sends in the order of n and goes back to its front after a failure, so the last
//            effect on a membership wins. The receiver leaves out what it applied already.
// Bound      kOutboxMax entries over all lanes; above it GROUP changes are answered OVERLOADED.
// Restart    Every row that is left is queued again before the first turn.

#include <algorithm>

#include "logic/find_entity.h"
#include "logic/worker.h"

namespace ims::logic {
namespace {

constexpr std::size_t kEffectsUnderWayMax = 256;  // per lane

}  // namespace

// ---- the coordinator ----------------------------------------------------------------------------

// In the open batch, before the event's row: its effect is sent before the row is.
void Worker::add_outbox(Group& group, std::string_view user, const MineRow& mine) {
  OutboxRow row;
  row.tenant = group.tenant;
  row.user_name = user;
  row.group_name = group.name;
  row.mine = mine;
  add_outbox(group, row);
}

std::uint64_t Worker::add_outbox(Entity& owner, const OutboxRow& fields) {
  const std::uint64_t number = next_id();
  const std::string row = encode_outbox(fields);
  ops().put(Table::kMeta, outbox_key(owner.partition(), number), row);
  Effect& effect = add_effect(Effect::Kind::kOutbox, &owner);
  effect.number = number;
  effect.payload_offset = static_cast<std::uint32_t>(open_->arena.size());
  effect.payload_bytes = static_cast<std::uint32_t>(row.size());
  open_->arena.append(row);
  return number;
}

std::size_t Worker::outbox_size() const noexcept {
  std::size_t size = 0;
  for (const OutboxLane& lane : outbox_) size += lane.entries.size();
  return size;
}

void Worker::queue_outbox(std::uint64_t number, std::uint16_t partition, const OutboxRow& row,
                          std::string_view encoded) {
  const std::uint64_t user_hash = hash_name(identity_.hash_seed, tenant_hash(row.tenant),
                                            NameKind::kUser, row.user_name);
  const WorkerIndex to = worker_of(user_hash, worker_count_);
  outbox_[to].entries.push_back({number, partition, user_hash, row.kind, std::string(encoded)});
  send_lane(to);
}

void Worker::send_lane(WorkerIndex to) {
  OutboxLane& lane = outbox_[to];
  const std::size_t limit = to == ports_.index ? SIZE_MAX : kEffectsUnderWayMax;
  while (lane.sent < lane.entries.size() && lane.sent < limit) {
    const OutboxEntry& entry = lane.entries[lane.sent];
    EffectRecord record;
    record.number = entry.number;
    if (lane.sent > 0) record.after = lane.entries[lane.sent - 1].number;
    record.user_hash = entry.user_hash;
    record.worker = ports_.index;
    record.partition = entry.partition;
    record.row_bytes = static_cast<std::uint32_t>(entry.row.size());
    if (!send_handoff(to, record, HandoffKind::kEffect, {entry.row})) return;
    ++lane.sent;
  }
}

void Worker::send_outbox() {
  for (std::size_t to = 0; to < outbox_.size(); ++to) send_lane(static_cast<WorkerIndex>(to));
  send_copies();
  // Answers of ours that found no room.
  std::vector<std::pair<WorkerIndex, EffectRecord>> unsent;
  unsent.swap(unsent_effects_done_);
  for (const auto& [to, record] : unsent) {
    if (!send_handoff(to, record, HandoffKind::kEffectDone, {})) {
      unsent_effects_done_.emplace_back(to, record);
    }
  }
}

bool Worker::effects_sent(WorkerIndex to) const noexcept {
  return outbox_[to].sent == outbox_[to].entries.size();
}

// Something for another worker found no room in its ring, or waits behind what found none.
bool Worker::handoffs_wait() const noexcept {
  return !lagging_.empty() || !unsent_subscriptions_.empty() || !unsent_effects_done_.empty() ||
         !unsent_copies_.empty() ||
         std::any_of(outbox_.begin(), outbox_.end(), [](const OutboxLane& lane) {
           return lane.sent < lane.entries.size();
         });
}

void Worker::on_effect_done(const EffectRecord& record) {
  const WorkerIndex from = record.worker;
  OutboxLane& lane = outbox_[from];
  if (!record.ok) {
    lane.sent = 0;  // again from the front; the receiver leaves out what it has
    return;
  }
  if (lane.entries.empty() || lane.entries.front().number != record.number) return;
  const OutboxEntry& done = lane.entries.front();
  erase_outbox(outbox_key(done.partition, record.number));
  if (done.kind == OutboxRow::Kind::kContact) {
    erase_outbox(applied_key(done.partition, record.number));
    contacts_.effect_done(record.number);
  }
  lane.entries.pop_front();
  if (lane.sent > 0) --lane.sent;
}

// Rows leave the store in the order of n: a restart must not find an effect without those that came
// after it.
void Worker::erase_outbox(std::string key) {
  unerased_outbox_.push_back(std::move(key));
  erase_outbox_again();
}

// With those whose batch failed.
void Worker::erase_outbox_again() {
  std::vector<std::string> keys;
  keys.swap(unerased_outbox_);
  for (std::string& key : keys) {
    ops().erase(Table::kMeta, key);
    open_->erased_outbox.push_back(std::move(key));
  }
}

// ---- the user's owner ---------------------------------------------------------------------------

void Worker::tell_effect_done(WorkerIndex to, std::uint64_t number, bool ok) {
  EffectRecord done;
  done.number = number;
  done.worker = ports_.index;
  done.ok = ok;
  if (!send_handoff(to, done, HandoffKind::kEffectDone, {})) {
    unsent_effects_done_.emplace_back(to, done);
  }
}

void Worker::on_effect(const EffectRecord& record) {
  AppliedEffects& applied = applied_[record.worker];
  if (record.number <= applied.committed)
    return tell_effect_done(record.worker, record.number, true);
  if (record.number <= applied.pending) return;  // told when its batch is durable
  if (record.after > applied.pending) return;    // the one before it failed; both come again
  RecordTail tail(record);
  const auto row = decode_outbox(tail.take_text(record.row_bytes));
  IMS_ASSERT(row.has_value());
  User& user = user_entry(row->tenant, record.user_hash, row->user_name);
  // The rows' keys need the user's id. A user that is not in memory is loaded first; effects for
  // others wait behind it, so that their order is kept.
  applied.pending = record.number;
  if (!waiting_effects_.empty() || !effect_is_ready(user, *row)) {
    const ByteView bytes = bytes_of(record);
    // What it means to sessions holds at once: rows behind it are next on the ring.
    if (user.state == Entity::State::kReady && row->kind == OutboxRow::Kind::kMine) {
      apply_mine(user, *row);
    }
    waiting_effects_.emplace_back(as_text(bytes));
    return run_waiting_effects();
  }
  apply_effect(record, user, *row);
}

// What the effect changes is in memory; else it is being read from here on.
bool Worker::effect_is_ready(User& user, const OutboxRow& row) {
  const bool counts = row.kind == OutboxRow::Kind::kContact && user.counts_stale;
  if (user.state != Entity::State::kNew && !counts) return true;
  if (user.reading) return false;  // tried again every turn
  user.reading = true;
  if (user.state == Entity::State::kNew) {
    start_load(make_load(Load::Kind::kEntity, Load::Reason::kEntity, &user));
    return user.state != Entity::State::kNew;
  }
  start_load_quiet(make_load(Load::Kind::kEntity, Load::Reason::kReplay, &user));
  return !user.counts_stale;
}

// Effects whose user is being loaded, in order.
void Worker::run_waiting_effects() {
  while (!waiting_effects_.empty()) {
    const std::string bytes = waiting_effects_.front();
    const auto& record = record_as<EffectRecord>(as_bytes(bytes));
    RecordTail tail(record);
    const auto row = decode_outbox(tail.take_text(record.row_bytes));
    User& user = user_entry(row->tenant, record.user_hash, row->user_name);
    if (!effect_is_ready(user, *row)) return;
    waiting_effects_.pop_front();
    apply_effect(record, user, *row);
  }
}

void Worker::apply_effect(const EffectRecord& record, User& user, const OutboxRow& row) {
  if (user.id() && row.kind == OutboxRow::Kind::kContact) {
    contacts_.apply(user, row);
    ops().put(Table::kMeta, applied_key(record.partition, record.number), "1");
  } else if (user.id()) {
    ops().put(Table::kMeta, mine_key(user.inbox.key(), row.group_name), encode_mine(row.mine));
    note_change(user);
    apply_mine(user, row);
  }
  Effect& effect = add_effect(Effect::Kind::kEffectDone, &user);
  effect.worker = record.worker;
  effect.number = record.number;
}

// In memory the change holds at once: a row behind the end of a membership is never pushed, even if
// the batch should fail (then the effect comes again).
void Worker::apply_mine(User& user, const OutboxRow& row) {
  const MineRow& mine = row.mine;
  if (mine.end_seq == 0) release_place(user);
  if (user.mine != nullptr) {
    auto& all = *user.mine;
    const auto at = std::lower_bound(
        all.begin(), all.end(), row.group_name,
        [](const Mine& a, std::string_view name) { return a.group_name() < name; });
    if (at != all.end() && at->group_name() == row.group_name) {
      if (at->join_seq() <= mine.join_seq) at->set(mine);  // else a later membership is known
    } else {
      all.insert(at, Mine(row.group_name, mine));
    }
  }
  for (Session* session : user.sessions) {
    if (session->send_only) continue;
    std::uint32_t current = 0;
    for (std::uint32_t i = 1; i < session->feed_count(); ++i) {
      if (session->in_use(i) && session->timeline(i).id == mine.group.value) current = i;
    }
    if (mine.end_seq != 0) {
      if (current == 0) continue;
      GroupFeed& feed = session->groups[current - 1];
      if (feed.join_seq() != mine.join_seq) continue;  // the end of an earlier membership
      const TimelineKey timeline = session->timeline(current);
      if (feed.hub() != nullptr) leave_hub(*session, current);
      feed.set_end(timeline, mine.end_seq);
      feed.feed.set_live(false);
      enqueue_pump(*session);
      continue;
    }
    if (current != 0) {
      GroupFeed& feed = session->groups[current - 1];
      if (feed.join_seq() >= mine.join_seq) continue;  // applied before
      // Joined anew: what was left of the first membership is no longer theirs to see.
      if (feed.hub() != nullptr) leave_hub(*session, current);
      feed.set_unused();
    }
    add_group_feed(*session, row.group_name, mine, mine.join_seq - 1);
    enqueue_pump(*session);
  }
}

}  // namespace ims::logic
