// PRESENCE at the owner of who asks: who is a friend, the question to each owner, the answer, and
// the sessions that watch (presence.h).
#include <algorithm>

#include "logic/find_entity.h"
#include "logic/presence.h"
#include "logic/presence_text.h"
#include "logic/worker.h"
#include "shared/encode.h"
#include "shared/limits.h"
#include "shared/payload.h"
#include "shared/request_parts.h"
#include "shared/results.h"

namespace ims::logic {
namespace {

void append_one(Buffer& out, const PresenceText& presence, bool with_devices) {
  std::span<const std::string_view> devices;
  if (with_devices) devices = presence.devices;
  append_presence(out, {presence.user, presence.online, presence.last_seen_ms, devices});
}

// Nobody is left out for want of room in the frame: the devices are, of as many as it takes. (The
// users alone fit: they came in a frame.)
void append_all(Buffer& out, std::span<const PresenceText> all, std::size_t bytes_max) {
  out.clear();
  for (const PresenceText& presence : all) append_one(out, presence, true);
  if (out.size() <= bytes_max) return;
  out.clear();
  for (const PresenceText& presence : all) append_one(out, presence, false);
  std::size_t room = bytes_max - std::min(bytes_max, out.size());
  Buffer one;
  out.clear();
  for (const PresenceText& presence : all) {
    one.clear();
    append_one(one, presence, false);
    const std::size_t bytes = one.size();
    one.clear();
    append_one(one, presence, true);
    const std::size_t more = one.size() - bytes;
    append_one(out, presence, more <= room);
    if (more <= room) room -= more;
  }
  while (out.size() > bytes_max && !all.empty()) {  // names as long as frames are short
    all = all.first(all.size() - 1);
    out.clear();
    for (const PresenceText& presence : all) append_one(out, presence, false);
  }
}

}  // namespace

Presence::HubKey Presence::key_of(TenantId tenant, std::uint64_t hash, std::string_view name) {
  return {hash, std::to_string(tenant.value) + "/" + std::string(name)};
}

void Presence::handle(const RequestRecord& record) {
  const RequestParts parts(record);
  const std::string_view own = parts.target();
  PresenceRequestView request;
  const DecodeStatus status = decode_presence_request(parts.payload(), request);
  IMS_ASSERT(status == DecodeStatus::kOk);  // the gateway checked it
  User& user = worker_.user_entry(record.tenant, record.target_hash, own);
  if (!worker_.ensure_loaded(user, bytes_of(record))) return;
  const Requester to = Worker::requester_of(record);
  Session* session = worker_.find_session(record.connection);
  if (session == nullptr || session->id != record.session) {
    return worker_.refuse(to, Code::kFail);  // it ended meanwhile: nobody hears this
  }
  std::vector<std::string_view> names(request.users.begin(), request.users.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (!worker_.contacts_.ensure(user, names, bytes_of(record))) return;
  std::erase_if(names, [&](std::string_view name) {
    return name != own && worker_.contacts_.view(user, name).state != ContactState::kFriend;
  });
  if (request.watch) {
    if (!watch(*session, names)) {
      return worker_.answer(to, Code::kRateLimited, "The session watches too many users.");
    }
  } else if (session->watches) {
    for (const std::string_view name : request.users) {
      const std::uint64_t hash = worker_.user_hash(user.tenant, name);
      const auto hub = hubs_.find(key_of(user.tenant, hash, name));
      if (hub != hubs_.end()) unwatch(*session, *hub->second);
    }
  }
  ask(record, user, request.watch, names);
}

void Presence::ask(const RequestRecord& record, const User& user, bool watch,
                   std::span<const std::string_view> names) {
  const Requester to = Worker::requester_of(record);
  if (exchanges_.size() >= kPresenceExchangesMax) return worker_.refuse(to, Code::kOverloaded);
  const std::uint64_t id = ++worker_.exchange_counter_;
  Exchange& exchange = exchanges_[id];
  exchange.requester = to;
  exchange.tenant = user.tenant;
  exchange.deadline_ms = worker_.now_.mono_ms + kExchangeTimeoutMs;
  std::vector<std::string> lists(worker_.worker_count_);
  for (const std::string_view name : names) {
    const WorkerIndex owner =
        worker_of(worker_.user_hash(user.tenant, name), worker_.worker_count_);
    append_presence_name(lists[owner], name);
  }
  for (std::size_t owner = 0; owner < lists.size(); ++owner) {
    if (lists[owner].empty()) continue;
    PresenceRecord question;
    question.exchange = id;
    question.tenant = user.tenant;
    question.worker = worker_.ports_.index;
    question.watch = watch;
    question.list_bytes = static_cast<std::uint32_t>(lists[owner].size());
    ++exchange.answers_due;
    // No room: the exchange runs into its deadline and the client tries again.
    worker_.send_handoff(static_cast<WorkerIndex>(owner), question, HandoffKind::kAskPresence,
                         {lists[owner]});
  }
  if (exchange.answers_due == 0) finish(id);
}

void Presence::on_answer(const PresenceRecord& record) {
  const auto it = exchanges_.find(record.exchange);
  if (it == exchanges_.end()) return;  // too late
  RecordTail tail(record);
  it->second.list.append(tail.take_text(record.list_bytes));
  if (record.last && --it->second.answers_due == 0) finish(record.exchange);
}

void Presence::finish(std::uint64_t id) {
  const auto it = exchanges_.find(id);
  const std::size_t bytes_max = worker_.config_.max_frame_bytes - kSmallAnswerBytes;
  Buffer& result = worker_.result_;
  std::vector<PresenceText> all;
  for (std::string_view list = it->second.list; !list.empty();) {
    PresenceText presence = take_presence_text(list);
    for (std::string_view changes = it->second.changes; !changes.empty();) {
      PresenceText change = take_presence_text(changes);
      if (change.user == presence.user) presence = std::move(change);
    }
    all.push_back(std::move(presence));
  }
  append_all(result, all, bytes_max);
  worker_.answer(it->second.requester, Code::kOk, {}, 0, 0, as_text(result));
  exchanges_.erase(it);
}

// ---- the sessions that watch --------------------------------------------------------------------

// False: they would be too many; nothing changed.
bool Presence::watch(Session& session, std::span<const std::string_view> names) {
  session.watches = true;
  Watches& watches = watches_[&session];
  const TenantId tenant = session.user->tenant;
  const auto watched = [&](PresenceHub& hub) {
    return std::find(watches.begin(), watches.end(), &hub) != watches.end();
  };
  std::size_t more = 0;
  for (const std::string_view name : names) {
    const auto hub = hubs_.find(key_of(tenant, worker_.user_hash(tenant, name), name));
    if (hub == hubs_.end() || !watched(*hub->second)) ++more;
  }
  if (watches.size() + more > worker_.config_.max_watches) return false;
  for (const std::string_view name : names) {
    const std::uint64_t hash = worker_.user_hash(tenant, name);
    std::unique_ptr<PresenceHub>& hub = hubs_[key_of(tenant, hash, name)];
    if (hub == nullptr) {
      hub = std::make_unique<PresenceHub>(PresenceHub{tenant, hash, std::string(name), {}});
    }
    if (watched(*hub)) continue;
    hub->sessions.push_back(&session);
    watches.push_back(hub.get());
  }
  return true;
}

void Presence::unwatch(Session& session, PresenceHub& hub) {
  if (!session.watches || std::erase(watches_[&session], &hub) == 0) return;
  std::erase(hub.sessions, &session);
  if (hub.sessions.empty()) drop_hub(hub);
}

// Where the ring is full the owner goes on telling of a user that nobody watches here; the first
// such record asks it again to stop.
void Presence::drop_hub(PresenceHub& hub) {
  PresenceRecord record;
  record.tenant = hub.tenant;
  record.worker = worker_.ports_.index;
  std::string list;
  append_presence_name(list, hub.name);
  record.list_bytes = static_cast<std::uint32_t>(list.size());
  worker_.send_handoff(worker_of(hub.hash, worker_.worker_count_), record, HandoffKind::kUnwatch,
                       {list});
  const HubKey key = key_of(hub.tenant, hub.hash, hub.name);
  hubs_.erase(key);
}

void Presence::end_session(Session& session) {
  if (!session.watches) return;
  const Watches watched = watches_[&session];
  for (PresenceHub* hub : watched) unwatch(session, *hub);
  watches_.erase(&session);
}

void Presence::end_between(const User& user, std::string_view name) {
  const auto hub =
      hubs_.find(key_of(user.tenant, worker_.user_hash(user.tenant, name), name));
  if (hub == hubs_.end()) return;
  PresenceHub* const watched = hub->second.get();  // unwatch() may drop it with its last session
  for (Session* session : user.sessions) {
    if (!session->watches) continue;
    const bool last = watched->sessions.size() == 1 && watched->sessions[0] == session;
    unwatch(*session, *watched);
    if (last) return;
  }
}

void Presence::on_change(const PresenceRecord& record) {
  RecordTail tail(record);
  const std::string_view all = tail.take_text(record.list_bytes);
  std::string_view list = all;
  const PresenceText presence = take_presence_text(list);
  const std::uint64_t hash = worker_.user_hash(record.tenant, presence.user);
  const auto hub = hubs_.find(key_of(record.tenant, hash, presence.user));
  if (hub == hubs_.end()) {
    PresenceHub gone{record.tenant, hash, std::string(presence.user), {}};
    return drop_hub(gone);
  }
  // An answer that goes out later than this push says no less.
  for (auto& [id, exchange] : exchanges_) {
    if (exchange.tenant == record.tenant) exchange.changes.append(all);
  }
  Buffer& result = worker_.result_;
  append_all(result, {&presence, 1}, worker_.config_.max_frame_bytes - kSmallAnswerBytes);
  std::string body(push_bytes(RequestType::kPresence, result.size()), '\0');
  write_push(reinterpret_cast<std::byte*>(body.data()), RequestType::kPresence, result);
  for (Session* session : hub->second->sessions) {
    if (session->closing || !session->answered) continue;
    worker_.fan_[session->connection.gateway()].push_back({session, 0});
  }
  worker_.relay_body(body);
}

}  // namespace ims::logic
