// The phases of one process, and its users' sessions (load.h).
#include "bench/load/load.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "bench/load/clock.h"
#include "logic/jwt.h"
#include "shared/client/requests.h"

namespace ims::bench {
namespace {

constexpr std::uint64_t kTurnNs = 10 * kNsPerMillisecond;  // the longest sleep
constexpr double kPatienceSeconds = 60;                     // for a login, a group: before the load
constexpr std::int64_t kTokenSeconds = 24 * 3600;
constexpr std::uint64_t kConnectId = 1;
constexpr double kMessagesTimeFactor = 100;                 // --messages: at most so many --seconds
constexpr double kDrainTimeFactor = 10;                     // all of it: at most so many --drain
constexpr std::uint64_t kConnectAgainNs = 100 * kNsPerMillisecond;
constexpr std::uint64_t kGoneNs = 2 * kNsPerSecond;         // refused for so long

SocketsOptions sockets_options(const LoadOptions& options, std::uint32_t connections) {
  SocketsOptions sockets;
  sockets.address = options.address;
  sockets.connections = connections;
  sockets.ring_slots = options.ring_slots;
  sockets.sources = options.sources;
  sockets.spin = options.spin;
  return sockets;
}

}  // namespace

std::uint32_t Share::first_of(std::uint32_t all) const {
  return static_cast<std::uint32_t>(std::uint64_t{all} * index / options.processes);
}
std::uint32_t Share::count_of(std::uint32_t all) const {
  return static_cast<std::uint32_t>(std::uint64_t{all} * (index + 1) / options.processes) -
         first_of(all);
}

Load::Load(const Share& share, const Numbering& numbering, bool has_connections_b)
    : share_(share),
      options_(share.options),
      edition_(share.options.envelope ? Edition::kV1 : Edition::kV2),
      users_(numbering.users_a + (has_connections_b ? numbering.users_b : 0)),
      streams_(numbering.users_a + numbering.users_b),
      sockets_(sockets_options(share.options, static_cast<std::uint32_t>(users_.size())), *this),
      numbering_(numbering) {}

// ---- phases ------------------------------------------------------------------------------------

void Load::run() {
  Part& part = share_.part();
  heard_ns_ = now_ns();
  while (!prepare()) {
    sockets_.turn(now_ns() + kTurnNs);
    part.progress.store(online_, std::memory_order_relaxed);
    if (!has_time(heard_ns_, kPatienceSeconds)) {
      throw std::runtime_error("the server was silent for a minute; " + std::to_string(online_) +
                               " of " + std::to_string(users_.size()) + " were online");
    }
  }
  // Release: the parent sees what was prepared. Acquire: pairs with the parent's stores of times.
  part.state.store(PartState::kReady, std::memory_order_release);
  std::uint64_t load_ns = 0;
  while ((load_ns = share_.phases.load_ns.load(std::memory_order_acquire)) == 0 ||
         now_ns() < load_ns) {
    sockets_.turn(now_ns() + kNsPerMillisecond);
  }
  started_ = true;
  part.state.store(PartState::kLoading, std::memory_order_release);
  start(load_ns);
  load_until_end();
  part.state.store(PartState::kDraining, std::memory_order_release);
  drain();
  judge();
  finish();
  dismiss_groups();
  if (repeated_ != 0) part.figure("rows_repeated", static_cast<double>(repeated_), true);
}

void Load::load_until_end() {
  const std::uint64_t begin_ns = share_.phases.begin_ns.load(std::memory_order_relaxed);
  const std::uint64_t quota =
      options_.messages == 0 ? 0
                             : std::max<std::uint64_t>(1, options_.messages / options_.processes);
  GeneratorLoad& generator = tally().generator;
  GeneratorLoad before{};
  bool measuring = false;
  for (;;) {
    std::uint64_t now = now_ns();
    if (!measuring && (now >= begin_ns || was_interrupted(0))) {  // a warm-up may be long
      measuring = true;
      before.cpu_ns = read_cpu_ns();
      before.idle_ns = sockets_.idle_ns();
      before.turns = sockets_.turns();
      before.sends = sockets_.sends();
      tally().begin(now, ns_of(options_.seconds));
    }
    if (measuring) {
      const std::uint64_t end_ns = share_.phases.end_ns.load(std::memory_order_relaxed);
      const Counts& counts = tally().measured;
      const bool over = quota != 0 && std::max(counts.answered, counts.logins) >= quota;
      const bool never = now - begin_ns > ns_of(options_.seconds * kMessagesTimeFactor) ||
                         !has_time(std::max(heard_ns_, begin_ns), options_.drain_seconds);
      if ((end_ns != 0 && now >= end_ns) || over || finished() || (quota != 0 && never)) break;
    }
    tick(now);
    now = now_ns();
    std::uint64_t until = std::min(next_due_ns(), now + kTurnNs);
    if (!measuring) until = std::min(until, begin_ns);
    sockets_.turn(until);
    if (!ack_due_.empty()) send_acks();
  }
  tally().end(now_ns());
  generator.cpu_ns = read_cpu_ns() - before.cpu_ns;
  generator.idle_ns = sockets_.idle_ns() - before.idle_ns;
  generator.turns = sockets_.turns() - before.turns;
  generator.sends = sockets_.sends() - before.sends;
  stop();
}

// What was sent has to be answered, and to come; as long as something comes there is patience, but
// no run waits for ever.
void Load::drain() {
  heard_ns_ = now_ns();
  const std::uint64_t begin_ns = now_ns();
  while (!drained()) {
    if (was_interrupted(0)) {
      cut_ = was_interrupted(kInterruptedDrainNs);
    } else {
      if (!has_time(heard_ns_, options_.drain_seconds) || nothing_can_come()) break;
      cut_ = !has_time(begin_ns, kDrainTimeFactor * options_.drain_seconds);
    }
    if (cut_) break;
    sockets_.turn(now_ns() + kTurnNs);
    if (!ack_due_.empty()) send_acks();
  }
  share_.part().figure("drain_seconds", static_cast<double>(now_ns() - begin_ns) * 1e-9, false);
}

bool Load::was_interrupted(std::uint64_t ago_ns) const {
  // relaxed: a time, and nothing else hangs on it.
  const std::uint64_t ns = share_.phases.interrupted_ns.load(std::memory_order_relaxed);
  return ns != 0 && now_ns() >= ns + ago_ns;
}

bool Load::nothing_can_come() const {
  return server_is_gone() || (!comes_back() && online_ == 0 && logging_in_ == 0);
}

bool Load::may_connect() const {
  return refused_ns_ == 0 || now_ns() >= refused_ns_ + kConnectAgainNs;
}

bool Load::server_is_gone() const {
  return online_ == 0 && refused_since_ns_ != 0 && now_ns() >= refused_since_ns_ + kGoneNs;
}

bool Load::has_time(std::uint64_t since_ns, double seconds) const {
  return now_ns() < since_ns || now_ns() - since_ns < ns_of(seconds);
}

// ---- users -------------------------------------------------------------------------------------

std::uint32_t Load::number_of(std::uint32_t user) const {
  return user < numbering_.users_a ? numbering_.number_a + user
                                   : numbering_.number_b + (user - numbering_.users_a);
}

GroupName Load::name_of_group(std::uint32_t group) const {
  return {share_.phases.run, share_.index * kGroupsPerProcess + group};
}

std::string Load::login_frame(std::uint32_t user) {
  if (options_.floor) return floor_hello(number_of(user));
  if (keeps_logins_) {
    login_frames_.resize(users_.size());
    if (!login_frames_[user].empty()) return login_frames_[user];
  }
  const std::int64_t now_s =
      std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
  client::Login login;
  login.org = options_.org;
  login.appkey = options_.appkey;
  login.user = named(user);
  login.send_only = send_only_;
  login.ack = explicit_acks_ ? AckMode::kExplicit : AckMode::kAuto;
  login.token = logic::sign_jwt_hs256(
      options_.secret, {.user = login.user, .org = {}, .app = {}, .kid = {},
                        .exp_s = now_s + kTokenSeconds, .nbf_s = 0});
  std::string frame = client::connect_frame(
      edition_ == Edition::kV1 ? client::kEnvelope : client::kTyped, kConnectId, login);
  if (keeps_logins_) login_frames_[user] = frame;
  return frame;
}

void Load::log_in(std::uint32_t index, std::uint64_t intended_ns) {
  User& user = users_[index];
  user.state = UserState::kConnecting;
  user.login_intended_ns = intended_ns;
  user.login_started_ns = read_ns();
  ++logging_in_;
  sockets_.connect(index);
}

bool Load::log_in_next(std::uint32_t& next, std::uint32_t end) {
  while (next < end && logging_in_ < options_.logins_in_flight) {
    if (users_[next].state == UserState::kAway) log_in(next, now_ns());
    ++next;
  }
  return next == end && logging_in_ == 0;
}

void Load::leave(std::uint32_t index) {
  User& user = users_[index];
  user.state = UserState::kLeaving;
  user.changed_ns = now_ns();
  sockets_.put(index, client::disconnect_frame(edition_ == Edition::kV1 ? client::kEnvelope
                                                                         : client::kTyped));
}

void Load::on_open(std::uint32_t index) {
  refused_ns_ = refused_since_ns_ = 0;
  users_[index].state = UserState::kLoggingIn;
  sockets_.put(index, login_frame(index));
}

void Load::on_login_answer(std::uint32_t index, const Seen& seen) {
  User& user = users_[index];
  if (seen.code != Code::kOk) {
    const std::string why = "login of " + named(index) + ": code " +
                            std::to_string(static_cast<int>(seen.code)) + " " +
                            std::string(seen.reason);
    if (!started_) throw std::runtime_error(why);
    if (!login_may_fail(seen.code)) breach(Rule::kRefused, why);
    return sockets_.close(index);
  }
  user.state = UserState::kOnline;
  user.changed_ns = now_ns();
  ++online_;
  --logging_in_;
  user.acked = seen.acked_seq;
  if (!user.was_seen) user.inbox_before = seen.inbox_seq;
  user.was_seen = true;
  if (!user.inbox_known) {
    user.inbox_known = true;
    user.inbox_last = seen.acked_seq;
  }
  tally().logged_in(user.login_intended_ns, user.login_started_ns, now_ns());
  on_online(index);
}

void Load::on_end(std::uint32_t index, int error) {
  User& user = users_[index];
  const UserState state = user.state;
  if (state == UserState::kOnline || state == UserState::kLeaving) {
    --online_;
  } else {
    --logging_in_;
  }
  if (state == UserState::kConnecting && error > 0) {
    refused_ns_ = now_ns();
    if (refused_since_ns_ == 0) refused_since_ns_ = refused_ns_;
  }
  if (state != UserState::kLeaving) user.changed_ns = now_ns();
  user.state = UserState::kAway;
  if (error == kEndedByNonsense) {
    breach(Rule::kProtocol, "bytes to " + named(index) + " that are no frame");
  }
  const bool clean = state == UserState::kLeaving && (error == 0 || error == ECONNRESET);
  on_gone(index, clean ? 0 : error == 0 ? ECONNRESET : error);
}

void Load::on_gone(std::uint32_t index, int error) {
  if (error == kEndedHere || error == 0) return;
  const std::string why = "connection of " + named(index) + ": " +
                          (error > 0 ? std::strerror(error) : "closed for what it sent");
  if (!started_) throw std::runtime_error(why);
  breach(Rule::kDisconnected, why);
}

}  // namespace ims::bench
