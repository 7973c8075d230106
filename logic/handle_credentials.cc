// CONNECT, first half: is it who it says? A token is checked here, a password by the authenticator.
// See handle_login.cc for the whole way.

#include "logic/jwt.h"
#include "logic/login_record.h"
#include "logic/password.h"
#include "logic/worker.h"

namespace ims::logic {

void Worker::handle_login(const LoginRecord& record) {
  const ConnectView connect = connect_of(record);
  if (!logins_.contains(record.connection.bits)) {
    PendingLogin& login = logins_[record.connection.bits];
    login.deadline_ms = now_.mono_ms + config_.password_timeout_ms;
    login.requester = requester_of_login(record);
  }
  const Tenant* tenant = tenants_.find(connect.org, connect.appkey);
  const JwtResult result = tenant == nullptr
                               ? JwtResult{}
                               : verify_jwt(connect.token, *tenant, connect.user, now_.wall_ms);
  if (result.ok()) {
    std::string verified(as_text(bytes_of(record)));
    LoginRecord& copy = *reinterpret_cast<LoginRecord*>(verified.data());
    copy.header.kind = record_kind(HandoffKind::kVerifiedLogin);
    copy.expires_ms = result.exp_ms;
    return continue_login(copy);
  }
  if (looks_like_jwt(connect.token)) {
    refuse_login(requester_of_login(record), Code::kUnauthenticated, kWrongLogin);
    return end_login(record.connection);
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

}  // namespace ims::logic
