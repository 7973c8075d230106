// Batches: what a turn changed goes to the committer as one unit; what waits for it is released in
// order when it is durable, and refused in order when it is not.
//
//   open ──submit──▶ in flight ──result──▶ committed ──released──▶ free
//                        └── failed: this batch, all behind it and the open one are refused,
//                            pending state is dropped, the epoch goes up

#include <algorithm>
#include <cstring>
#include <utility>

#include "logic/worker.h"

namespace ims::logic {
namespace {

// A batch that nobody needed for so long gives its room back.
constexpr std::int64_t kBatchIdleMs = 5'000;

DedupeKey dedupe_key_at(std::string_view arena, std::size_t offset) noexcept {
  DedupeKey key;
  std::memcpy(&key, arena.substr(offset, sizeof key).data(), sizeof key);
  return key;
}

}  // namespace

Batch& Worker::open_batch() {
  if (open_ == nullptr) {
    IMS_ASSERT(!free_batches_.empty());
    open_ = free_batches_.back();
    free_batches_.pop_back();
    open_->number = ++batch_number_;
    open_->worker = ports_.index;
    open_->epoch = epoch_;
    open_->messages = 0;
  }
  return *open_;
}

Effect& Worker::add_effect(Effect::Kind kind, Entity* owner) {
  Effect& effect = open_batch().effects.emplace_back();
  effect.kind = kind;
  effect.owner = owner;
  if (owner != nullptr) pin(owner);
  return effect;
}

bool Worker::batch_is_pending(std::uint64_t number) const noexcept {
  const auto is_it = [&](const Batch* batch) { return batch->number == number; };
  return (open_ != nullptr && is_it(open_)) || std::ranges::any_of(in_flight_, is_it) ||
         std::ranges::any_of(committed_, is_it);
}

bool Worker::is_dirty(const Timeline& timeline) const noexcept {
  if (timeline.dirty_mark == 0) return false;
  const auto is_it = [&](const Batch* batch) { return batch->mark() == timeline.dirty_mark; };
  return (open_ != nullptr && is_it(open_)) || std::ranges::any_of(in_flight_, is_it) ||
         std::ranges::any_of(committed_, is_it);
}

Batch* Worker::last_batch() const noexcept {
  if (open_ != nullptr) return open_;
  if (!in_flight_.empty()) return in_flight_.back();
  return committed_.empty() ? nullptr : committed_.back();
}

// The head row of each timeline that grew is written once per batch, with what is pending now.
void Worker::touch_head(Entity& owner) {
  Batch& batch = open_batch();
  Timeline& timeline = timeline_of(owner);
  if (timeline.dirty_mark == batch.mark()) return;
  timeline.dirty_mark = batch.mark();
  batch.heads.push_back(&owner);
  pin(&owner);
}

std::uint64_t Worker::append_row(Entity& owner, Timeline& timeline, std::int64_t& time_ms) {
  time_ms = now_.wall_ms;
  const std::uint64_t seq = timeline.append(time_ms);
  ++open_batch().messages;
  counters_.add(Counter::kRowsStored);
  touch_head(owner);
  return seq;
}

// The row itself, and the effect that pushes it once it is durable; `seq` and `time_ms` are
// append_row()'s.
RowSlot Worker::put_row(Entity& owner, const Timeline& timeline, std::uint64_t seq,
                        std::int64_t time_ms, SessionId origin, UserId sender, RowKind kind,
                        std::size_t body_bytes) {
  scratch_.clear();
  append_row_header(scratch_, time_ms, origin, sender, kind);
  char* value =
      ops().append_space(row_key(timeline.key(), seq), kRowHeaderBytes + body_bytes);
  std::memcpy(value, scratch_.data(), kRowHeaderBytes);
  const std::size_t body_offset = ops().last_value_offset() + kRowHeaderBytes;
  Effect& effect = add_effect(Effect::Kind::kRow, &owner);
  effect.row_kind = kind;
  effect.origin_session = origin;
  effect.seq = seq;
  effect.time_ms = time_ms;
  effect.body_offset = static_cast<std::uint32_t>(body_offset);
  effect.body_bytes = static_cast<std::uint32_t>(body_bytes);
  return {reinterpret_cast<std::byte*>(value + kRowHeaderBytes), effect};
}

void Worker::submit_batch() {
  if (open_ == nullptr) return;
  if (in_flight_.size() + committed_.size() >= kBatchesInFlightMax) return;
  Batch& batch = *open_;
  for (Entity* owner : batch.heads) {
    if (owner->kind == NameKind::kUser) {
      const User& user = static_cast<const User&>(*owner);
      batch.batch.put(Table::kMeta, user_key(user.partition(), user.tenant, user.name),
                      encode_user({user.id(), user.inbox.pending(), user.last_seen_ms, user.removed,
                                   user.contact_count, user.blocked_count, user.online_boot}));
    } else {
      const Group& group = static_cast<const Group&>(*owner);
      batch.batch.put(Table::kMeta, group_key(group.partition(), group.tenant, group.name),
                      encode_group({group.id, group.timeline.pending(), group.label,
                                    group.member_count, group.open, group.dismissed}));
    }
  }
  open_ = nullptr;
  if (batch.batch.empty()) {
    // Nothing to write: it only waits for those before it.
    batch.result = StoreStatus::kOk;
    if (in_flight_.empty()) {
      committed_.push_back(&batch);
      take_committed();
      return;
    }
  }
  in_flight_.push_back(&batch);
  CommitBatch* commit = &batch;
  const bool pushed = ports_.commits->submitted.try_push(commit);
  IMS_ASSERT(pushed);  // capacity >= kBatchesInFlightMax
  published_.commits = true;
}

bool Worker::take_committed() {
  bool worked = false;
  while (auto done = ports_.commits->done.try_pop()) {
    worked = true;
    IMS_ASSERT(!in_flight_.empty() && in_flight_.front() == *done);
    Batch& batch = *in_flight_.front();
    in_flight_.pop_front();
    if (batch.result == StoreStatus::kOk) {
      committed_.push_back(&batch);
    } else {
      // Everything before it is durable and must leave first: answers keep their order.
      while (!committed_.empty()) {
        Batch* before = committed_.front();
        committed_.pop_front();
        release(*before, true);
        finish_batch(before);
      }
      fail_pending(batch);
    }
  }
  while (!committed_.empty()) {
    Batch* batch = committed_.front();
    const std::size_t released_before = batch->released;
    const bool whole = release(*batch, false);
    worked |= whole || batch->released != released_before;
    if (!whole) break;
    committed_.pop_front();
    finish_batch(batch);
  }
  return worked;
}

void Worker::finish_batch(Batch* batch) {
  for (Entity* owner : batch->heads) {
    Timeline& timeline = timeline_of(*owner);
    if (timeline.dirty_mark == batch->mark()) timeline.dirty_mark = 0;
    unpin(owner);
  }
  batch->heads.clear();
  batch->effects.clear();
  batch->released = 0;
  batch->arena.clear();
  batch->erased_outbox.clear();
  batch->batch.clear();
  batch->finished_ms = now_.mono_ms;
  free_batches_.push_back(batch);
}

void Worker::shrink_batches() {
  for (Batch* batch : free_batches_) {
    if (now_.mono_ms - batch->finished_ms > kBatchIdleMs) batch->shrink();
  }
}

// True when all its effects left; false when answers wait for room in a delivery ring (`force` lets
// them wait in memory: what follows must see all of this batch as durable).
bool Worker::release(Batch& batch, bool force) {
  while (batch.released < batch.effects.size()) {
    if (!force && !waiting_answers_.empty()) return false;
    // A copy: a load that goes on may add effects to this very batch.
    const Effect effect = batch.effects[batch.released++];
    release_effect(batch, effect);
    if (effect.owner != nullptr) unpin(effect.owner);
  }
  return true;
}

void Worker::release_effect(Batch& batch, const Effect& effect) {
  const std::string_view arena = batch.arena;
  const std::string_view payload = arena.substr(effect.payload_offset, effect.payload_bytes);
  switch (effect.kind) {
    case Effect::Kind::kRow: {
      const std::string_view body =
          batch.batch.bytes().substr(effect.body_offset, effect.body_bytes);
      Entity& owner = *effect.owner;
      const bool to_group = owner.kind == NameKind::kGroup;
      timeline_of(owner).commit(effect.seq, effect.time_ms);
      if (effect.meta) --static_cast<Group&>(owner).pending_changes;

      answer(effect.requester, effect.code, {}, effect.seq, effect.time_ms, payload);
      if (effect.has_dedupe) {
        const DedupeKey key = dedupe_key_at(arena, effect.dedupe_offset);
        dedupe_->insert(key.hash, effect.seq, now_.wall_ms);
        const auto it = pending_dedupe_.find(key);
        if (it != pending_dedupe_.end()) {
          for (const Requester& waiter : it->second.waiters) {
            answer(waiter, Code::kOk, {}, effect.seq, effect.time_ms, {}, true);
          }
          pending_dedupe_.erase(it);
        }
      }
      if (to_group) {
        publish_group_row(static_cast<Group&>(owner), effect.seq, effect.origin_session, body);
      } else {
        for (Session* session : static_cast<User&>(owner).sessions) {
          if (session->send_only) continue;
          consider_live(*session, 0, effect.seq, effect.origin_session, body.size());
        }
        push_row(effect.seq, body);
        if (effect.copies) send_copy(static_cast<User&>(owner), effect, body);
      }
      break;
    }
    case Effect::Kind::kAnswer:
      if (effect.meta) --static_cast<Group&>(*effect.owner).pending_changes;
      answer(effect.requester, effect.code, {}, effect.seq, effect.time_ms, payload);
      break;
    case Effect::Kind::kLogin: {
      device_is_stored(static_cast<User&>(*effect.owner), payload);
      Session* session = find_session(effect.requester.connection);
      if (session != nullptr && session->id == effect.origin_session) {
        session->login_durable = true;
        send_login_answer(*session);
      }
      break;
    }
    case Effect::Kind::kOutbox:
      if (const auto row = decode_outbox(payload)) {
        queue_outbox(effect.number, effect.owner->partition(), *row, payload);
      }
      break;
    case Effect::Kind::kEffectDone: {
      AppliedEffects& applied = applied_[effect.worker];
      applied.committed = std::max(applied.committed, effect.number);
      tell_effect_done(effect.worker, effect.number, true);
      break;
    }
    case Effect::Kind::kLoad: start_load(effect.load); break;
    case Effect::Kind::kAdmin: finish_admin(effect.command, true); break;
  }
}

// ---- failure ------------------------------------------------------------------------------------

// `first` failed. Everything submitted behind it will fail too (same epoch), and what is open
// builds on it: all of it is refused now, in order; what the committer still returns of it is
// ignored.
void Worker::fail_pending(Batch& first) {
  counters_.add(Counter::kCommitFailures);
  store_lost_ = first.result == StoreStatus::kIoError;
  // Reads that waited for these batches go on once all that is pending is dropped: what they replay
  // must not see half of it.
  std::vector<Load*> loads;
  const auto go_on = [&] {
    for (Load* load : loads) start_load_quiet(load);
  };
  fail_batch(first, loads);
  drop_pending_state(first);
  finish_batch(&first);
  if (first.epoch < epoch_) return go_on();  // a follower of a failure that was handled before

  ++epoch_;
  counters_.set(Counter::kStoreFailureEpoch, epoch_);
  for (Batch* batch : in_flight_) {
    fail_batch(*batch, loads);
    drop_pending_state(*batch);
    for (Entity* owner : batch->heads) unpin(owner);
    batch->heads.clear();
    batch->effects.clear();
    batch->released = 0;
  }
  if (open_ != nullptr) {
    Batch* batch = open_;
    open_ = nullptr;
    fail_batch(*batch, loads);
    drop_pending_state(*batch);
    finish_batch(batch);
  }
  if (first.result == StoreStatus::kIoError) {  // for ever: the process is about to end
    for (const auto& session : sessions_) {
      if (session->closing) continue;
      session->closing = true;
      disconnect(session->connection, DisconnectCode::kUnavailable,
                 "The store failed; the server restarts.");
    }
  }
  for (AppliedEffects& applied : applied_) applied.pending = applied.committed;
  // Those that wait for their user would come again beside themselves.
  for (const std::string& bytes : std::exchange(waiting_effects_, {})) {
    const auto& record = record_as<EffectRecord>(as_bytes(bytes));
    tell_effect_done(record.worker, record.number, false);
  }
  for (const auto& session : sessions_) {  // cursors that were in those batches
    for (std::size_t i = 0; i < session->feed_count(); ++i) {
      if (session->in_use(i)) mark_dirty(*session, session->feed(i));
    }
  }
  go_on();
}

// UNAVAILABLE says that nothing was kept. After a failed sync nobody can say so: recovery decides.
void Worker::refuse_failed(const Requester& to) {
  if (!store_lost_) return refuse(to, Code::kUnavailable);
  answer(to, Code::kFail, "The store failed; whether this was kept shows after its recovery.");
}

void Worker::fail_batch(Batch& batch, std::vector<Load*>& loads) {
  for (; batch.released < batch.effects.size(); ++batch.released) {
    const Effect effect = batch.effects[batch.released];  // a copy, as in release()
    const std::string_view arena = batch.arena;
    switch (effect.kind) {
      case Effect::Kind::kRow:
        if (effect.is_own_copy()) counters_.add(Counter::kCopiesLost);
        if (effect.has_dedupe) {
          const auto it = pending_dedupe_.find(dedupe_key_at(arena, effect.dedupe_offset));
          if (it != pending_dedupe_.end()) {
            for (const Requester& waiter : it->second.waiters) refuse_failed(waiter);
            pending_dedupe_.erase(it);
          }
        }
        [[fallthrough]];
      case Effect::Kind::kAnswer: refuse_failed(effect.requester); break;
      case Effect::Kind::kLogin: {
        Session* session = find_session(effect.requester.connection);
        if (session != nullptr && session->id == effect.origin_session) {
          refuse_login(effect.requester, Code::kUnavailable,
                       "The store cannot write now; try again.");
          session->closing = true;
          end_session(*session);
        }
        forget_unstored(static_cast<User&>(*effect.owner),
                        arena.substr(effect.payload_offset, effect.payload_bytes));
        break;
      }
      case Effect::Kind::kOutbox: contacts_.effect_failed(effect.number); break;
      case Effect::Kind::kEffectDone:
        tell_effect_done(effect.worker, effect.number, false);
        break;
      case Effect::Kind::kLoad: loads.push_back(effect.load); break;
      case Effect::Kind::kAdmin: finish_admin(effect.command, false); break;
    }
    if (effect.owner != nullptr) unpin(effect.owner);
  }
}

// What was pending is forgotten: timelines go on from their durable head; groups and memberships
// are read again. first_seq knowledge stays: rows only ever leave at that end.
void Worker::drop_pending_state(Batch& batch) {
  for (std::string& key : batch.erased_outbox) unerased_outbox_.push_back(std::move(key));
  batch.erased_outbox.clear();
  for (Entity* owner : batch.heads) {
    timeline_of(*owner).drop_pending();
    if (owner->kind == NameKind::kUser) {
      User& user = static_cast<User&>(*owner);
      user.mine.reset();
      user.forget_contacts();
      user.counts_stale = true;
      flush_again(user);
      if (user.sessions.empty()) user.state = Entity::State::kNew;
    } else {
      Group& group = static_cast<Group&>(*owner);
      group.members.clear();
      group.pending_changes = 0;
      group.state = Entity::State::kNew;
    }
  }
}

}  // namespace ims::logic
