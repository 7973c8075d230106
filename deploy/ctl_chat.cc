// The chat's loop: terminal, connection, lines (ctl_chat.h).
#include "deploy/ctl_chat.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "deploy/chat_session.h"
#include "deploy/line_terminal.h"
#include "shared/limits.h"

namespace ims {
namespace {

using namespace std::chrono_literals;
using client::ClientError;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kQuietAtEnd = 500ms;  // input has ended: nothing more is coming
constexpr Milliseconds kEndMax = 10s;        // input has ended: unanswered lines wait this long
volatile std::sig_atomic_t stop_asked = 0;

constexpr std::size_t kOutputBytesMax = 64 * kKiB;  // then it is printed and acknowledged

class Chat {
 public:
  explicit Chat(LinkOptions options)
      : user_(options.user), link_(std::move(options)), session_(user_) {}
  int run();

 private:
  void print(const std::string& text) { terminal_.print(text); }
  void connect();
  bool turn();  // true: something was done, look again before waiting
  void wait();
  void read_input();
  void on_line(std::string_view line);
  void end_input();
  bool at_end();

  const std::string user_;
  CtlLink link_;
  ChatSession session_;
  LineTerminal terminal_;
  bool input_ended_ = false;
  Clock::time_point ended_at_{};
};

int Chat::run() {
  while (!at_end()) {
    if (!turn()) wait();
  }
  link_.end();
  if (session_.idle()) return 0;
  throw OperatorError(std::to_string(session_.line_count()) + " lines were not sent");
}

bool Chat::at_end() {
  if (stop_asked != 0) return true;
  if (!input_ended_) return false;
  const auto now = Clock::now();
  if (session_.idle() && link_.client() != nullptr) {
    return now - std::max(link_.last_heard(), ended_at_) >= kQuietAtEnd;
  }
  return now - ended_at_ >= kEndMax;
}

void Chat::connect() {
  if (const auto answer = link_.connect_if_due()) {
    session_.on_login(*answer);
    print("* connected to " + link_.server() + " as " + escape_text(user_) + "\n");
    print(session_.take_notes());
  }
}

bool Chat::turn() {
  bool worked = link_.client() == nullptr;
  connect();
  if (link_.client() != nullptr) {
    std::string out;  // counts as shown from here on, so it is printed whatever comes
    try {
      worked |= session_.send_lines(*link_.client());
      out += session_.take_notes();
      while (const auto event = link_.next_event()) {
        worked = true;
        session_.on_event(*event, *link_.client(), out);
        if (out.size() > kOutputBytesMax) break;
      }
      print(std::exchange(out, {}));
      if (link_.client() != nullptr) worked |= session_.send_acks(*link_.client());
    } catch (const ClientError& error) {
      link_.lose(error.what());
    }
    print(out);
    link_.tend();
  }
  if (const std::string note = link_.take_note(); !note.empty()) {
    print("* not connected (" + note + "), trying again\n");
  }
  terminal_.set_prompt(session_.prompt());
  return worked && link_.client() != nullptr;
}

void Chat::wait() {
  pollfd polled[2] = {{input_ended_ ? -1 : STDIN_FILENO, POLLIN, 0},
                      {link_.client() != nullptr ? link_.client()->fd() : -1, POLLIN, 0}};
  Milliseconds timeout = link_.wait_ms();
  if (input_ended_) timeout = std::min<Milliseconds>(timeout, 50ms);
  poll(polled, 2, static_cast<int>(timeout.count()));
  terminal_.refresh();
  if (polled[0].revents != 0) read_input();
}

void Chat::read_input() {
  const bool open = terminal_.read([this](std::string_view line) {
    if (!input_ended_) on_line(line);
  });
  if (!open) end_input();
}

void Chat::end_input() {
  if (std::exchange(input_ended_, true)) return;
  ended_at_ = Clock::now();
}

void Chat::on_line(std::string_view line) {
  ChatCommand command = parse_chat_line(line);
  switch (command.kind) {
    case ChatCommand::Kind::kNone: return;
    case ChatCommand::Kind::kHelp: return print(std::string(chat_help()));
    case ChatCommand::Kind::kWrong: return print("! " + command.text + "\n");
    case ChatCommand::Kind::kQuit: return end_input();
    default:
      session_.add_line(std::move(command));
      print(session_.take_notes());
      terminal_.set_prompt(session_.prompt());
  }
}

}  // namespace

int run_chat(LinkOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  // So that the terminal gets its mode back.
  for (const int signal : {SIGTERM, SIGHUP, SIGINT}) {
    std::signal(signal, [](int) { stop_asked = 1; });
  }
  options.ack = AckMode::kExplicit;
  return Chat(std::move(options)).run();
}

}  // namespace ims
