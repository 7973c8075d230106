// The worker core: owns users, groups, sessions and timelines of its partitions; eats records,
// leaves records and store batches. No socket, thread, clock or lock: now is an argument.
//
// One turn:  committed batches ─▶ finished reads ─▶ verdicts ─▶ handoffs ─▶ requests ─▶ pages for
//            sessions in catch-up ─▶ timers ─▶ submit the batch ─▶ publish
//
// Rules      Nothing that a batch holds is answered or pushed before the batch is durable.
//            Handoffs are always drained; requests only while every answer has room.
// Files      worker.cc the turn | commit.cc batches | answers.cc records out | entities.cc the
//            cache | entity_load.cc its reads | handle_*.cc one kind of record each | cursors.cc,
//            dedupe.cc | contacts.h, presence.h parts of their own | own_copy.cc, recall.cc |
//            deliver.cc pushes | subscriptions.cc, outbox.cc, exchange.cc between workers |
//            admin.cc, admin_devices.cc the operator
// Threads    One, the worker's. Everything here belongs to it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "logic/admin.h"
#include "logic/authenticator.h"
#include "logic/batch.h"
#include "logic/contacts.h"
#include "logic/entity.h"
#include "logic/handoff.h"
#include "logic/load.h"
#include "logic/presence.h"
#include "logic/retention_clock.h"
#include "logic/session.h"
#include "logic/worker_state.h"
#include "shared/clock.h"

namespace ims { class RequestParts; }

namespace ims::logic {

struct GroupCall;

class Worker : private WorkerState {
 public:
  Worker(const Config& config, const WorkerIdentity& identity, WorkerPorts ports);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before the first turn: tenants, and the outbox rows that a crash left. Reads may block.
  StoreStatus start();

  // True when there was something to do.
  bool turn(Now now);

  using WorkerState::Published;
  const Published& published() const noexcept { return published_; }

  // The re-check before a sleep: nothing in any ring that a turn could take.
  bool idle();
  // The last turn left requests, since an answer might have found no room, or handoffs that found
  // none. A gateway that made much room says so, otherwise room wakes nobody: look again soon.
  bool blocked() const noexcept { return blocked_ || handoffs_wait(); }
  // When turn() wants to be called without a record.
  std::int64_t next_tick_ms() const noexcept { return next_tick_ms_; }
  // Nothing is pending: no batch, read, login, exchange. For a drain.
  bool quiet() const noexcept;
  std::size_t session_count() const noexcept { return sessions_.size(); }  // for tests

 private:
  friend class Contacts;
  friend class Presence;
  // ---- worker.cc, drain_requests.cc: the turn ----
  bool drain_notices();
  bool drain_requests();
  bool drain_handoffs();
  bool drain_local();
  std::size_t room_for_requests();
  std::size_t delivery_room();
  bool tables_have_room() const;
  void count_ring_bytes();
  void dispatch(ByteView record);
  void dispatch_handoff(ByteView record);
  void tick();

  // A followed message enters a stage; 0: nobody follows it.
  void enter(TraceId trace, Stage stage) const noexcept {
    if (trace != 0) [[unlikely]] ports_.traces->enter(trace, stage);
  }

  // ---- commit.cc ----
  Batch& open_batch();
  StoreBatch& ops() { return open_batch().batch; }
  Effect& add_effect(Effect::Kind kind, Entity* owner);
  // The answer to `to` leaves when the effect's batch is durable.
  void wait_for_batch(Effect& effect, const Requester& to) {
    effect.requester = to;
    enter(to.trace, Stage::kCommit);
  }
  // Neither released nor failed.
  bool batch_is_pending(std::uint64_t number) const noexcept;
  bool is_dirty(const Timeline& timeline) const noexcept;  // a batch that is pending writes it
  Batch* last_batch() const noexcept;  // of those; null: none
  void submit_batch();
  bool take_committed();
  void shrink_batches();
  bool release(Batch& batch, bool force);
  void release_effect(Batch& batch, const Effect& effect);
  void fail_batch(Batch& batch, std::vector<Load*>& loads);
  void refuse_failed(const Requester& to);
  void fail_pending(Batch& first);
  void drop_pending_state(Batch& batch);
  void touch_head(Entity& owner);
  std::uint64_t append_row(Entity& owner, Timeline& timeline, std::int64_t& time_ms);
  void finish_batch(Batch* batch);
  RowSlot put_row(Entity& owner, const Timeline& timeline, std::uint64_t seq,
                  std::int64_t time_ms, SessionId origin, UserId sender, RowKind kind,
                  std::size_t body_bytes);

