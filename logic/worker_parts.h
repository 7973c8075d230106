// What a worker is wired to, and what it keeps of things that take more than a turn (worker.h).
//
// Ownership  The worker's, all of it; the ports' targets outlive it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "logic/admin.h"
#include "logic/authenticator.h"
#include "logic/batch.h"
#include "logic/entity.h"
#include "logic/handoff.h"
#include "logic/load.h"
#include "logic/retention_clock.h"
#include "logic/session.h"
#include "shared/byte_ring.h"
#include "shared/counters.h"
#include "shared/trace.h"

namespace ims::logic {

// What a worker is wired to. Everything outlives it.
struct WorkerPorts {
  WorkerIndex index = 0;
  std::vector<ByteRing*> requests;      // from each gateway
  std::vector<ByteRing*> deliveries;    // to each gateway
  std::vector<ByteRing*> handoffs_in;   // from each worker; null for itself
  std::vector<ByteRing*> handoffs_out;  // to each worker; null for itself
  CommitPort* commits = nullptr;
  ReadPort* reads = nullptr;
  AuthChannel* passwords = nullptr;
  AdminPort* admin = nullptr;
  Store* store = nullptr;               // kCacheOnly reads
  const RetentionClock* clock = nullptr;  // what retention goes by; null: the turn's wall time
  CounterBlock* counters = nullptr;
  const Traces* traces = nullptr;       // null: no record has one
};

// What the data directory says about itself.
struct WorkerIdentity {
  std::uint64_t hash_seed = 0;
  std::uint32_t boot = 0;
  std::string epoch;
  std::vector<std::int64_t> run_ends_ms;  // by boot; 0: not known (run_ends.h)
};

// A row in the open batch: its push is still to be written to `body`.
struct RowSlot {
  std::byte* body;
  Effect& effect;
};

// A group that sessions of this worker are members of, as heard from its owner.
struct GroupHub {
  GroupId id;
  TenantId tenant;
  std::uint64_t hash = 0;
  std::string name;
  bool subscribed = false;        // kSubscribed came: heard_head is the owner's
  std::uint64_t heard_head = 0;
  // A member's session, and which of its feeds: 12 bytes, one per group of a session.
  class Place {
   public:
    Place(Session& session, std::uint32_t feed) noexcept : feed_(feed) {
      Session* const address = &session;
      std::memcpy(session_, &address, sizeof address);
    }
    Session& session() const noexcept {
      Session* address = nullptr;
      std::memcpy(&address, session_, sizeof address);
      return *address;
    }
    std::uint32_t feed() const noexcept { return feed_; }

   private:
    std::uint32_t session_[2];  // an address, where 8 bytes need not be aligned
    std::uint32_t feed_;
  };
  static_assert(sizeof(Place) == 12);
  std::vector<Place> places;
};

// A request that waits for what other workers know of its users.
struct Exchange {
  std::uint64_t id = 0;
  std::string record;  // the request that waits
  std::int64_t deadline_ms = 0;
  std::uint32_t answers_due = 0;
  bool holds_group = false;  // CREATE: what comes behind it for the group waits for its outcome
  Group* group = nullptr;  // pinned
  boost::unordered_flat_map<std::string, UserFact> facts;
  std::vector<std::vector<std::string>> asked;  // by worker, in the order of the question
};

// An ACK that waits for the head of its group.
struct AckExchange {
  std::string record;
  std::int64_t deadline_ms = 0;
};

// A client_id whose row is in a batch, and the repeats that wait for its answer.
struct PendingDedupe {
  ContentHash content;
  std::vector<Requester> waiters;
};

// The message that another one repeats, as its row says; a recalled one may not say its content.
struct FirstMessage {
  std::int64_t time_ms = 0;
  bool has_content = false;
  ContentHash content;
};
enum class Found : std::uint8_t { kNo, kYes, kWaits };

// A login from its arrival to its answer.
struct PendingLogin {
  std::int64_t deadline_ms = 0;
  Requester requester;
  bool gone = false;
  std::string record;  // while a password is being checked
};

// A place among a user's groups that was promised to a coordinator.
struct Reservation {
  User* user;
  std::int64_t until_ms;
};

// An effect whose outbox row is durable.
struct OutboxEntry {
  std::uint64_t number;
  std::uint16_t partition;
  std::uint64_t user_hash;
  OutboxRow::Kind kind;
  std::string row;
};

// A message for its sender's other devices that found no room in a ring.
struct UnsentCopy {
  WorkerIndex to;
  OwnCopyRecord record;
  std::string body;
};

// Those for one worker, in order.
struct OutboxLane {
  std::deque<OutboxEntry> entries;
  std::size_t sent = 0;  // the first `sent` entries are under way
};

// What of a coordinator's effects was applied here.
struct AppliedEffects {
  std::uint64_t pending = 0;    // highest number applied, durable or not
  std::uint64_t committed = 0;
};

// A dismissed group whose members are being told.
struct Dismissal {
  TenantId tenant;
  std::string name;
  MineRow end;
  bool reading;
};

}  // namespace ims::logic
