// CONNECT: credentials, then the user's rows, then a session.
//
//   handle_login ──JWT ok──▶ continue_login ──load user, cursors, memberships──▶ finish_login
//        └─password─▶ read its hash ─▶ authenticator ─▶ verdict ─┘                  │
//                                                              send_login_answer ◀──┴─(commit)
//
//   writes   a new user; the inbox cursor of a new device (that is what makes it known)
//   sends    the login answer; REPLACED to an older session of the same device
// A wrong tenant, user or credential is one answer: UNAUTHENTICATED, and the same sentence.

#include <algorithm>

#include "logic/jwt.h"
#include "logic/password.h"
#include "logic/worker.h"
#include "shared/command.h"

namespace ims::logic {
namespace {

constexpr std::string_view kWrongLogin = "The login is not valid.";
constexpr std::int64_t kReplacedWaitMs = 1000;  // for the older session's last cursors
constexpr std::int64_t kLastUsedRefreshMs = 3'600'000;

ConnectView connect_of(const LoginRecord& record) {
  RecordTail tail(record);
  ConnectView connect;
  const DecodeStatus status = decode_connect(tail.take(record.connect_bytes), connect);
  IMS_ASSERT(status == DecodeStatus::kOk);  // the gateway checked it
  return connect;
}

Requester requester_of_login(const LoginRecord& record) {
  return {record.connection, record.request_id, record.stamp, 0};
}

ByteView bytes_of(const LoginRecord& record) {
  return {reinterpret_cast<const std::byte*>(&record), record.header.bytes};
}

}  // namespace

// ---- credentials --------------------------------------------------------------------------------

void Worker::handle_login(const LoginRecord& record) {
  const ConnectView connect = connect_of(record);
  if (!logins_.contains(record.connection.bits)) {
    PendingLogin& login = logins_[record.connection.bits];
    login.deadline_ms = now_.mono_ms + config_.password_timeout_ms;
    login.requester = requester_of_login(record);
  }
  const Tenant* tenant = tenants_.find(connect.org, connect.appkey);
  if (looks_like_jwt(connect.token)) {
    const JwtResult result = tenant == nullptr
                                 ? JwtResult{}
                                 : verify_jwt(connect.token, *tenant, connect.user, now_.wall_ms);
    if (!result.ok()) {
      refuse_login(requester_of_login(record), Code::kUnauthenticated, kWrongLogin);
      return end_login(record.connection);
    }
    std::string verified(as_text(bytes_of(record)));
    LoginRecord& copy = *reinterpret_cast<LoginRecord*>(verified.data());
    copy.header.kind = record_kind(HandoffKind::kVerifiedLogin);
    copy.expires_ms = result.exp_ms;
    return continue_login(copy);
  }
  check_password_login(record);
}

void Worker::check_password_login(const LoginRecord& record) {
  const ConnectView connect = connect_of(record);
  const Tenant* tenant = tenants_.find(connect.org, connect.appkey);
  PendingLogin& login = logins_[record.connection.bits];
  login.record = as_text(bytes_of(record));
  Load* load = make_load(Load::Kind::kGets, Load::Reason::kPassword, nullptr);
  load->connection = record.connection;
  if (tenant != nullptr) {
    load->gets.push_back({Table::kMeta,
                          password_key(partition_of(record.user_hash), tenant->id, connect.user),
                          {},
                          {}});
  }
  start_load(load);
}

// An unknown tenant or user costs the same work: the authenticator then checks against a dummy.
void Worker::on_password_hash(Load* load) {
  const auto it = logins_.find(load->connection.bits);
  if (it == logins_.end() || it->second.gone) {
    logins_.erase(load->connection.bits);
    return;
  }
  if (load->status != StoreStatus::kOk) {
    refuse_login(it->second.requester, Code::kUnavailable,
                 "The store cannot be read now; try again.");
    return end_login(load->connection);
  }
  const auto& record = record_as<LoginRecord>(as_bytes(it->second.record));
  PasswordJob job;
  job.ticket = load->connection.bits;
  job.worker = ports_.index;
  job.password = Secret(connect_of(record).token);
  if (!load->gets.empty() && load->gets[0].status == StoreStatus::kOk) {
    job.hash = load->gets[0].value;
  }
  job.deadline_mono_ms = it->second.deadline_ms;
  if (ports_.passwords == nullptr || !ports_.passwords->try_submit(job)) {
    counters_.add(Counter::kPasswordOverloaded);
    refuse_login(it->second.requester, Code::kOverloaded,
                 "Too many logins are waiting; try again.");
    return end_login(load->connection);
  }
  counters_.set(Counter::kPasswordQueue, ports_.passwords->undecided());
}

bool Worker::take_verdicts() {
  if (ports_.passwords == nullptr) return false;
  bool worked = false;
  while (auto verdict = ports_.passwords->try_take()) {
    worked = true;
    const ConnectionId connection{verdict->ticket};
    const auto it = logins_.find(connection.bits);
    if (it == logins_.end()) continue;  // it took too long, or the client has gone
    if (it->second.gone) {
      logins_.erase(it);
      continue;
    }
    if (verdict->overloaded) {
      refuse_login(it->second.requester, Code::kOverloaded, "The login took too long.");
      end_login(connection);
    } else if (!verdict->ok) {
      refuse_login(it->second.requester, Code::kUnauthenticated, kWrongLogin);
      end_login(connection);
    } else {
      std::string verified = std::move(it->second.record);
      LoginRecord& copy = *reinterpret_cast<LoginRecord*>(verified.data());
      copy.header.kind = record_kind(HandoffKind::kVerifiedLogin);
      copy.expires_ms = 0;
      continue_login(copy);
    }
  }
  if (worked) counters_.set(Counter::kPasswordQueue, ports_.passwords->undecided());
  return worked;
}

bool Worker::login_is_gone(ConnectionId connection) const {
  const auto it = logins_.find(connection.bits);
  return it == logins_.end() || it->second.gone;
}

void Worker::end_login(ConnectionId connection) { logins_.erase(connection.bits); }

// ---- the user -----------------------------------------------------------------------------------

// One login of a user at a time; messages for the user go on meanwhile. What a login read and was
// changed since (cursors, memberships) is read again.
void Worker::continue_login(const LoginRecord& record) {
  if (login_is_gone(record.connection)) return end_login(record.connection);
  const ConnectView connect = connect_of(record);
  const Tenant* tenant = tenants_.find(connect.org, connect.appkey);
  if (tenant == nullptr) {  // removed meanwhile
    refuse_login(requester_of_login(record), Code::kUnauthenticated, kWrongLogin);
    return end_login(record.connection);
  }
  User& user = user_entry(tenant->id, record.user_hash, connect.user);
  if (user.login_busy) {
    user.waiting_logins.emplace_back(as_text(bytes_of(record)));
    return;
  }
  user.login_busy = true;
  user.login_stale = false;
  Load* load = make_load(Load::Kind::kLogin, Load::Reason::kLogin, &user);
  load->record = as_text(bytes_of(record));
  load->connection = record.connection;
  start_load_quiet(load);
}

void Worker::finish_login(Load* load) {
  User& user = static_cast<User&>(*load->entity);
  const std::string bytes = load->record;
  const auto& record = record_as<LoginRecord>(as_bytes(bytes));
  const Requester to = requester_of_login(record);
  const ConnectView connect = connect_of(record);

  if (load->status == StoreStatus::kOk && user.login_stale && !login_is_gone(record.connection)) {
    user.login_stale = false;
    return start_load_quiet(load);
  }
  user.login_busy = false;
  const auto done = [&] {
    end_login(record.connection);
    if (!user.waiting_logins.empty()) {
      local_.push_back(std::move(user.waiting_logins.front()));
      user.waiting_logins.erase(user.waiting_logins.begin());
    }
    free_load(load);
  };
  if (login_is_gone(record.connection)) return done();
  if (load->status != StoreStatus::kOk) {
    refuse_login(to, Code::kUnavailable, "The store cannot be read now; try again.");
    return done();
  }
  if (user.state == Entity::State::kNew) adopt(user, *load);
  if (user.mine == nullptr && user.state == Entity::State::kReady) {
    user.mine = std::make_unique<std::vector<Mine>>(std::move(load->mine));
  }

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
    refuse_login(to, Code::kRateLimited, "The user has too many send_only sessions.");
    return done();
  }
  if (!connect.send_only && devices >= config_.max_devices) {
    refuse_login(to, Code::kForbidden, "The user has too many devices online.");
    return done();
  }

