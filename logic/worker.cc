// The turn: what comes in, in which order, and what leaves (worker.h).
#include "logic/worker.h"

#include <algorithm>

namespace ims::logic {
namespace {

constexpr std::int64_t kTickMs = 100;

}  // namespace

Worker::Worker(const Config& config, const WorkerIdentity& identity, WorkerPorts ports)
    : WorkerState(config, identity, std::move(ports)) {
  for (std::uint32_t i = 0; i < kBatchesInFlightMax + 1; ++i) {
    batches_.push_back(std::make_unique<Batch>());
    free_batches_.push_back(batches_.back().get());
  }
}

Worker::~Worker() = default;

WorkerState::~WorkerState() = default;

WorkerState::WorkerState(const Config& config, const WorkerIdentity& identity, WorkerPorts ports)
    : config_(config),
      identity_(identity),
      ports_(std::move(ports)),
      counters_(*ports_.counters),
      worker_count_(static_cast<std::uint32_t>(ports_.handoffs_in.size())),
      handed_bytes_max_(config.send_queue_bytes / 2),
      fan_(ports_.deliveries.size()),
      relay_pins_(ports_.requests, ports_.deliveries),
      outbox_(worker_count_),
      applied_(worker_count_) {}

StoreStatus Worker::start() {
  class Tenants final : public RowVisitor {
   public:
    explicit Tenants(Worker& worker) : worker_(worker) {}
    bool on_row(std::string_view, std::string_view value) override {
      auto tenant = decode_tenant(value);
      if (!tenant) return bad = true, false;
      worker_.tenant_hashes_[tenant->id.value] =
          hash_tenant(worker_.identity_.hash_seed, tenant->org, tenant->appkey);
      if (!worker_.tenants_.put(std::move(*tenant))) return bad = true, false;
      return true;
    }
    bool bad = false;

   private:
    Worker& worker_;
  };
  class Outbox final : public RowVisitor {
   public:
    explicit Outbox(Worker& worker) : worker_(worker) {}
    bool on_row(std::string_view key, std::string_view value) override {
      const std::uint16_t partition = partition_of_key(key, 1);
      if (partition % worker_.worker_count_ != worker_.ports_.index) return true;
      rows.push_back({number_of_outbox_key(key), partition, std::string(value)});
      return true;
    }
    struct Found {
      std::uint64_t number;
      std::uint16_t partition;
      std::string row;
    };
    std::vector<Found> rows;

   private:
    Worker& worker_;
  };

  Tenants tenants(*this);
  StoreStatus status =
      ports_.store->scan(Table::kMeta, "t", "u", false, ReadTier::kMayBlock, tenants);
  if (status != StoreStatus::kOk) return status;
  if (tenants.bad) return StoreStatus::kCorrupt;

  class Applied final : public RowVisitor {
   public:
    bool on_row(std::string_view key, std::string_view) override {
      numbers.insert(number_of_outbox_key(key));
      return true;
    }
    boost::unordered_flat_set<std::uint64_t> numbers;
  };
  Applied applied;
  status = ports_.store->scan(Table::kMeta, "d", "e", false, ReadTier::kMayBlock, applied);
  if (status != StoreStatus::kOk) return status;

  Outbox outbox(*this);
  status = ports_.store->scan(Table::kMeta, "o", "p", false, ReadTier::kMayBlock, outbox);
  if (status != StoreStatus::kOk) return status;
  // Keys sort by partition first; effects go out in the order of their numbers.
  std::sort(outbox.rows.begin(), outbox.rows.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  for (const Outbox::Found& found : outbox.rows) {
    const auto row = decode_outbox(found.row);
    if (!row) return StoreStatus::kCorrupt;
    if (applied.numbers.contains(found.number)) {
      ops().erase(Table::kMeta, outbox_key(found.partition, found.number));
      ops().erase(Table::kMeta, applied_key(found.partition, found.number));
      continue;
    }
    queue_outbox(found.number, found.partition, *row, found.row);
  }

  class Dismissals final : public RowVisitor {
   public:
    explicit Dismissals(Worker& worker) : worker_(worker) {}
    bool on_row(std::string_view key, std::string_view value) override {
      if (partition_of_key(key, 1) % worker_.worker_count_ != worker_.ports_.index) return true;
      const auto row = decode_outbox(value);
      if (!row) return bad = true, false;
      worker_.queue_dismissal(row->tenant, row->group_name, row->mine);
      return true;
    }
    bool bad = false;

   private:
    Worker& worker_;
  };
  Dismissals dismissals(*this);
  status = ports_.store->scan(Table::kMeta, "x", "y", false, ReadTier::kMayBlock, dismissals);
  if (status != StoreStatus::kOk) return status;
  return dismissals.bad ? StoreStatus::kCorrupt : StoreStatus::kOk;
}

// ---- the turn -----------------------------------------------------------------------------------

bool Worker::turn(Now now) {
  now_ = now;
  published_ = {};
  counters_.add(Counter::kTurns);
  if (!dedupe_) begin_dedupe();

  bool worked = take_committed();
  worked |= take_loads();
  worked |= take_verdicts();
  worked |= drain_notices();
  worked |= drain_handoffs();
  worked |= drain_local();
  worked |= flush_waiting_answers();
  worked |= take_admin();
  worked |= drain_requests();
  worked |= drain_local();
  run_waiting_effects();
  continue_dismissals();
  pump_some();
  send_outbox();
  send_lagging_heads();
  if (dirty_users_.size() >= kDirtyUsersMax) flush_users();
  if (now_.mono_ms >= next_tick_ms_) tick();
  worked |= drain_local();
  submit_batch();

  for (std::size_t g = 0; g < ports_.deliveries.size(); ++g) {
    if (ports_.deliveries[g]->publish()) published_.gateways |= std::uint64_t{1} << g;
  }
  relay_pins_.end_turn();
  blocked_ = blocked_ || relay_pins_.keeps_much() || (!pump_queue_.empty() && !may_pump());
  for (std::size_t w = 0; w < ports_.handoffs_out.size(); ++w) {
    if (ports_.handoffs_out[w] != nullptr && ports_.handoffs_out[w]->publish()) {
      published_.workers |= std::uint64_t{1} << w;
    }
  }
  worked |= !pump_queue_.empty() && may_pump();
  if (worked) counters_.add(Counter::kBusyTurns);
  return worked;
}

void Worker::count_ring_bytes() {
  const auto bytes_in = [](const std::vector<ByteRing*>& rings) {
    std::size_t bytes = 0;
    for (ByteRing* ring : rings) bytes += ring == nullptr ? 0 : ring->used_bytes();
    return bytes;
  };
  counters_.set(Counter::kRingBytesDeliveries, bytes_in(ports_.deliveries));
  counters_.set(Counter::kRingBytesHandoffs, bytes_in(ports_.handoffs_out));
}

void Worker::dispatch(ByteView record) {
  switch (kind_of(record)) {
    case RecordKind::kLogin: return handle_login(record_as<LoginRecord>(record));
    case RecordKind::kMessage: return handle_message(record_as<RequestRecord>(record));
    case RecordKind::kAck: return handle_ack(record_as<RequestRecord>(record));
    case RecordKind::kSync: return handle_sync(record_as<RequestRecord>(record));
    case RecordKind::kGroup: return handle_group(record_as<RequestRecord>(record));
    case RecordKind::kContact: return contacts_.handle(record_as<RequestRecord>(record));
    case RecordKind::kPresence: return presence_.handle(record_as<RequestRecord>(record));
    case RecordKind::kTaken:
    case RecordKind::kRefused:
    case RecordKind::kDrained:
    case RecordKind::kCopiesSet:
    case RecordKind::kEnded: return handle_session_record(record);
    case RecordKind::kLoginAnswer:
    case RecordKind::kResponse:
    case RecordKind::kPush:
    case RecordKind::kRelay:
    case RecordKind::kCopies:
    case RecordKind::kDisconnect: break;
    case RecordKind::kInternal:
    default: return dispatch_handoff(record);
  }
  IMS_ASSERT(false);
}

bool Worker::drain_handoffs() {
  bool worked = false;
  for (ByteRing* ring : ports_.handoffs_in) {
    if (ring == nullptr) continue;
    for (std::uint32_t taken = 0; taken < kRecordsPerTurnMax; ++taken) {
      const ByteView record = ring->front();
      if (record.empty()) break;
      dispatch_handoff(record);
      ring->pop(record);
      worked = true;
    }
    ring->release();
  }
  return worked;
}

bool Worker::drain_local() {
  bool worked = false;
  while (!local_.empty()) {
    const std::string record = std::move(local_.front());
    local_.pop_front();
    dispatch_handoff(as_bytes(record));
    worked = true;
  }
  return worked;
}

void Worker::dispatch_handoff(ByteView record) {
  const auto with_body = [&](auto handler) {
    const auto& row = record_as<GroupRowRecord>(record);
    RecordTail tail(row);
    (this->*handler)(row, tail.take_text(row.body_bytes));
  };
  switch (static_cast<HandoffKind>(kind_of(record))) {
    case HandoffKind::kSubscribe: return on_subscribe(record_as<SubscribeRecord>(record));
    case HandoffKind::kUnsubscribe: return on_unsubscribe(record_as<SubscribeRecord>(record));
    case HandoffKind::kSubscribed: return on_subscribed(record_as<GroupRowRecord>(record));
    case HandoffKind::kGroupRow: return with_body(&Worker::on_group_row);
    case HandoffKind::kGroupHead: return on_group_head(record_as<GroupRowRecord>(record));
    case HandoffKind::kGroupRelay: return with_body(&Worker::on_group_relay);
    case HandoffKind::kAskAck: return on_ask_ack(record_as<AckExchangeRecord>(record));
    case HandoffKind::kAckAnswer: return on_ack_answer(record_as<AckExchangeRecord>(record));
    case HandoffKind::kAskUsers: return on_ask_users(record_as<UsersExchangeRecord>(record));
    case HandoffKind::kUsersAnswer: return on_users_answer(record_as<UsersExchangeRecord>(record));
    case HandoffKind::kReleasePlaces:
      return on_release_places(record_as<UsersExchangeRecord>(record));
    case HandoffKind::kEffect: return on_effect(record_as<EffectRecord>(record));
    case HandoffKind::kEffectDone: return on_effect_done(record_as<EffectRecord>(record));
    case HandoffKind::kVerifiedLogin: return continue_login(record_as<LoginRecord>(record));
    case HandoffKind::kAskContact:
      return contacts_.on_ask(record_as<ContactExchangeRecord>(record));
    case HandoffKind::kContactAnswer:
      return contacts_.on_answer(record_as<ContactExchangeRecord>(record));
    case HandoffKind::kOwnCopy: return on_own_copy(record_as<OwnCopyRecord>(record));
    case HandoffKind::kAskPresence: return presence_.on_ask(record_as<PresenceRecord>(record));
    case HandoffKind::kPresenceAnswer:
      return presence_.on_answer(record_as<PresenceRecord>(record));
    case HandoffKind::kPresence: return presence_.on_change(record_as<PresenceRecord>(record));
    case HandoffKind::kUnwatch: return presence_.on_unwatch(record_as<PresenceRecord>(record));
  }
  IMS_ASSERT(false);
}

bool Worker::idle() {
  if (!blocked_ || room_for_requests() > 0) {
    for (ByteRing* ring : ports_.requests) {
      if (!ring->empty()) return false;
    }
  }
  if (relay_pins_.keeps_much() && relay_pins_.passed()) return false;
  for (ByteRing* ring : ports_.handoffs_in) {
    if (ring != nullptr && !ring->empty()) return false;
  }
  return ports_.commits->done.empty() && ports_.reads->done.empty() && local_.empty() &&
         (ports_.passwords == nullptr || !ports_.passwords->has_verdicts()) &&
         (ports_.admin == nullptr || ports_.admin->submitted.empty()) &&
         (pump_queue_.empty() || !may_pump()) &&
         (blocked_ || waiting_answers_.empty());
}

bool Worker::quiet() const noexcept {
  return open_ == nullptr && in_flight_.empty() && committed_.empty() && loads_in_flight_ == 0 &&
         waiting_loads_.empty() && logins_.empty() && exchanges_.empty() &&
         ack_exchanges_.empty() && waiting_answers_.empty() && dirty_sessions_.empty() &&
         dirty_users_.empty() &&
         waiting_effects_.empty() && outbox_size() == 0 && unerased_outbox_.empty() &&
         dismissals_.empty() && unsent_copies_.empty() && contacts_.quiet() && presence_.quiet();
}

void Worker::tick() {
  next_tick_ms_ = now_.mono_ms + kTickMs;
  expire_exchanges();
  end_waits();
  erase_outbox_again();
  shrink_batches();
  for (auto it = logins_.begin(); it != logins_.end();) {
    PendingLogin& login = it->second;
    if (now_.mono_ms < login.deadline_ms) {
      ++it;
      continue;
    }
    if (!login.gone) refuse_login(login.requester, Code::kOverloaded, "The login took too long.");
    logins_.erase(it++);
  }

  presence_.tick();
  if (parked_count_ == 0) read_rows_.clear();
  erase_if(pending_recalls_, [this](const auto& at) { return !batch_is_pending(at.second); });

  if (now_.mono_ms - last_cursor_flush_ms_ >= kAutoCursorFlushMs / 2) {
    last_cursor_flush_ms_ = now_.mono_ms;
    std::vector<ConnectionId> dirty;
    dirty.swap(dirty_sessions_);
    for (const ConnectionId connection : dirty) {
      if (Session* session = find_session(connection)) flush_cursors(*session);
    }
    flush_users();
  }

  if (now_.mono_ms - last_expiry_check_ms_ >= 1000) {
    last_expiry_check_ms_ = now_.mono_ms;
    dedupe_->tick(now_.wall_ms);
    counters_.set(Counter::kDedupeBytes, dedupe_->bytes());
    for (const auto& session : sessions_) {
      if (session->closing) continue;
      if (session->expires_ms != 0 && now_.wall_ms >= session->expires_ms) {
        session->closing = true;
        disconnect(session->connection, DisconnectCode::kTokenExpired, "The token has expired.");
      }
    }
  }
  counters_.set(Counter::kCacheBytes, cache_bytes_);
  count_ring_bytes();
  evict();
}

}  // namespace ims::logic
