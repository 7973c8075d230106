// The chat's loop: terminal, connection, reconnecting (ctl_chat.h).
#include "deploy/ctl_chat.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "deploy/chat_session.h"
#include "shared/limits.h"

namespace ims {
namespace {

using namespace std::chrono_literals;
using client::Client;
using client::ClientError;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kFirstDelay = 200ms;
constexpr Milliseconds kDelayMax = 10s;
constexpr Milliseconds kHeartbeatEvery = 20s;
constexpr Milliseconds kSilenceMax = 60s;  // heartbeats are answered: then the connection is dead
constexpr Milliseconds kQuietAtEnd = 500ms;  // input has ended: nothing more is coming
constexpr Milliseconds kEndMax = 10s;        // input has ended: unanswered lines wait this long
constexpr std::int64_t kTokenTtlMs = 86'400'000;
constexpr std::size_t kInputBytesMax = 64 * kKiB;  // a typed line
constexpr std::size_t kOutputBytesMax = 64 * kKiB;  // then it is printed and acknowledged

class Chat {
 public:
  explicit Chat(const ChatOptions& options);
  int run();

 private:
  void print(std::string_view text);
  void connect();
  void lose(const std::string& why, Milliseconds at_least = 0ms);
  void on_refusal(const client::LoginAnswer& answer);
  void on_farewell(const client::Farewell& farewell);
  bool turn();  // true: something was done, look again before waiting
  void wait();
  void read_input();
  void on_line(std::string_view line);
  bool at_end() const;

  const ChatOptions& options_;
  std::string server_;
  std::optional<SigningKey> key_;
  ChatSession session_;

  std::unique_ptr<Client> client_;
  Clock::time_point next_connect_ = Clock::now();
  Milliseconds delay_ = kFirstDelay;
  bool said_lost_ = false;
  Clock::time_point last_heard_{};
  Clock::time_point last_heartbeat_{};

