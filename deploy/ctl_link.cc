// Login, loss, heartbeats (ctl_link.h).
#include "deploy/ctl_link.h"

#include <algorithm>
#include <random>
#include <utility>

#include "deploy/chat_text.h"

namespace ims {
namespace {

using namespace std::chrono_literals;
using client::Client;
using client::ClientError;
using Milliseconds = CtlLink::Milliseconds;

constexpr Milliseconds kFirstDelay = 200ms;
constexpr Milliseconds kDelayMax = 10s;
constexpr Milliseconds kHeartbeatEvery = 20s;
constexpr Milliseconds kSilenceMax = 60s;  // heartbeats are answered: then the connection is dead
constexpr std::int64_t kTokenTtlMs = 86'400'000;

}  // namespace

CtlLink::CtlLink(LinkOptions options)
    : options_(std::move(options)), server_(options_.server), delay_(kFirstDelay) {
  const bool has_token = options_.token || options_.password;
  if (!server_.empty() && has_token) return;
  // Once, not at each reconnect: between two lives of a server its store must be left alone.
  const auto line = open_operator_line(options_.data);
  if (server_.empty()) {
    server_ = line->ask({{"op", "info"}}).value("listen", "");
    if (server_.empty()) {
      throw OperatorError("no server runs on " + options_.data.root.string() +
                          "; start imsd, or name one with --server");
    }
  }
  if (!has_token) key_ = fetch_key(*line, options_.app, options_.kid);
}

// ---- the connection ----

std::optional<client::LoginAnswer> CtlLink::connect_if_due() {
  if (client_ != nullptr || Clock::now() < next_connect_) return std::nullopt;
  try {
    auto client = std::make_unique<Client>(client::connect_to(server_, 5s), client::kTyped);
    client::Login login;
    login.org = options_.app.org;
    login.appkey = options_.app.appkey;
    login.user = options_.user;
    login.token = options_.token      ? *options_.token
                  : options_.password ? *options_.password
                                      : sign_token(*key_, options_.app, options_.user, kTokenTtlMs);
    login.device = options_.device;
    login.keepalive_s = 60;
    login.ack = options_.ack;
    login.send_only = options_.send_only;
    client::LoginAnswer answer = client->login(login, 15s);
    if (answer.code != Code::kOk) {
      on_refusal(answer);
      return std::nullopt;
    }
    client_ = std::move(client);
    delay_ = kFirstDelay;
    said_lost_ = false;
    note_.clear();
    last_heard_ = last_heartbeat_ = Clock::now();
    return answer;
  } catch (const ClientError& error) {
    lose(error.what());
    return std::nullopt;
  }
}

void CtlLink::on_refusal(const client::LoginAnswer& answer) {
  const bool later = answer.code == Code::kOverloaded || answer.code == Code::kUnavailable ||
                     answer.code == Code::kRateLimited || answer.code == Code::kFail;
  if (!later) throw OperatorError("login refused: " + escape_text(answer.reason));
  lose(answer.reason, Milliseconds(answer.retry_after_ms));
}

void CtlLink::lose(const std::string& why, Milliseconds at_least) {
  client_.reset();
  if (!said_lost_) note_ = escape_text(why);
  said_lost_ = true;
  // Jitter: the clients of one server do not come back at one moment.
  static std::minstd_rand random{std::random_device{}()};
  const auto half = delay_.count() / 2;
  const auto jitter = Milliseconds(std::uniform_int_distribution<std::int64_t>(0, half)(random));
  next_connect_ = Clock::now() + std::max(at_least, delay_ / 2 + jitter);
  delay_ = std::min(delay_ * 2, kDelayMax);
}

void CtlLink::on_farewell(const client::Farewell& farewell) {
  switch (farewell.code) {
    case DisconnectCode::kReplaced:
      throw OperatorError("device '" + escape_text(options_.device) +
                          "' has logged in elsewhere; choose another --device for a second one");
    case DisconnectCode::kKicked: throw OperatorError("an operator ended the session");
    case DisconnectCode::kTokenExpired:
      if (!key_) throw OperatorError("the token has expired");
      break;
    default: break;
  }
  lose(farewell.reason.empty() ? "the server ended the connection" : farewell.reason,
       Milliseconds(farewell.retry_after_ms));
}

std::optional<client::Event> CtlLink::next_event() {
  if (client_ == nullptr) return std::nullopt;
  try {
    auto event = client_->poll(0ms);
    if (!event) return std::nullopt;
    last_heard_ = Clock::now();
    if (const auto* farewell = std::get_if<client::Farewell>(&*event)) {
      on_farewell(client::Farewell(*farewell));
      return std::nullopt;
    }
    return event;
  } catch (const ClientError& error) {
    lose(error.what());
    return std::nullopt;
  }
}

void CtlLink::tend() {
  if (client_ == nullptr) return;
  const auto now = Clock::now();
  try {
    if (now - last_heartbeat_ >= kHeartbeatEvery) {
      client_->send_heartbeat();
      last_heartbeat_ = now;
    }
    if (now - last_heard_ >= kSilenceMax) lose("the server is silent");
  } catch (const ClientError& error) {
    lose(error.what());
  }
}

void CtlLink::end() {
  if (client_ == nullptr) return;
  try {
    client_->send_disconnect();
  } catch (const ClientError&) {
    // It is gone, and nothing was owed.
  }
  client_.reset();
}

Milliseconds CtlLink::wait_ms() const {
  if (client_ != nullptr) return 1s;
  const auto left = std::chrono::ceil<Milliseconds>(next_connect_ - Clock::now());
  return std::clamp<Milliseconds>(left, 0ms, 1s);
}

std::string CtlLink::take_note() { return std::exchange(note_, {}); }

}  // namespace ims