  // ---- answers.cc ----
  void answer(const Requester& to, Code code, std::string_view reason, std::uint64_t seq = 0,
              std::int64_t time_ms = 0, std::string_view payload = {}, bool duplicate = false);
  void refuse(const Requester& to, Code code);  // with the code's usual sentence
  void answer_login(const Requester& to, const LoginAnswerRecord& record, std::string_view user,
                    std::string_view device, std::string_view reason);
  void refuse_login(const Requester& to, Code code, std::string_view reason);
  void disconnect(ConnectionId connection, DisconnectCode code, std::string_view reason);
  // Puts a whole record on a delivery ring, or behind those that wait for room.
  void emit(GatewayIndex gateway, std::string_view record);
  bool flush_waiting_answers();

  // ---- entities.cc, entity_load.cc ----
  User& user_entry(TenantId tenant, std::uint64_t hash, std::string_view name);
  Group& group_entry(TenantId tenant, std::uint64_t hash, std::string_view name);
  Entity& make_entity(NameKind kind, TenantId tenant, std::uint64_t hash, std::string_view name);
  Entity* find_entity(NameKind kind, TenantId tenant, std::uint64_t hash, std::string_view name);
  bool must_wait(Entity& entity, ByteView record);  // true: parked or refused
  bool ensure_loaded(Entity& entity, ByteView record);   // false: parked
  bool ensure_all_loaded(std::span<User* const> users, bool with_mine, ByteView record);
  void begin_load(Entity& entity);
  void begin_mine(User& user);
  bool may_prefetch(const Entity& entity) const noexcept;
  bool ensure_fresh(Entity& entity, Timeline& timeline, ByteView record);
  bool ensure_mine(User& user, ByteView record);
  bool ensure_members(Group& group, std::span<const std::string_view> names, ByteView record);
  std::optional<StoreStatus> read_row(Entity& entity, const std::string& key, bool pending,
                                      ByteView record, std::string& value);
  const Member& member_of(Group& group, std::string_view user) const;
  void park(Entity& entity, ByteView record);
  CompactVector<std::string> unpark(Entity& entity);
  void replay(Entity& entity);
  void adopt(Entity& entity, const Load& load);
  void create_user(User& user);
  Load* make_load(Load::Kind kind, Load::Reason reason, Entity* entity);
  void start_load(Load* load);       // at once where it can be answered from memory
  void start_load_quiet(Load* load); // once everything submitted so far is durable
  bool take_loads();
  void finish_load(Load* load);
  void free_load(Load* load);
  void evict();
  void pin(Entity* entity) { ++entity->pins; }
  void unpin(Entity* entity);
  // A cursor or membership of the user is in the open batch: a read under way may not have seen it.
  void note_change(User& user);
  std::uint64_t tenant_hash(TenantId tenant) const;
  std::uint64_t user_hash(TenantId tenant, std::string_view name) const {
    return hash_name(identity_.hash_seed, tenant_hash(tenant), NameKind::kUser, name);
  }
  // Rows older than this are hidden.
  std::int64_t retention_cutoff_ms() const;
  std::uint64_t next_id();

