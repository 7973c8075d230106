// Users and groups as their owner keeps them in memory: a cache over the store, loaded on demand.
//
//              find                    load done
//   (nothing) ──────▶ kNew, reading ──────────────▶ kReady | kAbsent ──▶ evicted when unpinned,
//   CLOCK
//
// Ownership  The one worker that owns the name's partition. Pointers stay valid while pins > 0, and
//            within a turn.
// Parking    While `reading`, requests for the entity wait in `parked`, in order; kParkedPerKeyMax,
//            then OVERLOADED. They are replayed once the read is done.
// State      A timeline is *durable* plus *pending*: pushes, heads and pages see durable alone; the
//            next seq, membership and dedupe see pending. A failed batch drops pending.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "logic/compact_vector.h"
#include "logic/device_cursor.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/short_text.h"
#include "shared/ids.h"
#include "shared/route.h"

namespace ims::logic {

struct Session;

struct Entity {
  enum class State : std::uint8_t { kNew, kReady, kAbsent };

  NameKind kind{};
  State state = State::kNew;
  bool reading = false;     // True exactly while a load of this entity is under way
  bool load_stale = false;  // memberships changed while they were being read: once more
  bool referenced = false;  // CLOCK: used since the hand passed
  std::uint32_t pins = 0;   // sessions, pending effects, subscribers, loads
  TenantId tenant;
  std::uint64_t hash = 0;
  ShortText name;
  CompactVector<std::string> parked;  // whole records

  std::uint16_t partition() const noexcept { return partition_of(hash); }
};

struct Timeline {
  TimelineKey key;
  TimelineState durable;
  TimelineState pending;
  std::uint64_t dirty_batch = 0;  // the batch that will write the head, if any
  std::uint32_t repeats_epoch = 0;       // DedupeIndex::epoch() as of which its rows are known
  std::uint32_t repeats_generation = 0;  // and when they were last looked through

  // As it is in the store: nothing is pending.
  void adopt(TimelineKey at, const TimelineState& stored) noexcept {
    key = at;
    durable = pending = stored;
    dirty_batch = 0;
    repeats_epoch = repeats_generation = 0;
  }
  // Rows within retention, as far as first_seq knows: pending ones included.
  std::uint64_t row_count() const noexcept { return pending.head + 1 - pending.first_seq; }
};

// One membership of a user, as LIST_MINE and logins see it.
struct Mine {
  std::string group_name;
  MineRow row;
};

// The order of the members is that of their sizes: there are as many of these as users online.
struct User : Entity {
  using MineList = CompactVector<Mine>;
  using ContactMap = boost::unordered_flat_map<std::string, ContactRow>;

  UserId id;
  Timeline inbox;
  std::int64_t last_seen_ms = 0;
  CompactVector<Session*> sessions;  // send_only ones too
  CompactVector<std::string> waiting_logins;  // records, one login of a user at a time
  // Of all devices and timelines, what is pending included; null: not loaded. There while there
  // are sessions that have cursors. A live session's feeds may be further.
  std::unique_ptr<CursorList> cursors;
  // Memberships by ascending name; null: not loaded. Loaded, it includes what is pending.
  std::unique_ptr<MineList> mine;
  // What is known of how the user sees others; contacts.h. Pending changes included.
  std::unique_ptr<ContactMap> contacts;  // rows that were looked up, absent ones too
  std::uint64_t contacts_batch = 0;      // the last one that changed them
  std::uint32_t contact_count = 0;
  std::uint32_t blocked_count = 0;
  std::uint32_t contacts_reserved = 0;
  std::uint32_t groups_reserved = 0;  // places promised to exchanges under way
  std::uint32_t send_only_count = 0;
  std::uint32_t online_boot = 0;   // stored: has a session in this run
  std::uint8_t known_devices = 0;  // while there are sessions
  bool removed = false;            // by an operator: as if it did not exist
  bool in_dirty_list = false;      // of users whose cursors and last_seen go to the store soon
  bool login_busy = false;         // True exactly while the rows of one login are being read
  bool login_stale = false;        // what they hold was changed meanwhile: they are read again
  bool counts_stale = false;       // a batch failed: the counts are read again
};

struct Member {
  bool exists = false;
  MemberRow row;
};

// A worker that wants this group's rows as they are committed.
struct Subscriber {
  enum class Owed : std::uint8_t { kNothing, kHead, kSubscribed };
  WorkerIndex worker = 0;
  Owed owed = Owed::kNothing;  // what found no room in the ring to it
};

struct Group : Entity {
  GroupId id;
  Timeline timeline;
  std::string label;
  std::uint32_t member_count = 0;
  bool open = false;
  bool dismissed = false;
  std::uint32_t pending_changes = 0;  // effects under way that changed more than the timeline
  std::uint32_t exchanges = 0;        // CREATE, INVITE and JOIN that wait for other owners
  // Memberships that were looked up, pending ones included; absent ones too.
  boost::unordered_flat_map<std::string, Member> members;
  std::vector<Subscriber> subscribers;
};

inline Timeline& timeline_of(Entity& entity) noexcept {
  return entity.kind == NameKind::kUser ? static_cast<User&>(entity).inbox
                                        : static_cast<Group&>(entity).timeline;
}

// Deletes the user or group that an Entity is: it has no virtual destructor, so that no user
// carries a pointer for one.
struct EntityDelete {
  void operator()(Entity* entity) const noexcept {
    if (entity->kind == NameKind::kUser) {
      delete static_cast<User*>(entity);
    } else {
      delete static_cast<Group*>(entity);
    }
  }
};
using EntityPtr = std::unique_ptr<Entity, EntityDelete>;

}  // namespace ims::logic
