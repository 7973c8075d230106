// Questions between owners: does a user exist and may it join one more group; may a session's user
// acknowledge that row of a group. At most kExchangesMax are open at a worker, 5 s each, then the
// request is answered UNAVAILABLE. Promised places end with the effect that uses them, with the
// request that does not, or after 5 s.

#include <algorithm>
#include <utility>

#include "logic/find_entity.h"
#include "logic/worker.h"
#include "shared/request_parts.h"

namespace ims::logic {
namespace {

constexpr std::size_t kExchangesMax = 256;

}  // namespace

// ---- users, for CREATE, INVITE and JOIN ---------------------------------------------------------

void Worker::ask_users(Group& group, std::span<const std::string_view> users,
                       const RequestRecord& record) {
  if (exchanges_.size() >= kExchangesMax) return refuse(requester_of(record), Code::kOverloaded);
  const std::uint64_t id = ++exchange_counter_;
  Exchange& exchange = exchanges_[id];
  exchange.id = id;
  exchange.record = as_text(bytes_of(record));
  exchange.deadline_ms = now_.mono_ms + kExchangeTimeoutMs;
  exchange.group = &group;
  exchange.asked.resize(worker_count_);
  pin(&group);
  if (static_cast<GroupOp>(record.type) == GroupOp::kCreate) hold_group(exchange);
  const std::string_view actor = RequestParts(record).from();
  const std::uint64_t tenant_seed = tenant_hash(group.tenant);
  for (const std::string_view user : users) {
    if (!exchange.facts.try_emplace(std::string(user), UserFact::kUnknown).second) continue;
    const std::uint64_t hash =
        hash_name(identity_.hash_seed, tenant_seed, NameKind::kUser, user);
    exchange.asked[worker_of(hash, worker_count_)].emplace_back(user);
  }
  for (std::size_t to = 0; to < worker_count_; ++to) {
    const auto& names = exchange.asked[to];
    if (names.empty()) continue;
    std::string list;
    for (const std::string& name : names) {
      list.push_back(static_cast<char>(name.size()));
      list.append(name);
    }
    UsersExchangeRecord question;
    question.exchange = id;
    question.tenant = group.tenant;
    question.worker = ports_.index;
    question.count = static_cast<std::uint16_t>(names.size());
    question.actor_bytes = static_cast<std::uint8_t>(actor.size());
    question.list_bytes = static_cast<std::uint32_t>(list.size());
    ++exchange.answers_due;
    // No room: the exchange runs into its deadline and the client tries again.
    send_handoff(static_cast<WorkerIndex>(to), question, HandoffKind::kAskUsers, {actor, list});
  }
}

void Worker::on_ask_users(const UsersExchangeRecord& record) {
  const ByteView bytes = bytes_of(record);
  RecordTail tail(record);
  const std::string_view actor = tail.take_text(record.actor_bytes);
  std::string_view list = tail.take_text(record.list_bytes);
  std::vector<User*> users;
  users.reserve(record.count);
  while (!list.empty()) {
    const std::size_t name_bytes = static_cast<unsigned char>(list[0]);
    const std::string_view name = list.substr(1, name_bytes);
    list.remove_prefix(1 + name_bytes);
    users.push_back(&user_entry(record.tenant, user_hash(record.tenant, name), name));
  }
  if (!ensure_all_loaded(users, true, bytes)) return;
  for (User* user : users) {
    if (user->state == Entity::State::kReady && Contacts::may_block(*user) &&
        !contacts_.ensure(*user, {&actor, 1}, bytes)) {
      return;
    }
  }
  std::string facts;
  for (User* user : users) {
    UserFact fact = UserFact::kFree;
    if (user->state != Entity::State::kReady || contacts_.view(*user, actor).blocked) {
      fact = UserFact::kAbsent;  // whom they blocked need not know
    } else {
      const auto active = std::count_if(user->mine->begin(), user->mine->end(),
                                        [](const Mine& mine) { return !mine.ended(); });
      if (static_cast<std::uint64_t>(active) + user->groups_reserved() >=
          config_.max_groups_per_user) {
        fact = UserFact::kAtGroupLimit;
      } else {
        ++user->extra().groups_reserved;
        pin(user);
        reservations_.push_back({user, now_.mono_ms + kExchangeTimeoutMs});
      }
    }
    facts.push_back(static_cast<char>(fact));
  }
  UsersExchangeRecord answer;
  answer.exchange = record.exchange;
  answer.worker = ports_.index;
  answer.count = record.count;
  answer.list_bytes = static_cast<std::uint32_t>(facts.size());
  send_handoff(record.worker, answer, HandoffKind::kUsersAnswer, {facts});
}

void Worker::on_users_answer(const UsersExchangeRecord& record) {
  const auto it = exchanges_.find(record.exchange);
  if (it == exchanges_.end()) return;  // too late
  RecordTail tail(record);
  const std::string_view facts = tail.take_text(record.list_bytes);
  const auto& names = it->second.asked[record.worker];
  IMS_ASSERT(names.size() == facts.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    it->second.facts[names[i]] = static_cast<UserFact>(facts[i]);
  }
  if (--it->second.answers_due > 0) return;
  run_exchange(record.exchange);
}

// The places that its users were promised and that its request did not take. A record that finds no
// room is not sent again: they end by themselves.
void Worker::release_places(TenantId tenant, const Exchange& exchange) {
  for (std::size_t to = 0; to < exchange.asked.size(); ++to) {
    UsersExchangeRecord release;
    std::string list;
    for (const std::string& name : exchange.asked[to]) {
      const auto fact = exchange.facts.find(name);
      if (fact == exchange.facts.end() || fact->second != UserFact::kFree) continue;
      list.push_back(static_cast<char>(name.size()));
      list.append(name);
      ++release.count;
    }
    if (list.empty()) continue;
    release.tenant = tenant;
    release.list_bytes = static_cast<std::uint32_t>(list.size());
    send_handoff(static_cast<WorkerIndex>(to), release, HandoffKind::kReleasePlaces, {list});
  }
}

void Worker::on_release_places(const UsersExchangeRecord& record) {
  RecordTail tail(record);
  std::string_view list = tail.take_text(record.list_bytes);
  while (!list.empty()) {
    const std::size_t name_bytes = static_cast<unsigned char>(list[0]);
    const std::string_view name = list.substr(1, name_bytes);
    list.remove_prefix(1 + name_bytes);
    Entity* user =
        find_entity(NameKind::kUser, record.tenant, user_hash(record.tenant, name), name);
    if (user != nullptr) release_place(static_cast<User&>(*user));
  }
}

void Worker::release_place(User& user) {
  if (user.groups_reserved() == 0) return;
  const auto reserved =
      std::find_if(reservations_.begin(), reservations_.end(),
                   [&](const Reservation& reservation) { return reservation.user == &user; });
  if (reserved == reservations_.end()) return;
  --user.extra().groups_reserved;
  user.trim_extra();
  unpin(&user);
  reservations_.erase(reserved);
}

// All facts are there: the request is dispatched once more, and finds them. Where it has to park (a
// member to be read) the exchange stays until the replay is done with it.
void Worker::run_exchange(std::uint64_t id) {
  const auto it = exchanges_.find(id);
  Group* group = it->second.group;
  std::string record = it->second.record;
  auto& request = *reinterpret_cast<RequestRecord*>(record.data());
  request.before_seq = id;  // GROUP has no other use for it: names the exchange
  release_group(it->second);
  Entity* const outer = std::exchange(replaying_, group);  // in front of what waits for it
  dispatch(as_bytes(record));
  replaying_ = outer;
  replay(*group);
  unpin(group);
}

// A group that is being created holds back what was sent to it meanwhile: a client may write CREATE
// and its first messages in one segment.
void Worker::hold_group(Exchange& exchange) {
  exchange.holds_group = true;
  exchange.group->reading = true;
}

void Worker::release_group(Exchange& exchange) {
  if (!exchange.holds_group) return;
  exchange.holds_group = false;
  exchange.group->reading = false;
}

Exchange* Worker::exchange_of(const RequestRecord& record) {
  if (record.before_seq == 0) return nullptr;
  const auto it = exchanges_.find(record.before_seq);
  return it == exchanges_.end() ? nullptr : &it->second;
}

void Worker::expire_exchanges() {
  contacts_.expire();
  for (auto it = exchanges_.begin(); it != exchanges_.end();) {
    if (now_.mono_ms < it->second.deadline_ms) {
      ++it;
      continue;
    }
    if (it->second.answers_due > 0) {
      refuse(requester_of(record_as<RequestRecord>(as_bytes(it->second.record))),
             Code::kUnavailable);
      Group* group = it->second.group;
      release_group(it->second);
      exchanges_.erase(it);
      replay(*group);
      unpin(group);
      it = exchanges_.begin();  // a replay may have begun others
      continue;
    }
    exchanges_.erase(it++);
  }
  for (auto it = ack_exchanges_.begin(); it != ack_exchanges_.end();) {
    if (now_.mono_ms < it->second.deadline_ms) {
      ++it;
      continue;
    }
    refuse(requester_of(record_as<RequestRecord>(as_bytes(it->second.record))),
           Code::kUnavailable);
    ack_exchanges_.erase(it++);
  }
  while (!reservations_.empty() && now_.mono_ms >= reservations_.front().until_ms) {
    User& user = *reservations_.front().user;
    --user.extra().groups_reserved;
    user.trim_extra();
    unpin(&user);
    reservations_.pop_front();
  }
}

// ---- acknowledgements ---------------------------------------------------------------------------

void Worker::ask_ack(const RequestRecord& record, std::string_view group) {
  if (ack_exchanges_.size() >= kExchangesMax) {
    return refuse(requester_of(record), Code::kOverloaded);
  }
  const std::uint64_t id = ++exchange_counter_;
  AckExchange& exchange = ack_exchanges_[id];
  exchange.record = as_text(bytes_of(record));
  exchange.deadline_ms = now_.mono_ms + kExchangeTimeoutMs;
  const std::string_view user = RequestParts(record).from();
  AckExchangeRecord question;
  question.exchange = id;
  question.group_hash = record.target_hash;
  question.tenant = record.tenant;
  question.worker = ports_.index;
  question.group_bytes = static_cast<std::uint8_t>(group.size());
  question.user_bytes = static_cast<std::uint8_t>(user.size());
  send_handoff(worker_of(record.target_hash, worker_count_), question, HandoffKind::kAskAck,
               {group, user});
}

void Worker::on_ask_ack(const AckExchangeRecord& record) {
  const ByteView bytes = bytes_of(record);
  RecordTail tail(record);
  const std::string_view name = tail.take_text(record.group_bytes);
  const std::string_view user = tail.take_text(record.user_bytes);
  Group& group = group_entry(record.tenant, record.group_hash, name);
  if (!ensure_loaded(group, bytes)) return;
  AckExchangeRecord answer = record;
  answer.worker = ports_.index;
  answer.group_bytes = answer.user_bytes = 0;
  answer.code = Code::kNotFound;
  if (group.state == Entity::State::kReady && !group.dismissed) {
    if (!ensure_members(group, {&user, 1}, bytes)) return;
    answer.code = member_of(group, user).exists ? Code::kOk : Code::kForbidden;
    answer.head = group.timeline.head();
  }
  send_handoff(record.worker, answer, HandoffKind::kAckAnswer, {});
}

void Worker::on_ack_answer(const AckExchangeRecord& record) {
  const auto it = ack_exchanges_.find(record.exchange);
  if (it == ack_exchanges_.end()) return;
  const std::string bytes = std::move(it->second.record);
  ack_exchanges_.erase(it);
  const auto& request = record_as<RequestRecord>(as_bytes(bytes));
  const Requester to = requester_of(request);
  if (record.code == Code::kForbidden) {
    return answer(to, Code::kForbidden, "You are no member of the group.");
  }
  if (record.code != Code::kOk) return refuse(to, record.code);
  Session* session = find_session(request.connection);
  if (session == nullptr || session->user->mine == nullptr) return refuse(to, Code::kUnavailable);
  const std::size_t feed = find_group_feed(*session, RequestParts(request).target());
  const std::uint64_t end_seq = session->end_seq(feed);
  if (feed == 0 || (end_seq != 0 && request.seq > end_seq)) {
    return refuse(to, Code::kUnavailable);  // a member again: the effect is still on its way
  }
  if (request.seq > record.head) {
    return answer(to, Code::kBadRequest, "The seq is above the newest one.");
  }
  ack_feed(*session, feed, request.seq, to);
}

}  // namespace ims::logic