  // ---- handle_login.cc ----
  void handle_login(const LoginRecord& record);
  void check_password_login(const LoginRecord& record);
  void on_password_hash(Load* load);
  bool take_verdicts();
  void continue_login(const LoginRecord& record);
  void next_login(User& user);
  const Session* older_session(const Session& session) const;
  static const Session* session_of(const User& user, std::string_view device);
  void finish_login(Load* load);
  void send_login_answer(Session& session);
  void end_waits();
  bool is_resident(const User& user) const;
  void open_session(User& user, const LoginRecord& record);
  bool login_is_gone(ConnectionId connection) const;
  void end_login(ConnectionId connection);

  // ---- handle_message.cc ----
  void handle_message(const RequestRecord& record);
  void handle_relayed(const RequestRecord& record);
  void store_message(const RequestRecord& record, const RequestParts& parts, Entity& target,
                     Timeline& timeline);
  void relay_to_user(const RequestRecord& record, const RequestParts& parts, User& user);
  void relay_in_place(const RequestRecord& record, const User& user, std::uint32_t offset);
  void relay_to_group(const RequestRecord& record, const RequestParts& parts, Group& group);
  bool may_write(const RequestRecord& record, std::string_view from, User& user);  // false: parked

  // ---- dedupe.cc ----
  void begin_dedupe();
  // True: answered, waiting or parked; the message is not to be stored.
  bool is_duplicate(const RequestRecord& record, const RequestParts& parts, Entity& target,
                    Timeline& timeline, const DedupeKey& key, const ContentHash& content);
  bool knows_repeats(Timeline& timeline);
  bool look_through(Entity& target, Timeline& timeline, ByteView record);
  void take_repeats(Timeline& timeline, const Load& load);
  Found read_first(const RequestRecord& record, const RequestParts& parts, Entity& target,
                   const Timeline& timeline, std::uint64_t seq, FirstMessage& first);

  // ---- own_copy.cc, recall.cc ----
  void send_copy(const User& recipient, const Effect& effect, std::string_view body);
  void send_copies();
  void on_own_copy(const OwnCopyRecord& record);
  void tell_copies(const User& user, Session* newcomer = nullptr, std::uint8_t devices_before = 0);
  void on_copies_set(const User& user, SessionId told);
  bool find_recalled(const RequestRecord& record, const RequestParts& parts, Entity& target,
                     const Timeline& timeline, std::string& recalled);
  void put_recalled(const Timeline& timeline, std::string_view recalled);
  bool recall_is_pending(const std::string& key);

  // ---- handle_ack.cc, handle_sync.cc ----
  void handle_ack(const RequestRecord& record);
  void ack_feed(Session& session, std::size_t feed_index, std::uint64_t seq, const Requester& to);
  void handle_sync(const RequestRecord& record);
  void finish_sync(Load* load);
  static std::size_t find_group_feed(const Session& session, std::string_view group);

  // ---- deliver.cc, handle_session.cc ----
  std::uint64_t feed_head(const Session& session, std::size_t feed_index) const;
  bool can_hand(const Session& session, const Feed& feed, std::size_t bytes) const;
  void hand(Session& session, std::uint32_t feed_index, std::uint64_t seq, std::size_t bytes,
            PushTarget& target);
  void push_row(std::uint64_t seq, std::string_view body);
  void relay(const SplicedMessage& message);
  void relay_body(std::string_view body);
  template <typename Write>
  void relay_with(std::size_t body_bytes, Write write);
  void consider_live(Session& session, std::uint32_t feed_index, std::uint64_t seq,
                     SessionId origin, std::size_t bytes);
  void enqueue_pump(Session& session);
  bool may_pump();
  void pump_some();
  void pump(Session& session);
  void hand_page(Session& session, std::uint32_t feed_index, const Load& page);
  void finish_catchup(Load* load);
  void share_page(Load& load);
  bool is_in_shared_page(const Session& session, std::size_t feed_index, std::uint64_t head) const;
  void on_taken(Session& session, std::uint64_t ordinal);
  void on_refused(Session& session, std::uint64_t ordinal);
  void on_drained(Session& session);
  void on_ended(const SessionRecord& record);
  void end_session(Session& session);
  void handle_session_record(ByteView record);
  Session* find_session(ConnectionId connection);

