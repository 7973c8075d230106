// What is read for users and groups: at once where it is in memory, else through the reader while
// the request that needs it is parked; and what a finished read means.

#include <algorithm>

#include "logic/login_record.h"
#include "logic/worker.h"

namespace ims::logic {
namespace {

constexpr std::size_t kMembersCachedMax = 8192;  // per group; above, the cache starts anew

}  // namespace

bool Worker::ensure_loaded(Entity& entity, ByteView record) {
  if (must_wait(entity, record)) return false;
  if (entity.state != Entity::State::kNew) {
    counters_.add(Counter::kCacheHits);
    return true;
  }
  begin_load(entity);
  if (!entity.reading) return true;  // it was in memory
  park(entity, record);
  return false;
}

void Worker::begin_load(Entity& entity) {
  counters_.add(Counter::kCacheMisses);
  entity.reading = true;
  start_load(make_load(Load::Kind::kEntity, Load::Reason::kEntity, &entity));
}

// For a record that asks about many users: what has to be read is asked for side by side, and
// it waits for the last one alone. Were each waited for in turn, a list of n cold users would cost
// n reads one behind the other, and n * n / 2 look-ups. False: parked.
bool Worker::ensure_all_loaded(std::span<User* const> users, bool with_mine, ByteView record) {
  for (User* user : users) {
    if (user->state == Entity::State::kNew && may_prefetch(*user)) begin_load(*user);
  }
  for (auto user = users.rbegin(); user != users.rend(); ++user) {
    if (!ensure_loaded(**user, record)) return false;
  }
  if (!with_mine) return true;
  const auto lacks_mine = [](const User& user) {
    return user.state == Entity::State::kReady && user.mine == nullptr;
  };
  for (User* user : users) {
    if (lacks_mine(*user) && may_prefetch(*user)) begin_mine(*user);
  }
  for (auto user = users.rbegin(); user != users.rend(); ++user) {
    if (lacks_mine(**user) && !ensure_mine(**user, record)) return false;
  }
  return true;
}

bool Worker::may_prefetch(const Entity& entity) const noexcept {
  return !entity.reading && entity.parked.empty() &&
         loads_in_flight_ + waiting_loads_.size() < kReadsInFlightPerWorkerMax;
}

// first_seq is as of now: rows that passed out of retention are no longer counted.
bool Worker::ensure_fresh(Entity& entity, Timeline& timeline, ByteView record) {
  const TimelineState known = timeline.durable();
  if (known.first_seq > known.head || known.first_time_ms >= retention_cutoff_ms()) return true;
  if (must_wait(entity, record)) return false;
  entity.reading = true;
  Load* load = make_load(Load::Kind::kFirstSeq, Load::Reason::kReplay, &entity);
  load->timeline_key = timeline.key();
  load->timeline = known;
  start_load(load);
  if (!entity.reading) return true;
  park(entity, record);
  return false;
}

bool Worker::ensure_mine(User& user, ByteView record) {
  if (must_wait(user, record)) return false;
  if (user.mine != nullptr) return true;
  begin_mine(user);
  if (!user.reading) return true;
  park(user, record);
  return false;
}

void Worker::begin_mine(User& user) {
  user.reading = true;
  Load* load = make_load(Load::Kind::kMine, Load::Reason::kReplay, &user);
  load->timeline_key = user.inbox.key();
  start_load_quiet(load);
}

bool Worker::ensure_members(Group& group, std::span<const std::string_view> names,
                            ByteView record) {
  if (must_wait(group, record)) return false;
  if (group.members.size() > kMembersCachedMax && group.pending_changes == 0 &&
      replaying_ != &group) {
    group.members.clear();
  }
  Load* load = nullptr;
  for (const std::string_view name : names) {
    if (group.members.contains(std::string(name))) continue;
    if (load == nullptr) load = make_load(Load::Kind::kGets, Load::Reason::kReplay, &group);
    load->gets.push_back({Table::kMeta, member_key(group.timeline.key(), name), {}, {}});
  }
  if (load == nullptr) return true;
  group.reading = true;
  start_load(load);
  if (!group.reading) return true;
  park(group, record);
  return false;
}

// The row under `key` in a timeline of `entity`: found by a load before, or in memory. Else, and
// where it is not durable yet or will not stay as it is (`pending`), it is read once all that was
// submitted is durable. Nothing: parked until then, or refused.
std::optional<StoreStatus> Worker::read_row(Entity& entity, const std::string& key, bool pending,
                                            ByteView record, std::string& value) {
  const auto loaded = read_rows_.find(key);
  if (loaded != read_rows_.end()) {
    value = std::move(loaded->second);
    read_rows_.erase(loaded);
    return value.empty() ? StoreStatus::kNotFound : StoreStatus::kOk;
  }
  const StoreStatus status =
      pending ? StoreStatus::kIncomplete
              : ports_.store->get(Table::kRows, key, &value, ReadTier::kCacheOnly);
  if (status != StoreStatus::kIncomplete) return status;
  if (must_wait(entity, record)) return std::nullopt;
  entity.reading = true;
  Load* load = make_load(Load::Kind::kGets, Load::Reason::kReplay, &entity);
  load->gets.push_back({Table::kRows, key, {}, {}});
  park(entity, record);
  start_load_quiet(load);
  return std::nullopt;
}

const Member& Worker::member_of(Group& group, std::string_view user) const {
  static const Member kNone;
  const auto it = group.members.find(std::string(user));
  return it == group.members.end() ? kNone : it->second;
}

Load* Worker::make_load(Load::Kind kind, Load::Reason reason, Entity* entity) {
  if (free_loads_.empty()) {
    loads_.push_back(std::make_unique<Load>());
    free_loads_.push_back(loads_.back().get());
  }
  Load* load = free_loads_.back();
  free_loads_.pop_back();
  load->load_kind = kind;
  load->reason = reason;
  load->entity = entity;
  load->cutoff_ms = retention_cutoff_ms();
  load->worker = ports_.index;
  load->program = [](Store& store, ReadJob& job, ReadTier tier) {
    return run_load(store, static_cast<Load&>(job), tier);
  };
  if (entity != nullptr) pin(entity);
  return load;
}

void Worker::free_load(Load* load) {
  if (load->entity != nullptr) unpin(load->entity);
  load->reset();
  free_loads_.push_back(load);
}

void Worker::start_load(Load* load) {
  load->status = run_load(*ports_.store, *load, ReadTier::kCacheOnly);
  if (load->status != StoreStatus::kIncomplete) {
    finish_load(load);
    return;
  }
  waiting_loads_.push_back(load);
  while (!waiting_loads_.empty()) {
    ReadJob* job = waiting_loads_.front();
    if (loads_in_flight_ >= kReadsInFlightPerWorkerMax || !ports_.reads->submitted.try_push(job)) {
      break;
    }
    waiting_loads_.pop_front();
    ++loads_in_flight_;
    published_.reads = true;
  }
}

// A read that must see every change submitted so far: after the last batch that is not yet
// released.
void Worker::start_load_quiet(Load* load) {
  Batch* last = last_batch();
  if (last == nullptr) return start_load(load);
  Effect& effect = last->effects.emplace_back();
  effect.kind = Effect::Kind::kLoad;
  effect.load = load;
}

bool Worker::take_loads() {
  bool worked = false;
  while (auto job = ports_.reads->done.try_pop()) {
    worked = true;
    --loads_in_flight_;
    finish_load(static_cast<Load*>(*job));
  }
  while (!waiting_loads_.empty() && loads_in_flight_ < kReadsInFlightPerWorkerMax) {
    ReadJob* job = waiting_loads_.front();
    if (!ports_.reads->submitted.try_push(job)) break;
    waiting_loads_.pop_front();
    ++loads_in_flight_;
    published_.reads = true;
  }
  return worked;
}

void Worker::adopt(Entity& entity, const Load& load) {
  if (load.entity_value.empty()) {
    entity.state = Entity::State::kAbsent;
    if (entity.kind == NameKind::kUser) {
      static_cast<User&>(entity).inbox.adopt({}, {});
      static_cast<User&>(entity).cursors.reset();
    } else {
      static_cast<Group&>(entity).id = {};
      static_cast<Group&>(entity).dismissed = false;
    }
    return;
  }
  entity.state = Entity::State::kReady;
  if (entity.kind == NameKind::kUser) {
    User& user = static_cast<User&>(entity);
    const auto row = decode_user(load.entity_value);
    user.last_seen_ms = std::max(user.last_seen_ms, row->last_seen_ms);
    user.online_boot = 0;  // whoever is online is in memory
    if (row->online_boot != 0 && row->online_boot < identity_.run_ends_ms.size()) {
      user.last_seen_ms =
          std::max(user.last_seen_ms, identity_.run_ends_ms[row->online_boot]);
    }
    user.removed = row->removed;
    user.contact_count = row->contacts;
    user.blocked_count = row->blocked;
    user.counts_stale = false;
    user.inbox.adopt({entity.partition(), row->id.value}, load.timeline);
    if (user.removed) entity.state = Entity::State::kAbsent;
  } else {
    Group& group = static_cast<Group&>(entity);
    const auto row = decode_group(load.entity_value);
    group.id = row->id;
    group.label = row->name;
    group.member_count = row->member_count;
    group.open = row->open;
    group.dismissed = row->dismissed;
    group.timeline.adopt({entity.partition(), row->id.value}, load.timeline);
    group.members.clear();
  }
}

// A user that an operator or a valid token brings into being, in the open batch. A removed one
// comes back as it was.
void Worker::create_user(User& user) {
  if (!user.id()) {
    user.inbox.adopt({user.partition(), next_id()}, {});
    user.mine.set({});
  }
  user.removed = false;
  user.state = Entity::State::kReady;
  touch_head(user);
}

void Worker::finish_load(Load* load) {
  Entity* entity = load->entity;
  counters_.add(Counter::kRowsLoaded, load->gets.size() + load->page.size() +
                                          load->cursors.size() + load->mine.size() +
                                          (load->entity_value.empty() ? 0 : 1));
  const bool failed = load->status != StoreStatus::kOk;
  const bool is_awaited =
      load->reason == Load::Reason::kEntity || load->reason == Load::Reason::kReplay;
  if (failed && is_awaited) {
    // The rows cannot be read: whoever waits for them is told, and the next request tries again.
    entity->reading = false;
    for (const std::string& bytes : unpark(*entity)) {
      const ByteView record = as_bytes(bytes);
      const RecordKind kind = kind_of(record);
      if (kind == RecordKind::kLogin || kind == record_kind(HandoffKind::kVerifiedLogin)) {
        const auto& login = record_as<LoginRecord>(record);
        refuse_login(requester_of_login(login), Code::kUnavailable,
                     "The store cannot be read now; try again.");
        end_login(login.connection);
      } else if (kind < RecordKind::kLoginAnswer) {
        refuse(requester_of(record_as<RequestRecord>(record)), Code::kUnavailable);
      } else if (kind == record_kind(HandoffKind::kOwnCopy)) {
        counters_.add(Counter::kCopiesLost);
      }
    }
    return free_load(load);
  }

  switch (load->reason) {
    case Load::Reason::kPassword: on_password_hash(load); break;
    case Load::Reason::kSync: finish_sync(load); break;
    case Load::Reason::kCatchup: finish_catchup(load); break;
    case Load::Reason::kMembersPage: finish_members_page(load); break;
    case Load::Reason::kContactsPage: contacts_.finish_page(load); break;
    case Load::Reason::kLogin: return finish_login(load);  // frees it, replays
    case Load::Reason::kDevices: return finish_devices(load);
    case Load::Reason::kEntity:
      entity->reading = false;
      if (entity->state == Entity::State::kNew) adopt(*entity, *load);
      break;
    case Load::Reason::kReplay:
      entity->reading = false;
      if (load->load_kind == Load::Kind::kFirstSeq) {
        timeline_of(*entity).take_first_seq(load->timeline, now_.wall_ms);
      } else if (load->load_kind == Load::Kind::kRepeats) {
        take_repeats(timeline_of(*entity), *load);
      } else if (load->load_kind == Load::Kind::kMine) {
        User& user = static_cast<User&>(*entity);
        if (user.load_stale) {
          user.load_stale = false;
          user.reading = true;
          start_load_quiet(load);
          return;
        }
        user.mine.set(std::move(load->mine));
      } else if (entity->kind == NameKind::kUser) {
        contacts_.take_loaded(static_cast<User&>(*entity), *load);
      } else if (entity->kind == NameKind::kGroup) {
        Group& group = static_cast<Group&>(*entity);
        for (const ReadJob::Get& get : load->gets) {
          if (get.table != Table::kMeta) continue;
          Member member;
          if (const auto row = get.status == StoreStatus::kOk ? decode_member(get.value)
                                                              : std::nullopt) {
            member = {true, *row};
          }
          group.members.try_emplace(std::string(name_of_member_key(get.key)), member);
        }
      }
      for (const ReadJob::Get& get : load->gets) {
        if (get.table == Table::kRows) {
          read_rows_[get.key] = get.status == StoreStatus::kOk ? get.value : std::string();
        }
      }
      break;
  }
  free_load(load);
  if (entity != nullptr && !entity->reading) replay(*entity);
}

}  // namespace ims::logic
