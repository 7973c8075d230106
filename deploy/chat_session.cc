// Lines, answers, pushes and acknowledgements of a chat (chat_session.h).
#include "deploy/chat_session.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "deploy/operator_line.h"
#include "logic/base64url.h"

namespace ims {
namespace {

using client::Client;
using Kind = ChatCommand::Kind;

std::string random_prefix() {
  std::array<char, 12> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw OperatorError("the kernel gave no random bytes");
  }
  return logic::encode_base64url({bytes.data(), bytes.size()});
}

std::string described(const ChatCommand& command) {
  if (command.kind == Kind::kToUser) return "@" + command.target + " " + escape_text(command.text);
  if (command.kind == Kind::kToGroup) return "#" + command.target + " " + escape_text(command.text);
  return command.target.empty() ? "/groups" : "the request about #" + command.target;
}

}  // namespace

ChatSession::ChatSession(std::string user) : user_(std::move(user)), run_(random_prefix()) {}

void ChatSession::add_line(ChatCommand command) {
  std::string client_id = run_ + "." + std::to_string(++line_number_);
  lines_.push_back({std::move(command), std::move(client_id), 0, {}});
}

std::string ChatSession::take_notes() { return std::exchange(notes_, {}); }

void ChatSession::on_login(const client::LoginAnswer& answer) {
  if (answer.epoch != epoch_) {
    if (!epoch_.empty()) notes_ += "* the server's data was restored: older lines may come again\n";
    epoch_ = answer.epoch;
    shown_.clear();
  }
  if (answer.first_seq > answer.acked_seq + 1) {
    notes_ += "* " + std::to_string(answer.first_seq - answer.acked_seq - 1) +
              " older lines were not kept\n";
  }
  unacked_.clear();
  for (Line& line : lines_) line.request_id = 0;
}

// ---- lines out ----

bool ChatSession::send_lines(Client& client) {
  bool sent = false;
  std::size_t unanswered = 0;
  for (auto line = lines_.begin(); line != lines_.end() && unanswered < kUnansweredMax;) {
    const bool alone = line->command.kind == Kind::kGroup;
    if (line->request_id == 0) {
      if (alone && unanswered > 0) break;
      const auto now = Clock::now();
      if (line->first_sent == Clock::time_point{}) {
        line->first_sent = now;
      } else if (now - line->first_sent > kRepeatMax) {
        notes_ += "! it is not known whether this was sent: " + described(line->command) + "\n";
        line = lines_.erase(line);
        continue;
      }
      send(*line, client);
      sent = true;
    }
    if (alone) break;
    ++unanswered;
    ++line;
  }
  return sent;
}

void ChatSession::send(Line& line, Client& client) {
  const ChatCommand& command = line.command;
  if (command.kind == Kind::kGroup) {
    client::OutGroupRequest request;
    request.op = command.op;
    request.group = command.target;
    request.users = command.words;
    request.open = command.open;
    request.cursor = command.text;
    line.request_id = client.send_group(request);
    return;
  }
  client::OutMessage message;
  message.payload = client::text_payload(command.text);
  (command.kind == Kind::kToUser ? message.to : message.group) = command.target;
  message.client_id = line.client_id;
  line.request_id = client.send_message(message, /*offline=*/true);
}

// ---- events in ----

void ChatSession::on_event(const client::Event& event, Client& client, std::string& out) {
  if (const auto* answer = std::get_if<client::Answer>(&event)) on_answer(*answer, client, out);
  if (const auto* push = std::get_if<client::Push>(&event)) on_push(*push, out);
}

void ChatSession::on_answer(const client::Answer& answer, Client& client, std::string& out) {
  const auto line = std::ranges::find(lines_, answer.id, &Line::request_id);
  if (answer.id == 0 || line == lines_.end()) return;
  if (answer.code != Code::kOk) {
    out += "! " + described(line->command) + ": " + escape_text(answer.reason) + "\n";
  } else if (line->command.kind == Kind::kGroup) {
    on_group_answer(*line, answer, client, out);
    if (line->request_id != answer.id) return;  // asked for the next page
  }
  lines_.erase(line);
}

void ChatSession::on_group_answer(Line& line, const client::Answer& answer, Client& client,
                                  std::string& out) {
  const auto result = client::decode_group_result(answer.payload);
  if (!result) return;
  ChatCommand& command = line.command;
  if (command.op == GroupOp::kMembers) {
    for (const auto& member : result->members) {
      constexpr const char* kRoles[] = {"", " (admin)", " (owner)"};
      out += "  " + escape_text(member.user) + kRoles[static_cast<std::size_t>(member.role)] +
             (member.muted ? " (muted)" : "") + "\n";
    }
  } else if (command.op == GroupOp::kListMine) {
    for (const std::string& group : result->groups) out += "  #" + escape_text(group) + "\n";
  } else {
    out += "* done: #" + escape_text(command.target) + "\n";
  }
  const bool paged = command.op == GroupOp::kMembers || command.op == GroupOp::kListMine;
  if (!paged || result->cursor.empty()) return;
  command.text = result->cursor;
  send(line, client);
}

void ChatSession::on_push(const client::Push& push, std::string& out) {
  if (push.type == RequestType::kMessage) {
    const auto message = client::decode_in_message(push.payload);
    if (!message) return;
    const bool shown =
        message->seq != 0 && !is_new(message->group, message->seq, message->time_ms);
    // What was typed here stands on the terminal already; it comes back after a reconnect.
    const bool typed_here = message->from == user_ && message->client_id.starts_with(run_ + ".");
    const bool silent =
        message->type == MessageType::kTyping || message->type == MessageType::kReceipt;
    if (!shown && !typed_here && !silent) out += format_message(*message, user_) + "\n";
  } else if (push.type == RequestType::kGroup) {
    const auto event = client::decode_group_event(push.payload);
    if (event && is_new(event->group, event->seq, event->time_ms)) {
      out += format_group_event(*event) + "\n";
    }
  } else if (push.type == RequestType::kContact) {
    const auto event = client::decode_contact_event(push.payload);
    if (event && is_new("", event->seq, event->time_ms)) {
      out += format_contact_event(*event) + "\n";
    }
  }
}

// Seq alone would take the first rows of a group for old ones that was dismissed and created anew.
bool ChatSession::is_new(const std::string& timeline, std::uint64_t seq, std::int64_t time_ms) {
  unacked_[timeline] = seq;  // also where it was shown before: its ACK was lost
  Shown& shown = shown_[timeline];
  if (seq <= shown.seq && time_ms <= shown.time_ms) return false;
  shown = {seq, time_ms};
  return true;
}

bool ChatSession::send_acks(Client& client) {
  for (const auto& [timeline, seq] : unacked_) client.send_ack(timeline, seq);
  const bool sent = !unacked_.empty();
  unacked_.clear();
  return sent;
}

}  // namespace ims