  // ---- cursors.cc ----
  void mark_dirty(Session& session, Feed& feed);
  void visit_soon(Session& session);
  std::uint64_t live_cursor(const Session& but, std::uint64_t timeline) const;
  std::uint64_t device_cursor(const Session& session, std::uint64_t timeline,
                              std::uint64_t cursor) const;
  bool is_forgotten(const DeviceCursor& cursor) const;
  std::uint8_t count_devices(const User& user) const;
  void forget_oldest_devices(User& user);
  void forget_device(User& user, std::string_view device);
  static void device_is_stored(User& user, std::string_view device);
  static void forget_unstored(User& user, std::string_view device);
  void put_cursor(User& user, std::string_view device, std::uint64_t timeline, std::uint64_t seq);
  void store_cursor(User& user, std::string_view device, std::uint64_t timeline, CursorRow row);
  void flush_cursors(Session& session);
  void take_cursors(Session& session);
  void drop_taken_cursors(User& user);
  void keep_cursors(Session& session);
  bool is_kept(const Session& session, std::uint64_t timeline) const;
  void flush_soon(User& user);
  void flush_users();
  void flush_user(User& user);
  void flush_again(User& user);

  // ---- subscriptions.cc ----
  GroupHub& join_hub(GroupId id, TenantId tenant, std::string_view name);
  std::uint32_t add_group_feed(Session& session, std::string_view group_name, const MineRow& mine,
                               std::uint64_t cursor);
  void leave_hub(Session& session, std::uint32_t feed_index);
  void on_subscribe(const SubscribeRecord& record);
  void on_unsubscribe(const SubscribeRecord& record);
  void on_subscribed(const GroupRowRecord& record);
  void on_group_row(const GroupRowRecord& record, std::string_view body);
  void on_group_head(const GroupRowRecord& record);
  void on_group_relay(const GroupRowRecord& record, std::string_view body);
  void publish_group_row(Group& group, std::uint64_t seq, SessionId origin, std::string_view body);
  void send_lagging_heads();
  void hear(GroupHub& hub, std::uint64_t head);

  // ---- outbox.cc ----
  void add_outbox(Group& group, std::string_view user, const MineRow& mine);
  std::uint64_t add_outbox(Entity& owner, const OutboxRow& row);
  std::size_t outbox_size() const noexcept;
  void queue_outbox(std::uint64_t number, std::uint16_t partition, const OutboxRow& row,
                    std::string_view encoded);
  void send_outbox();
  void send_lane(WorkerIndex to);
  bool handoffs_wait() const noexcept;
  // Every effect for that worker is on its way.
  bool effects_sent(WorkerIndex to) const noexcept;
  void erase_outbox(std::string key);
  void erase_outbox_again();
  void on_effect(const EffectRecord& record);
  void on_effect_done(const EffectRecord& record);
  void apply_effect(const EffectRecord& record, User& user, const OutboxRow& row);
  bool effect_is_ready(User& user, const OutboxRow& row);
  void apply_mine(User& user, const OutboxRow& row);
  void run_waiting_effects();
  void tell_effect_done(WorkerIndex to, std::uint64_t number, bool ok);