  std::string input_;
  bool too_long_ = false;
  bool input_ended_ = false;
  Clock::time_point ended_at_{};
};

// ---- start ----

Chat::Chat(const ChatOptions& options)
    : options_(options), server_(options.server), session_(options.user) {
  const bool has_token = options.token || options.password;
  if (!server_.empty() && has_token) return;
  // Once, not at each reconnect: between two lives of a server its store must be left alone.
  const auto line = open_operator_line(options.data);
  if (server_.empty()) {
    server_ = line->ask({{"op", "info"}}).value("listen", "");
    if (server_.empty()) {
      throw OperatorError("no server runs on " + options.data.root.string() +
                          "; start imsd, or name one with --server");
    }
  }
  if (!has_token) key_ = fetch_key(*line, options.app, options.kid);
}

int Chat::run() {
  while (!at_end()) {
    if (!turn()) wait();
  }
  if (client_ != nullptr) {
    try {
      client_->send_disconnect();
    } catch (const ClientError&) {
      // It is gone, and nothing was owed.
    }
  }
  if (session_.idle()) return 0;
  throw OperatorError(std::to_string(session_.line_count()) + " lines were not sent");
}

bool Chat::at_end() const {
  if (!input_ended_) return false;
  const auto now = Clock::now();
  if (session_.idle() && client_ != nullptr) {
    return now - std::max(last_heard_, ended_at_) >= kQuietAtEnd;
  }
  return now - ended_at_ >= kEndMax;
}

void Chat::print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw OperatorError("the terminal takes no text");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// ---- the connection ----

void Chat::connect() {
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
    login.ack = AckMode::kExplicit;
    const client::LoginAnswer answer = client->login(login, 15s);
    if (answer.code != Code::kOk) return on_refusal(answer);
    client_ = std::move(client);
    delay_ = kFirstDelay;
    said_lost_ = false;
    last_heard_ = last_heartbeat_ = Clock::now();
    session_.on_login(answer);
    print("* connected to " + server_ + " as " + escape_text(options_.user) + "\n");
    print(session_.take_notes());
  } catch (const ClientError& error) {
    lose(error.what());
  }
}

void Chat::on_refusal(const client::LoginAnswer& answer) {
  const bool later = answer.code == Code::kOverloaded || answer.code == Code::kUnavailable ||
                     answer.code == Code::kRateLimited || answer.code == Code::kFail;
  if (!later) throw OperatorError("login refused: " + escape_text(answer.reason));
  lose(answer.reason, Milliseconds(answer.retry_after_ms));
}

void Chat::lose(const std::string& why, Milliseconds at_least) {
  client_.reset();
  if (!said_lost_) print("* not connected (" + escape_text(why) + "), trying again\n");
  said_lost_ = true;
  // Jitter: the clients of one server do not come back at one moment.
  const auto jitter = Milliseconds(std::rand() % static_cast<int>(delay_.count()) / 2);
  next_connect_ = Clock::now() + std::max(at_least, delay_ / 2 + jitter);
  delay_ = std::min(delay_ * 2, kDelayMax);
}

void Chat::on_farewell(const client::Farewell& farewell) {
  switch (farewell.code) {
    case DisconnectCode::kReplaced:
      throw OperatorError("device '" + escape_text(options_.device) +
                          "' has logged in elsewhere; choose another --device for a second chat");
    case DisconnectCode::kKicked: throw OperatorError("an operator ended the session");
    case DisconnectCode::kTokenExpired:
      if (!key_) throw OperatorError("the token has expired");
      break;
    default: break;
  }
  lose(farewell.reason.empty() ? "the server ended the connection" : farewell.reason,
       Milliseconds(farewell.retry_after_ms));
}

// ---- the loop ----

bool Chat::turn() {
  if (client_ == nullptr) {
    if (Clock::now() < next_connect_) return false;
    connect();
    return true;
  }
  std::string out;  // counts as shown from here on, so it is printed whatever comes
  try {
    bool worked = session_.send_lines(*client_);
    out += session_.take_notes();
    while (auto event = client_->poll(0ms)) {
      worked = true;
      last_heard_ = Clock::now();
      if (const auto* farewell = std::get_if<client::Farewell>(&*event)) {
        print(std::exchange(out, {}));
        on_farewell(*farewell);
        return true;
      }
      session_.on_event(*event, *client_, out);
      if (out.size() > kOutputBytesMax) break;
    }
    print(std::exchange(out, {}));
    worked |= session_.send_acks(*client_);
    const auto now = Clock::now();
    if (now - last_heartbeat_ >= kHeartbeatEvery) {
      client_->send_heartbeat();
      last_heartbeat_ = now;
    }
    if (now - last_heard_ >= kSilenceMax) lose("the server is silent");
    return worked;
  } catch (const ClientError& error) {
    print(out);
    lose(error.what());
    return true;
  }
}

void Chat::wait() {
  pollfd polled[2] = {{input_ended_ ? -1 : STDIN_FILENO, POLLIN, 0},
                      {client_ != nullptr ? client_->fd() : -1, POLLIN, 0}};
  const auto now = Clock::now();
  Milliseconds timeout = 1s;
  if (client_ == nullptr) {
    timeout = std::min(timeout, std::chrono::ceil<Milliseconds>(next_connect_ - now));
  }
  if (input_ended_) timeout = std::min(timeout, 50ms);
  poll(polled, 2, static_cast<int>(std::max<std::int64_t>(timeout.count(), 0)));
  if (polled[0].revents != 0) read_input();
}

void Chat::read_input() {
  char room[4096];
  const ssize_t got = read(STDIN_FILENO, room, sizeof room);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got > 0) input_.append(room, static_cast<std::size_t>(got));
  if (got <= 0) {
    input_ended_ = true;
    ended_at_ = Clock::now();
    if (!input_.empty()) input_ += '\n';
  }
  std::size_t begin = 0;
  for (std::size_t end; !(got > 0 && input_ended_) &&
                        (end = input_.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    if (!std::exchange(too_long_, false)) {
      on_line(std::string_view(input_).substr(begin, end - begin));
    }
  }
  input_.erase(0, begin);
  if (input_.size() > kInputBytesMax) {
    print("! a line has at most 65536 bytes; this one is not sent\n");
    input_.clear();
    too_long_ = true;
  }
}

void Chat::on_line(std::string_view line) {
  ChatCommand command = parse_chat_line(line);
  switch (command.kind) {
    case ChatCommand::Kind::kNone: return;
    case ChatCommand::Kind::kHelp: return print(chat_help());
    case ChatCommand::Kind::kWrong: return print("! " + command.text + "\n");
    case ChatCommand::Kind::kQuit:
      input_ended_ = true;
      ended_at_ = Clock::now();
      return;
    default: session_.add_line(std::move(command));
  }
}

}  // namespace

int run_chat(const ChatOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  std::srand(static_cast<unsigned>(Clock::now().time_since_epoch().count()));
  return Chat(options).run();
}

}  // namespace ims
