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
#include "logic/pointer_list.h"
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
  bool reading = false;          // True exactly while a load of this entity is under way
  bool load_stale : 1 = false;   // memberships changed while they were being read: once more
  bool referenced : 1 = false;   // CLOCK: used since the hand passed
  // Of a user; here, where there is room beside the others.
  bool removed : 1 = false;        // by an operator: as if it did not exist
  bool in_dirty_list : 1 = false;  // of users whose cursors and last_seen go to the store soon
  bool login_busy : 1 = false;     // True exactly while the rows of one login are being read
  bool login_stale : 1 = false;    // what they hold was changed meanwhile: they are read again
  bool counts_stale : 1 = false;   // a batch failed: the counts are read again
  std::uint8_t known_devices = 0;  // while there are sessions
  std::uint32_t pins = 0;   // sessions, pending effects, subscribers, loads
  TenantId tenant;
  std::uint64_t hash = 0;
  ShortText name;
  CompactVector<std::string> parked;  // whole records

  std::uint16_t partition() const noexcept { return partition_of(hash); }
};

// Durable and pending differ in the newest rows alone: the oldest one is the same, and so is its
// time wherever there is one: that is kept in 48 bits, which last for 4,400 years.
class Timeline {
 public:
  std::uint32_t repeats_epoch = 0;       // DedupeIndex::epoch() as of which its rows are known
  std::uint32_t repeats_generation = 0;  // and when they were last looked through
  std::uint32_t dirty_mark = 0;          // Batch::mark() of the one that will write the head, or 0

  // As it is in the store: nothing is pending.
  void adopt(TimelineKey at, const TimelineState& stored) noexcept;

  TimelineKey key() const noexcept { return {static_cast<std::uint16_t>(partition_), id_}; }
  std::uint64_t id() const noexcept { return id_; }
  std::uint64_t head() const noexcept { return head_; }  // durable
  std::uint64_t pending_head() const noexcept { return head_ + pending_rows_; }
  std::uint64_t first_seq() const noexcept { return first_seq_; }
  std::int64_t last_time_ms() const noexcept { return last_time_ms_; }  // pending
  // Rows within retention, as far as first_seq knows: pending ones included.
  std::uint64_t row_count() const noexcept { return pending_head() + 1 - first_seq_; }
  TimelineState durable() const noexcept { return state(head_); }
  TimelineState pending() const noexcept { return state(pending_head()); }

  // The seq of a new, pending row; `time_ms` becomes its time, which never goes back.
  std::uint64_t append(std::int64_t& time_ms) noexcept;
  // The oldest pending row is durable.
  void commit(std::uint64_t seq, std::int64_t time_ms) noexcept;
  void drop_pending() noexcept;
  // What a search for the oldest kept row found; first_seq never goes back. Rows that arrived
  // while it ran are younger than anything it dropped.
  void take_first_seq(const TimelineState& searched, std::int64_t now_ms) noexcept;

 private:
  TimelineState state(std::uint64_t head) const noexcept {
    return {head, first_seq_, static_cast<std::int64_t>(first_time_bits_ << 16) >> 16,
            last_time_ms_};
  }
  void set_first_time(std::int64_t time_ms) noexcept {
    first_time_bits_ = static_cast<std::uint64_t>(time_ms) & ((std::uint64_t{1} << 48) - 1);
  }

  std::uint32_t pending_rows_ = 0;
  std::uint64_t id_ = 0;
  std::uint64_t head_ = 0;
  std::uint64_t first_seq_ = 1;
  std::int64_t last_time_ms_ = 0;
  std::uint64_t first_time_bits_ : 48 = 0;
  std::uint64_t partition_ : 16 = 0;
};
static_assert(sizeof(Timeline) == 56);

// One membership of a user, as LIST_MINE and logins see it.
class Mine {
 public:
  Mine(std::string_view name, const MineRow& row) : name_(name) { set(row); }

  std::string_view group_name() const noexcept { return name_; }
  bool ended() const noexcept { return end_ != nullptr; }
  std::uint64_t join_seq() const noexcept { return join_seq_; }
  GroupId group() const noexcept { return group_; }
  MineRow row() const noexcept {
    return {group_, join_seq_, ended() ? end_->seq : 0, ended() ? end_->time_ms : 0};
  }
  void set(const MineRow& row) {
    group_ = row.group;
    join_seq_ = row.join_seq;
    end_ = row.end_seq == 0 ? nullptr : std::make_unique<End>(End{row.end_seq, row.end_time_ms});
  }

 private:
  struct End {
    std::uint64_t seq;
    std::int64_t time_ms;
  };

  ShortText name_;
  GroupId group_;
  std::uint64_t join_seq_ = 0;
  std::unique_ptr<End> end_;
};
static_assert(sizeof(Mine) == 40, "there is one per membership of a user online");

// The order of the members is that of their sizes: there are as many of these as users online.
struct User : Entity {
  using ContactMap = boost::unordered_flat_map<std::string, ContactRow>;

  // What few users have at a time.
  struct Extra {
    CompactVector<std::string> waiting_logins;  // records, one login of a user at a time
    // What is known of how the user sees others; contacts.h. Pending changes included.
    std::unique_ptr<ContactMap> contacts;  // rows that were looked up, absent ones too
    std::uint64_t contacts_batch = 0;      // the last one that changed them
    std::uint32_t contacts_reserved = 0;   // places promised to exchanges under way
    std::uint32_t groups_reserved = 0;
  };

  Timeline inbox;
  std::int64_t last_seen_ms = 0;
  PointerList<Session> sessions;  // send_only ones too
  // Of devices and timelines that no session has a feed of, and those that are dirty, what is
  // pending included; null: not loaded. There while there are sessions that have cursors.
  KnownList<DeviceCursor> cursors;
  // Memberships by ascending name; null: not loaded. Loaded, it includes what is pending.
  KnownList<Mine> mine;
  std::uint32_t contact_count = 0;
  std::uint32_t blocked_count = 0;
  std::uint32_t send_only_count = 0;
  std::uint32_t online_boot = 0;   // stored: has a session in this run

  UserId id() const noexcept { return UserId{inbox.id()}; }

  Extra& extra() {
    if (extra_ == nullptr) extra_ = std::make_unique<Extra>();
    return *extra_;
  }
  ContactMap& contacts() {
    if (extra().contacts == nullptr) extra_->contacts = std::make_unique<ContactMap>();
    return *extra_->contacts;
  }
  const ContactMap* known_contacts() const noexcept {  // null: none were looked up
    return extra_ == nullptr ? nullptr : extra_->contacts.get();
  }
  std::uint32_t contacts_reserved() const noexcept {
    return extra_ == nullptr ? 0 : extra_->contacts_reserved;
  }
  std::uint32_t groups_reserved() const noexcept {
    return extra_ == nullptr ? 0 : extra_->groups_reserved;
  }
  bool has_waiting_logins() const noexcept {
    return extra_ != nullptr && !extra_->waiting_logins.empty();
  }
  // Gives it back once it says nothing.
  void trim_extra() noexcept {
    if (extra_ == nullptr || extra_->contacts != nullptr || has_waiting_logins()) return;
    if (extra_->contacts_reserved == 0 && extra_->groups_reserved == 0) extra_.reset();
  }
  void forget_contacts() noexcept {
    if (extra_ != nullptr) extra_->contacts.reset();
    trim_extra();
  }

 private:
  std::unique_ptr<Extra> extra_;
};
static_assert(sizeof(User) == 160, "one of the allocator's classes; there is one per user online");

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