  // ---- exchange.cc ----
  // Asks the users' owners; the record is dispatched again with the exchange's number in it.
  void ask_users(Group& group, std::span<const std::string_view> users,
                 const RequestRecord& record);
  void on_ask_users(const UsersExchangeRecord& record);
  void on_users_answer(const UsersExchangeRecord& record);
  void release_places(TenantId tenant, const Exchange& exchange);
  void on_release_places(const UsersExchangeRecord& record);
  void release_place(User& user);
  void run_exchange(std::uint64_t id);
  void hold_group(Exchange& exchange);
  void release_group(Exchange& exchange);
  // The finished exchange that this request comes back from; null: it comes from a client.
  Exchange* exchange_of(const RequestRecord& record);
  void ask_ack(const RequestRecord& record, std::string_view group);
  void on_ask_ack(const AckExchangeRecord& record);
  void on_ack_answer(const AckExchangeRecord& record);
  void expire_exchanges();

  // ---- handle_group.cc, group_event.cc, group_pages.cc, group_dismissal.cc ----
  void handle_group(const RequestRecord& record);
  bool group_operation(const RequestRecord& record, Group& group, const GroupCall& call,
                       const Requester& to);
  bool group_create(const RequestRecord& record, Group& group, const GroupCall& call);
  bool group_join(const RequestRecord& record, Group& group, const GroupCall& call);
  bool group_invite(const RequestRecord& record, Group& group, const GroupCall& call);
  void group_leave(const RequestRecord& record, Group& group, const GroupCall& call);
  void group_kick(const RequestRecord& record, Group& group, const GroupCall& call);
  void group_set_role(const RequestRecord& record, Group& group, const GroupCall& call);
  void group_mute(const RequestRecord& record, Group& group, const GroupCall& call);
  void group_rename(const RequestRecord& record, Group& group, const GroupCall& call);
  void group_dismiss(const RequestRecord& record, Group& group, const GroupCall& call);
  void group_info(const RequestRecord& record, Group& group);
  void group_unchanged(const RequestRecord& record, Group& group);
  void group_members_page(const RequestRecord& record, Group& group, const GroupCall& call);
  void finish_members_page(Load* load);
  void list_mine(const RequestRecord& record, const GroupCall& call);
  Code may_act_on(Group& group, const GroupCall& call, std::string_view user) const;
  void add_members(const RequestRecord& record, Group& group, const GroupCall& call,
                   std::span<const std::string_view> added, Role actor_role);
  void remove_members(const RequestRecord& record, Group& group, const GroupCall& call,
                      std::span<const std::string_view> removed);
  template <typename Change>
  void change_members(const RequestRecord& record, Group& group, const GroupCall& call,
                      std::span<const std::string_view> changed, Change change);
  void group_event(const RequestRecord& record, Group& group, const GroupCall& call,
                   std::span<const std::string_view> users, std::uint64_t seq,
                   std::int64_t time_ms);
  bool event_fits(const GroupCall& call, std::span<const std::string_view> users) const;
  void add_result_member(const MemberFields& member);
  void set_member(Group& group, std::string_view user, const Member& member);
  void begin_dismissal(Group& group, std::uint64_t seq, std::int64_t time_ms);
  void queue_dismissal(TenantId tenant, std::string_view name, const MineRow& end);
  void continue_dismissals();
  void finish_dismissal_page(Load* load);

  // ---- admin.cc ----
  bool take_admin();
  bool run_admin(AdminCommand& command);
  bool run_user_admin(AdminCommand& command);
  void end_admin();
  void finish_admin(AdminCommand* command, bool durable);
  std::uint64_t kick(Session& session);

  // ---- admin_devices.cc ----
  bool run_devices(User& user, AdminCommand& command);
  void start_devices(User& user);
  void finish_devices(Load* load);
  void tell_devices(const User& user, const Load& load, AdminCommand& command);
  void forget_known_device(User& user, const Load& load, AdminCommand& command);

  // ---- handoffs out ----
  template <typename Record>
  bool send_handoff(WorkerIndex to, Record record, HandoffKind kind,
                    std::initializer_list<std::string_view> bytes);

  static Requester requester_of(const RequestRecord& record) {
    return {record.connection, record.request_id, record.trace, record.header.flags};
  }

  Contacts contacts_{*this};
  Presence presence_{*this};
};

}  // namespace ims::logic
