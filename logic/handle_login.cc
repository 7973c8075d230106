// CONNECT: credentials, then the user's rows, then a session.
//
//   handle_login ──JWT ok──▶ continue_login ──load user, cursors, memberships──▶ finish_login
//        └─password─▶ read its hash ─▶ authenticator ─▶ verdict ─┘ │                │
//                                       all of it is in memory: ───┴─▶ open_session ◀┘
//                                                              send_login_answer ◀──┴─(commit)
//
//   writes   a new user; the inbox cursor of a new device (that is what makes it known)
//   sends    the login answer; REPLACED to an older session of the same device
// A wrong tenant, user or credential is one answer: UNAUTHENTICATED, and the same sentence.

#include <algorithm>

#include "logic/find_entity.h"
#include "logic/login_record.h"
#include "logic/worker.h"

namespace ims::logic {
namespace {

constexpr std::int64_t kReplacedWaitMs = 1000;  // for the older session's last cursors
constexpr std::int64_t kAnnouncedWaitMs = 1000;  // for gateways to copy to a new device
constexpr std::int64_t kLastUsedRefreshMs = 3'600'000;

}  // namespace

// ---- the user -----------------------------------------------------------------------------------

// A user who was here not long ago has everything in memory. Else one login of a user reads at a
// time; messages for the user go on meanwhile. What a login read and was changed since
// (memberships) is read again.
void Worker::continue_login(const LoginRecord& record) {
  const ConnectView connect = connect_of(record);
  const Tenant* tenant = tenants_.find(connect.org, connect.appkey);
  if (tenant == nullptr) {  // removed meanwhile
    refuse_login(requester_of_login(record), Code::kUnauthenticated, kWrongLogin);
    return end_login(record.connection);
  }
  User& user = user_entry(tenant->id, record.user_hash, connect.user);
  if (login_is_gone(record.connection)) {
    end_login(record.connection);
    return next_login(user);
  }
  if (user.login_busy) {
    user.extra().waiting_logins.emplace_back(as_text(bytes_of(record)));
    return;
  }
  if (is_resident(user)) {
    open_session(user, record);
    end_login(record.connection);
    return next_login(user);
  }
  user.login_busy = true;
  user.login_stale = false;
  Load* load = make_load(Load::Kind::kLogin, Load::Reason::kLogin, &user);
  load->record = as_text(bytes_of(record));
  load->connection = record.connection;
  start_load_quiet(load);
}

// Nothing of what a login looks at has to be read: cursors and memberships in memory include what
// is pending, and the oldest kept row is still the oldest.
bool Worker::is_resident(const User& user) const {
  const TimelineState inbox = user.inbox.durable();
  return user.state == Entity::State::kReady && !user.reading && user.cursors != nullptr &&
         user.mine != nullptr &&
         (inbox.first_seq > inbox.head || inbox.first_time_ms >= retention_cutoff_ms());
}

// Who waited first goes on. Called whenever a login of the user comes to nothing or is done.
void Worker::next_login(User& user) {
  if (user.login_busy) return;
  if (admin_due_ == &user) return start_devices(user);
  if (!user.has_waiting_logins()) return;
  CompactVector<std::string>& waiting = user.extra().waiting_logins;
  local_.push_back(std::move(waiting.front()));
  waiting.erase(waiting.begin());
  user.trim_extra();
}

void Worker::finish_login(Load* load) {
  User& user = static_cast<User&>(*load->entity);
  const std::string bytes = load->record;
  const auto& record = record_as<LoginRecord>(as_bytes(bytes));

  if (load->status == StoreStatus::kOk && user.login_stale && !login_is_gone(record.connection)) {
    user.login_stale = false;
    return start_load_quiet(load);
  }
  user.login_busy = false;
  const auto done = [&] {
    end_login(record.connection);
    next_login(user);
    free_load(load);
  };
  if (login_is_gone(record.connection)) return done();
  if (load->status != StoreStatus::kOk) {
    refuse_login(requester_of_login(record), Code::kUnavailable,
                 "The store cannot be read now; try again.");
    return done();
  }
  if (user.state == Entity::State::kNew) adopt(user, *load);
  if (user.state == Entity::State::kReady) user.inbox.take_first_seq(load->timeline, now_.wall_ms);
  const bool is_known = user.state == Entity::State::kReady || user.removed;
  if (user.mine == nullptr && is_known) {
    user.mine.set(std::move(load->mine));
  }
  if (user.cursors == nullptr) {
    user.cursors.set(std::move(load->cursors));
    drop_taken_cursors(user);
  }
  open_session(user, record);
  done();
}

// Cursors and memberships of the user are in memory.
void Worker::open_session(User& user, const LoginRecord& record) {
  const Requester to = requester_of_login(record);
  const ConnectView connect = connect_of(record);

  // What may be refused comes first; then everything is changed.
  Session* replaced = nullptr;
  std::uint32_t devices = 0;
  for (Session* session : user.sessions) {
    if (session->send_only) continue;
    if (!session->closing && session->device == connect.device) {
      replaced = session;
    } else if (!session->closing) {
      ++devices;
    }
  }
  if (connect.send_only && user.send_only_count >= config_.max_send_only) {
    return refuse_login(to, Code::kRateLimited, "The user has too many send_only sessions.");
  }
  if (!connect.send_only && devices >= config_.max_devices) {
    return refuse_login(to, Code::kForbidden, "The user has too many devices online.");
  }

  const bool is_new_user = user.state == Entity::State::kAbsent;
  if (is_new_user && !ports_.store->has_space()) {
    return refuse_login(to, Code::kUnavailable, "The store cannot write now; try again.");
  }
  if (is_new_user) {
    create_user(user);
    if (!connect.send_only) {  // in the same batch: nothing may be lost of its first session
      user.last_seen_ms = now_.wall_ms;
      user.online_boot = identity_.boot;
    }
  }

  auto owned = std::make_unique<Session>();
  Session& session = *owned;
  session.connection = record.connection;
  session.id = SessionId{next_id()};
  session.user = &user;
  session.device = connect.device;
  session.mode = connect.ack == 1 ? AckMode::kExplicit : AckMode::kAuto;
  session.send_only = connect.send_only;
  session.expires_ms = record.expires_ms;
  session.login = std::make_unique<LoginWait>(
      LoginWait{.requester = to, .waits_for = {}, .wait_until_ms = 0,
                .keepalive_s = connect.keepalive_s});
  pin(&user);
  user.sessions.push_back(&session);
  const bool is_new = sessions_.insert(std::move(owned)).second;
  IMS_ASSERT(is_new);
  counters_.set(Counter::kSessions, sessions_.size());
  bool writes = is_new_user;

  const std::uint8_t devices_before = count_devices(user);
  user.known_devices = devices_before;
  if (session.send_only) {
    ++user.send_only_count;
  } else {
    const Session* const older = older_session(session);
    if (older != nullptr) {
      session.login->waits_for = older->id;
      session.login->wait_until_ms = now_.mono_ms + kReplacedWaitMs;
      waiting_sessions_.push_back(session.connection);
    }
    if (replaced != nullptr) {
      replaced->closing = true;
      send_login_answer(*replaced);
      disconnect(replaced->connection, DisconnectCode::kReplaced,
                 "The same device logged in again.");
    }
    const auto start_of = [&](std::uint64_t timeline, std::uint64_t fallback, bool* known) {
      std::uint64_t most_advanced = fallback;
      for (const DeviceCursor& cursor : *user.cursors) {
        if (cursor.timeline != timeline || is_forgotten(cursor)) continue;
        if (cursor.device == connect.device) {
          *known = true;
          return cursor.row.seq;
        }
        most_advanced = std::max(most_advanced, cursor.row.seq);
      }
      return std::max(most_advanced, live_cursor(session, timeline));
    };

    session.seen_due = true;
    session.in_dirty_list = true;
    dirty_sessions_.push_back(session.connection);

    const std::uint64_t inbox = user.id().value;
    bool known_device = false;
    std::uint64_t acked = start_of(inbox, user.inbox.first_seq() - 1, &known_device);
    const DeviceCursor* const stored = find_cursor(*user.cursors, session.device, inbox);
    if (known_device && now_.wall_ms - stored->row.last_used_ms > kLastUsedRefreshMs) {
      mark_dirty(session, session.inbox);
    }
    if (!known_device && older != nullptr) {
      known_device = true;
      acked = 0;  // sessions of the device that have not ended know it
    }
    // They may also be further than what is stored of them.
    session.inbox.start(device_cursor(session, inbox, acked));
    const auto active = std::ranges::count_if(
        *user.mine, [](const Mine& mine) { return !mine.ended(); });
    session.groups.reserve(static_cast<std::size_t>(active));
    for (const Mine& mine : *user.mine) {
      bool known = known_device;  // a device's cursor of a group that it never read: its join
      const std::uint64_t start = mine.join_seq() - 1;
      const std::uint64_t timeline = mine.group().value;
      bool found = false;
      std::uint64_t cursor = start_of(timeline, start, &found);
      if (!found && known) cursor = start;
      cursor = device_cursor(session, timeline, std::max(cursor, start));
      if (!known && cursor > start) {  // where a new device starts is its cursor from now on
        put_cursor(user, session.device, timeline, cursor);
      }
      const MineRow row = mine.row();
      if (mine.ended() && (cursor >= row.end_seq || row.end_time_ms < retention_cutoff_ms())) {
        continue;
      }
      add_group_feed(session, mine.group_name(), row, cursor);
    }
    if (!known_device) {  // who is forgotten for it was still looked at above
      forget_oldest_devices(user);
      put_cursor(user, session.device, inbox, session.inbox.acked());
      take_cursors(session);
      user.known_devices = count_devices(user);
      tell_copies(user, &session, devices_before);
      if (session.waits()) {
        session.login->wait_until_ms = now_.mono_ms + kAnnouncedWaitMs;
        waiting_sessions_.push_back(session.connection);
      }
      touch_head(user);  // a login behind this one waits for the same batch
      writes = true;
    } else {
      take_cursors(session);
    }
  }

  // What the answer rests on is durable first: this login's rows, or what is pending of the user.
  if (writes || is_dirty(user.inbox)) {
    Batch& batch = writes ? open_batch() : *last_batch();
    Effect& effect = batch.effects.emplace_back();
    effect.kind = Effect::Kind::kLogin;
    effect.owner = &user;
    pin(&user);
    wait_for_batch(effect, to);
    effect.origin_session = session.id;
    if (!session.send_only) {
      effect.payload_offset = static_cast<std::uint32_t>(batch.arena.size());
      effect.payload_bytes = static_cast<std::uint32_t>(session.device.size());
      batch.arena.append(session.device);
    }
  } else {
    session.login_durable = true;
    send_login_answer(session);
  }
}

// A session of the same device that came before and has not ended; null: none.
const Session* Worker::older_session(const Session& session) const {
  for (const Session* other : session.user->sessions) {
    if (!other->send_only && other->device == session.device && other->id < session.id) {
      return other;
    }
  }
  return nullptr;
}

// A session of the device, one that lives rather than one that is being ended; null: none.
const Session* Worker::session_of(const User& user, std::string_view device) {
  const Session* found = nullptr;
  for (const Session* session : user.sessions) {
    if (session->send_only || session->device != device) continue;
    if (found == nullptr || !session->closing) found = session;
  }
  return found;
}

// ---- the answer ---------------------------------------------------------------------------------

// Once what the login wrote is durable, the replaced session's last cursors are known (acked_seq is
// where the pushes go on) and the user's other sessions copy what they send to the device.
void Worker::send_login_answer(Session& session) {
  if (session.answered || !session.login_durable) return;
  // One that is ended meanwhile waits for nobody: the gateway owes the answer before the
  // Disconnect.
  if (session.waits() && !session.closing) return;
  const User& user = *session.user;
  LoginAnswerRecord record;
  record.header.flags =
      static_cast<std::uint8_t>((session.send_only ? kFlagSendOnly : 0) |
                                (session.copies_due(user.known_devices) ? kFlagCopies : 0));
  record.session = session.id;
  record.user = user.id();
  record.user_hash = user.hash;
  record.tenant_hash = tenant_hash(user.tenant);
  record.inbox_seq = user.inbox.head();
  record.acked_seq = session.send_only ? 0 : session.inbox.acked();
  record.first_seq = user.inbox.first_seq();
  record.tenant = user.tenant;
  record.keepalive_s = session.login->keepalive_s;
  record.code = Code::kOk;
  answer_login(session.login->requester, record, user.name, session.device, {});
  session.login.reset();
  session.answered = true;
  if (session.send_only) return;
  enqueue_pump(session);
  presence_.touch(user);
}

}  // namespace ims::logic
