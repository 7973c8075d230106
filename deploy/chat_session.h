// What a chat remembers over its connections, and what it does on the one it has: the lines that
// wait for their answers, the rows that were shown, the acknowledgements that are due.
//
//   typed line ─▶ lines_ ─▶ sent, unanswered ─▶ answered: gone
//                    ▲────── connection lost ──────┘   again with the same client_id
//   push ─▶ shown once (seq and time) ─▶ acknowledged after the text has left for the terminal
//
// Anything but a message is sent alone: what was typed behind it waits for its answer.
// Unread are the messages of others that came since one wrote to the chat or chose it.
// Threads  One.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "deploy/chat_command.h"
#include "deploy/chat_history.h"
#include "deploy/chat_text.h"
#include "deploy/shown_rows.h"
#include "shared/client/client.h"

namespace ims {

class ChatSession {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kUnansweredMax = 64;
  // Below the server's dedupe_window: later a repeat could be stored twice, so it is not sent.
  static constexpr std::chrono::minutes kRepeatMax{9};

  explicit ChatSession(std::string user);

  // A typed line; what needs no server is done at once, its text is in take_notes().
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
  std::string prompt() const;  // the chat that /to chose and what is unread elsewhere

 private:
  struct Line {
    ChatCommand command;
    std::string client_id;
    std::uint64_t request_id = 0;  // 0: not sent on this connection
    Clock::time_point first_sent{};
  };

  // chat_session.cc: lines out, rows in
  bool resolve(ChatCommand& command);
  bool resolve_recall(ChatCommand& command);
  void send(Line& line, client::Client& client);
  void send_message(Line& line, client::Client& client);
  void on_push(const client::Push& push, std::string& out);
  void on_message(const client::InMessage& message, std::string& out);
  bool is_new(const std::string& timeline, std::uint64_t seq, std::int64_t time_ms);
  void list_chats();

  // chat_answers.cc: what came back for a line. True: it is done, false: asked for more.
  void on_answer(const client::Answer& answer, client::Client& client, std::string& out);
  bool on_result(Line& line, const client::Answer& answer, client::Client& client,
                 std::string& out);
  bool on_group_answer(Line& line, const client::Answer& answer, std::string& out);
  bool on_contact_answer(Line& line, const client::Answer& answer, std::string& out);
  bool on_who_answer(Line& line, const client::Answer& answer, std::string& out);
  void on_presence(std::string_view payload, bool all, std::string& out);

  const std::string user_;
  const std::string run_;  // begins every client_id of this run
  std::uint64_t line_number_ = 0;
  std::deque<Line> lines_;
  std::string epoch_;
  ShownRows shown_;
  std::map<std::string, std::uint64_t> unacked_;  // shown, the ACK is due
  std::string notes_;

  std::string chosen_;                            // "@user" or "#group"; empty: none
  std::map<std::string, std::uint64_t> unread_;   // by chat
  std::string last_chat_;                         // of the last own message, and its seq
  std::uint64_t last_seq_ = 0;
  ChatHistory history_;
  std::map<std::string, bool> online_;            // who is watched; true: online when last told
  bool watch_due_ = false;                        // after a reconnect
  std::uint64_t watch_id_ = 0;
};

// "@bob hi", "#team hi", "/accept bob": a line as it could have been typed.
std::string described(const ChatCommand& command);

}  // namespace ims
