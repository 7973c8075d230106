// What a worker knows and has under way: the data behind worker.h's acts.
//
// Ownership  The one worker. Bounds of each container are in shared/limits.h.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "logic/dedupe_index.h"
#include "logic/dedupe_key.h"
#include "logic/entity_set.h"
#include "logic/relay_pins.h"
#include "logic/tenant.h"
#include "logic/worker_parts.h"
#include "shared/clock.h"
#include "shared/config.h"
#include "shared/results.h"

namespace ims::logic {

struct WorkerState {
  WorkerState(const Config& config, const WorkerIdentity& identity, WorkerPorts ports);
  ~WorkerState();

  // Whom the last turn left something for; the thread's loop wakes them.
  struct Published {
    std::uint64_t gateways = 0;  // bit per index
    std::uint64_t workers = 0;
    bool commits = false;
    bool reads = false;
    bool admin = false;
  };
  struct Candidate {
    Session* session;
    std::uint32_t feed;
  };
  const Config& config_;
  const WorkerIdentity identity_;
  WorkerPorts ports_;
  CounterBlock& counters_;
  const std::uint32_t worker_count_;
  const std::size_t handed_bytes_max_;  // per session
  Now now_;
  Published published_;
  bool blocked_ = false;
  std::int64_t next_tick_ms_ = 0;
  std::uint64_t id_counter_ = 0;

  TenantTable tenants_;
  boost::unordered_flat_map<std::uint32_t, std::uint64_t> tenant_hashes_;

  EntitySet entities_;          // the cache
  std::vector<Entity*> clock_;  // each of them, once
  std::size_t clock_hand_ = 0;
  std::size_t cache_bytes_ = 0;
  std::uint32_t parked_count_ = 0;
  std::size_t parked_bytes_ = 0;
  Entity* replaying_ = nullptr;

  SessionSet sessions_;  // by connection
  std::deque<ConnectionId> pump_queue_;
  std::vector<ConnectionId> dirty_sessions_;
  std::vector<User*> dirty_users_;  // pinned, once per entry: sessions ended, nothing stored yet
  std::vector<ConnectionId> waiting_sessions_;  // Session::waits(), with a deadline
  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<GroupHub>> hubs_;  // by group id
  std::vector<std::vector<Candidate>> fan_;  // by gateway, between two records
  RelayPins relay_pins_;

  std::vector<std::unique_ptr<Batch>> batches_;
  std::vector<Batch*> free_batches_;
  std::deque<Batch*> in_flight_;
  std::deque<Batch*> committed_;  // results came, effects not all released
  Batch* open_ = nullptr;
  std::uint64_t batch_number_ = 0;
  std::uint32_t epoch_ = 0;
  bool store_lost_ = false;  // kIoError: what was in a batch may be kept or not

  std::vector<std::unique_ptr<Load>> loads_;
  std::vector<Load*> free_loads_;
  std::deque<Load*> waiting_loads_;  // the reader's ring was full
  std::uint32_t loads_in_flight_ = 0;
  Load shared_page_;      // of a group's rows, while sessions are pumped
  bool pumping_ = false;

  boost::unordered_flat_map<DedupeKey, PendingDedupe, DedupeKeyHash> pending_dedupe_;
  std::optional<DedupeIndex> dedupe_;   // from the first turn on
  std::vector<std::uint64_t> repeats_;  // seqs to look at, within one request
  boost::unordered_flat_map<std::string, std::uint64_t> pending_recalls_;  // row key to batch
  boost::unordered_flat_map<std::string, std::string> read_rows_;  // found by a load; empty: none

  boost::unordered_flat_map<std::uint64_t, PendingLogin> logins_;  // by connection

  boost::unordered_flat_map<std::uint64_t, Exchange> exchanges_;
  std::uint64_t exchange_counter_ = 0;
  boost::unordered_flat_map<std::uint64_t, AckExchange> ack_exchanges_;
  std::deque<Reservation> reservations_;

  std::vector<OutboxLane> outbox_;  // by the worker that owns the user
  std::vector<std::string> unerased_outbox_;  // keys of done entries whose erasure failed
  std::vector<AppliedEffects> applied_;  // by coordinator
  std::deque<std::string> waiting_effects_;  // their user is being read
  std::vector<std::pair<WorkerIndex, EffectRecord>> unsent_effects_done_;
  std::deque<UnsentCopy> unsent_copies_;
  std::deque<Dismissal> dismissals_;
  std::vector<Group*> lagging_;  // pinned, once per entry
  std::vector<GroupId> unsent_subscriptions_;

  std::deque<AdminCommand*> admin_waiting_;
  User* admin_due_ = nullptr;   // the front command waits for the end of this user's login
  bool admin_reading_ = false;  // True exactly while the front command's devices are being read
  std::deque<std::string> local_;             // handoffs to itself
  std::deque<std::pair<GatewayIndex, std::string>> waiting_answers_;
  std::int64_t last_cursor_flush_ms_ = 0;
  std::int64_t last_expiry_check_ms_ = 0;
  std::string scratch_;
  Buffer result_;
};

}  // namespace ims::logic
