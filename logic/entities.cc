// The cache of users and groups: found by name, loaded on demand, requests parked meanwhile,
// evicted by CLOCK when nothing pins them and the budget (state_cache_bytes) is spent.

#include <algorithm>
#include <utility>

#include "logic/login_record.h"
#include "logic/worker.h"

namespace ims::logic {
namespace {

// What an entity costs in memory, roughly: the struct, its name, its index entries.
std::size_t cost_bytes(const Entity& entity) {
  std::size_t bytes = entity.name.size() + 96;
  if (entity.kind == NameKind::kUser) {
    const User& user = static_cast<const User&>(entity);
    bytes += sizeof(User) + user.mine->size() * (sizeof(Mine) + 16) +
             user.cursors->size() * sizeof(DeviceCursor);
  } else {
    bytes += sizeof(Group) + static_cast<const Group&>(entity).members.size() * 128;
  }
  return bytes;
}

}  // namespace

Entity& Worker::make_entity(NameKind kind, TenantId tenant, std::uint64_t hash,
                            std::string_view name) {
  EntityPtr made(kind == NameKind::kUser ? static_cast<Entity*>(new User) : new Group);
  made->kind = kind;  // what deletes it goes by its kind
  made->tenant = tenant;
  made->hash = hash;
  made->name = name;
  Entity& entry = *made;
  entities_.insert(std::move(made));
  clock_.push_back(&entry);
  cache_bytes_ += cost_bytes(entry);
  return entry;
}

void Worker::unpin(Entity* entity) {
  IMS_ASSERT(entity->pins > 0);
  --entity->pins;
}

// One bounded sweep per tick: the hand gives a second chance to what was used since it last passed.
void Worker::evict() {
  std::size_t steps = clock_.size() * 2;
  if (cache_bytes_ > config_.state_cache_bytes) {
    // The estimate drifts as entities grow; take stock before dropping anything.
    cache_bytes_ = 0;
    for (const Entity* entity : clock_) cache_bytes_ += cost_bytes(*entity);
  }
  while (cache_bytes_ > config_.state_cache_bytes && steps-- > 0 && !clock_.empty()) {
    if (clock_hand_ >= clock_.size()) clock_hand_ = 0;
    Entity& entity = *clock_[clock_hand_];
    // A login under way pins its user through its load.
    const bool keep =
        entity.pins > 0 || entity.reading || !entity.parked.empty() || entity.referenced;
    entity.referenced = false;
    if (keep) {
      ++clock_hand_;
      continue;
    }
    cache_bytes_ -= std::min(cache_bytes_, cost_bytes(entity));
    counters_.add(Counter::kCacheEvictions);
    const auto it =
        entities_.find(EntityName{entity.kind, entity.tenant, entity.hash, entity.name});
    IMS_ASSERT(it != entities_.end());
    entities_.erase(it);
    clock_[clock_hand_] = clock_.back();
    clock_.pop_back();
  }
}

void Worker::note_change(User& user) {
  if (user.reading) user.load_stale = true;
  if (user.login_busy) user.login_stale = true;
}

std::int64_t Worker::retention_cutoff_ms() const {
  return (ports_.clock != nullptr ? ports_.clock->now_ms() : now_.wall_ms) - config_.retention_ms;
}

std::uint64_t Worker::tenant_hash(TenantId tenant) const {
  const auto it = tenant_hashes_.find(tenant.value);
  return it == tenant_hashes_.end() ? 0 : it->second;
}

// boot:24 | worker:8 | counter:32, unique over restarts and workers.
std::uint64_t Worker::next_id() {
  return (std::uint64_t{identity_.boot & 0xff'ffff} << 40) |
         (std::uint64_t{ports_.index} << 32) | (++id_counter_ & 0xffff'ffff);
}

// ---- parking ------------------------------------------------------------------------------------

void Worker::park(Entity& entity, ByteView record) {
  counters_.add(Counter::kParked);
  const RecordKind kind = kind_of(record);
  const bool from_client = kind < RecordKind::kLoginAnswer && kind != RecordKind::kLogin;
  const bool full = parked_count_ >= kParkedPerWorkerMax ||
                    parked_bytes_ + record.size() > kParkedBytesPerWorkerMax;
  if (&entity != replaying_ && from_client &&
      (entity.parked.size() >= kParkedPerKeyMax || full)) {
    counters_.add(Counter::kParkedOverloaded);
    return refuse(requester_of(record_as<RequestRecord>(record)), Code::kOverloaded);
  }
  if (kind == RecordKind::kLogin && full) {
    counters_.add(Counter::kParkedOverloaded);
    const auto& login = record_as<LoginRecord>(record);
    refuse_login(requester_of_login(login), Code::kOverloaded,
                 "The server is overloaded; try again.");
    return end_login(login.connection);
  }
  entity.parked.emplace_back(as_text(record));
  ++parked_count_;
  parked_bytes_ += record.size();
}

// Takes all that waits for the entity.
CompactVector<std::string> Worker::unpark(Entity& entity) {
  CompactVector<std::string> waiting;
  waiting.swap(entity.parked);
  parked_count_ -= static_cast<std::uint32_t>(waiting.size());
  for (const std::string& record : waiting) parked_bytes_ -= record.size();
  return waiting;
}

bool Worker::must_wait(Entity& entity, ByteView record) {
  if (!entity.reading && (entity.parked.empty() || replaying_ == &entity)) return false;
  park(entity, record);
  return true;
}

// Dispatches what waited, in order. A record that has to wait again is parked in front of the rest.
void Worker::replay(Entity& entity) {
  if (entity.parked.empty() || entity.reading) return;
  CompactVector<std::string> waiting = unpark(entity);
  Entity* const outer = replaying_;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    replaying_ = &entity;
    pin(&entity);
    const std::size_t parked_before = entity.parked.size();
    dispatch(as_bytes(waiting[i]));
    unpin(&entity);
    if (entity.reading || entity.parked.size() > parked_before) {
      for (std::size_t rest = i + 1; rest < waiting.size(); ++rest) {
        parked_bytes_ += waiting[rest].size();
        entity.parked.push_back(std::move(waiting[rest]));
        ++parked_count_;
      }
      break;
    }
  }
  replaying_ = outer;
}

}  // namespace ims::logic