  const bool is_new_user = user.state == Entity::State::kAbsent;
  if (is_new_user && !ports_.store->has_space()) {
    refuse_login(to, Code::kUnavailable, "The store cannot write now; try again.");
    return done();
  }
  if (is_new_user) {
    if (user.removed && user.mine == nullptr) {
      user.mine = std::make_unique<std::vector<Mine>>(std::move(load->mine));
    }
    create_user(user);
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
  session.keepalive_s = connect.keepalive_s;
  pin(&user);
  user.sessions.push_back(&session);
  sessions_[record.connection.bits] = std::move(owned);
  counters_.set(Counter::kSessions, sessions_.size());
  bool writes = is_new_user;

  if (session.send_only) {
    ++user.send_only_count;
  } else {
    if (replaced != nullptr) {
      session.waits_for = replaced->id;
      session.wait_until_ms = now_.mono_ms + kReplacedWaitMs;
      replaced->closing = true;
      disconnect(replaced->connection, DisconnectCode::kReplaced,
                 "The same device logged in again.");
    }
    const auto cursor_of = [&](std::uint64_t timeline, std::uint64_t fallback, bool* known) {
      std::uint64_t most_advanced = fallback;
      for (const Load::Cursor& cursor : load->cursors) {
        if (cursor.timeline != timeline) continue;
        if (cursor.device == connect.device) {
          *known = true;
          return cursor.row.seq;
        }
        most_advanced = std::max(most_advanced, cursor.row.seq);
      }
      return most_advanced;
    };

    bool known_device = false;
    Feed& inbox = session.feeds.emplace_back();
    inbox.timeline = user.inbox.key;
    inbox.acked = cursor_of(user.id.value, user.inbox.durable.first_seq - 1, &known_device);
    std::int64_t last_used_ms = 0;
    for (const Load::Cursor& cursor : load->cursors) {
      if (cursor.timeline == user.id.value && cursor.device == connect.device) {
        last_used_ms = cursor.row.last_used_ms;
      }
    }
    if (replaced != nullptr) inbox.acked = std::max(inbox.acked, replaced->feeds[0].acked);
    inbox.handed = inbox.acked;
    if (!known_device) {
      forget_oldest_device(user, load->cursors);
      ops().put(Table::kCursors, cursor_key(user.inbox.key, session.device, user.id.value),
                encode_cursor({now_.wall_ms, inbox.acked}));
      writes = true;
    } else if (now_.wall_ms - last_used_ms > kLastUsedRefreshMs) {
      mark_dirty(session, inbox);
    }
    for (const Mine& mine : *user.mine) {
      bool known = known_device;  // a device's cursor of a group that it never read: its join
      const std::uint64_t start = mine.row.join_seq - 1;
      bool found = false;
      std::uint64_t cursor = cursor_of(mine.row.group.value, start, &found);
      if (!found && known) cursor = start;
      cursor = std::max(cursor, start);
      if (!known && cursor > start) {  // where a new device starts is its cursor from now on
        ops().put(Table::kCursors,
                  cursor_key(user.inbox.key, session.device, mine.row.group.value),
                  encode_cursor({now_.wall_ms, cursor}));
      }
      if (mine.row.end_seq != 0 &&
          (cursor >= mine.row.end_seq || mine.row.end_time_ms < retention_cutoff_ms())) {
        continue;
      }
      add_group_feed(session, mine.group_name, mine.row, cursor);
    }
  }

  if (writes) {
    Effect& effect = add_effect(Effect::Kind::kLogin, &user);
    effect.requester = to;
    effect.origin_session = session.id;
  } else {
    send_login_answer(session, to);
  }
  done();
}

// A further device beyond max_known_devices: the one that was not seen for longest and has no
// session is forgotten, with all its cursors.
void Worker::forget_oldest_device(User& user, const std::vector<Load::Cursor>& cursors) {
  std::size_t known = 0;
  const Load::Cursor* oldest = nullptr;
  for (const Load::Cursor& cursor : cursors) {
    if (cursor.timeline != user.id.value) continue;
    ++known;
    const bool online =
        std::any_of(user.sessions.begin(), user.sessions.end(), [&](const Session* session) {
          return !session->send_only && session->device == cursor.device;
        });
    if (online) continue;
    if (oldest == nullptr || cursor.row.last_used_ms < oldest->row.last_used_ms) oldest = &cursor;
  }
  if (known < config_.max_known_devices || oldest == nullptr) return;
  for (const Load::Cursor& cursor : cursors) {
    if (cursor.device != oldest->device) continue;
    ops().erase(Table::kCursors, cursor_key(user.inbox.key, cursor.device, cursor.timeline));
  }
}

// ---- the answer ---------------------------------------------------------------------------------

void Worker::send_login_answer(Session& session, const Requester& to) {
  const User& user = *session.user;
  LoginAnswerRecord record;
  record.header.flags = session.send_only ? kFlagSendOnly : 0;
  record.session = session.id;
  record.user = user.id;
  record.user_hash = user.hash;
  record.tenant_hash = tenant_hash(user.tenant);
  record.inbox_seq = user.inbox.durable.head;
  record.acked_seq = session.feeds.empty() ? 0 : session.feeds[0].acked;
  record.first_seq = user.inbox.durable.first_seq;
  record.tenant = user.tenant;
  record.keepalive_s = session.keepalive_s;
  record.code = Code::kOk;
  answer_login(to, record, user.name, session.device, {});
  session.answered = true;
  if (!session.send_only) enqueue_pump(session);
}

}  // namespace ims::logic
