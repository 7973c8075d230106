// What a chat remembers over its connections, and what it does on the one it has: the lines that
// wait for their answers, the rows that were shown, the acknowledgements that are due.
//
//   typed line ─▶ lines_ ─▶ sent, unanswered ─▶ answered: gone
//                    ▲────── connection lost ──────┘   again with the same client_id
//   push ─▶ shown once (seq and time) ─▶ acknowledged after the text has left for the terminal
//
// A group request is sent alone: what was typed behind it waits for its answer.
// Threads  One.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "deploy/chat_text.h"
#include "shared/client/client.h"

namespace ims {

class ChatSession {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kUnansweredMax = 64;
  // Below the server's dedupe_window: later a repeat could be stored twice, so it is not sent.
  static constexpr std::chrono::minutes kRepeatMax{9};

  explicit ChatSession(std::string user);

  void add_line(ChatCommand command);
  bool idle() const noexcept { return lines_.empty(); }
  std::size_t line_count() const noexcept { return lines_.size(); }

  // A connection has logged in: its word about loss is noted, unanswered lines will be sent again.
  void on_login(const client::LoginAnswer& answer);
  // What may be sent now. True when something was.
  bool send_lines(client::Client& client);
  // One event; text for the terminal is appended to `out`.
  void on_event(const client::Event& event, client::Client& client, std::string& out);
  // After the text has reached the terminal. True when something was sent.
  bool send_acks(client::Client& client);

  std::string take_notes();  // lines about the chat itself, from on_login() and send_lines()

 private:
  struct Line {
    ChatCommand command;
    std::string client_id;
    std::uint64_t request_id = 0;  // 0: not sent on this connection
    Clock::time_point first_sent{};
  };
  struct Shown {
    std::uint64_t seq = 0;
    std::int64_t time_ms = 0;
  };

  void send(Line& line, client::Client& client);
  void on_answer(const client::Answer& answer, client::Client& client, std::string& out);
  void on_group_answer(Line& line, const client::Answer& answer, client::Client& client,
                       std::string& out);
  void on_push(const client::Push& push, std::string& out);
  // True: not shown before.
  bool is_new(const std::string& timeline, std::uint64_t seq, std::int64_t time_ms);

  const std::string user_;
  const std::string run_;  // begins every client_id of this run
  std::uint64_t line_number_ = 0;
  std::deque<Line> lines_;
  std::string epoch_;
  std::map<std::string, Shown> shown_;            // by group; the inbox is ""
  std::map<std::string, std::uint64_t> unacked_;  // shown, the ACK is due
  std::string notes_;
};

}  // namespace ims
