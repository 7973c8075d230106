// Lines out, rows in, acknowledgements of a chat (chat_session.h).
#include "deploy/chat_session.h"

#include <sys/random.h>

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

std::string chat_of(const ChatCommand& command) {
  return (command.to_group ? "#" : "@") + command.target;
}

bool is_message(const ChatCommand& command) {
  return command.kind == Kind::kToUser || command.kind == Kind::kToGroup;
}

}  // namespace

ChatSession::ChatSession(std::string user)
    : user_(std::move(user)), run_(random_prefix()), history_(user_) {}

void ChatSession::add_line(ChatCommand command) {
  if (!resolve(command)) return;
  if (is_message(command)) unread_[chat_of(command)] = 0;
  std::string client_id = run_ + "." + std::to_string(++line_number_);
  lines_.push_back({std::move(command), std::move(client_id), 0, {}});
}

// Fills in the chosen chat. False: nothing is to be sent.
bool ChatSession::resolve(ChatCommand& command) {
  if (command.kind == Kind::kTo) {
    chosen_ = chat_of(command);
    unread_[chosen_] = 0;
    return false;
  }
  if (command.kind == Kind::kChats) return list_chats(), false;
  const bool needs_chat =
      command.kind == Kind::kText || (command.kind == Kind::kHistory && command.target.empty());
  if (!needs_chat) return true;
  if (chosen_.empty()) {
    notes_ += "! to whom? /to @user or /to #group chooses a chat; /help shows more\n";
    return false;
  }
  command.to_group = chosen_.front() == '#';
  command.target = chosen_.substr(1);
  if (command.kind == Kind::kText) {
    command.kind = command.to_group ? Kind::kToGroup : Kind::kToUser;
  }
  return true;
}

void ChatSession::list_chats() {
  if (unread_.empty()) notes_ += "* no chats yet\n";
  for (const auto& [chat, unread] : unread_) {
    notes_ += (chat == chosen_ ? "> " : "  ") + escape_text(chat) +
              (unread == 0 ? "" : "  " + std::to_string(unread) + " unread") + "\n";
  }
}

std::string ChatSession::take_notes() { return std::exchange(notes_, {}); }

std::string ChatSession::prompt() const {
  std::uint64_t unread = 0;
  for (const auto& [chat, count] : unread_) unread += count;
  return (unread == 0 ? "" : "(" + std::to_string(unread) + ") ") + escape_text(chosen_) + "> ";
}

void ChatSession::on_login(const client::LoginAnswer& answer) {
  if (answer.epoch != epoch_) {
    if (!epoch_.empty()) notes_ += "* the server's data was restored: older lines may come again\n";
    epoch_ = answer.epoch;
    shown_.clear();
    history_.clear();
  }
  if (answer.first_seq > answer.acked_seq + 1) {
    notes_ += "* " + std::to_string(answer.first_seq - answer.acked_seq - 1) +
              " older lines were not kept\n";
  }
  unacked_.clear();
  for (Line& line : lines_) line.request_id = 0;
  watch_due_ = !online_.empty();
  watch_id_ = 0;
}

// ---- lines out ----

bool ChatSession::send_lines(Client& client) {
  bool sent = false;
  if (std::exchange(watch_due_, false)) {
    std::vector<std::string> users;
    for (const auto& [user, online] : online_) {
      if (users.size() < kWhoMax) users.push_back(user);
    }
    watch_id_ = client.send_request(RequestType::kPresence, client::presence_payload(users, true));
    sent = true;
  }
  std::size_t unanswered = 0;
  for (auto line = lines_.begin(); line != lines_.end() && unanswered < kUnansweredMax;) {
    const bool alone = !is_message(line->command);
    if (line->request_id == 0) {
      if (alone && unanswered > 0) break;
      const auto now = Clock::now();
      if (line->command.kind == Kind::kRecall && !resolve_recall(line->command)) {
        line = lines_.erase(line);
        continue;
      }
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

// Only when it is sent: the message before it has been answered by then, and has its seq.
bool ChatSession::resolve_recall(ChatCommand& command) {
  if (!command.target.empty()) return true;
  const std::string& chat = command.number == 0 || chosen_.empty() ? last_chat_ : chosen_;
  if (command.number == 0) command.number = last_seq_;
  if (chat.empty()) {
    notes_ += "! there is nothing of yours to recall\n";
    return false;
  }
  command.to_group = chat.front() == '#';
  command.target = chat.substr(1);
  return true;
}

void ChatSession::send(Line& line, Client& client) {
  const ChatCommand& command = line.command;
  switch (command.kind) {
    case Kind::kGroup: {
      client::OutGroupRequest request;
      request.op = command.op;
      request.group = command.target;
      request.users = command.words;
      request.role = command.role;
      request.open = command.open;
      (command.op == GroupOp::kRename ? request.name : request.cursor) = command.text;
      line.request_id = client.send_group(request);
      return;
    }
    case Kind::kContact: {
      const bool list = command.contact_op == ContactOp::kList;
      const client::OutContactRequest request{.op = command.contact_op,
                                              .user = command.target,
                                              .note = list ? "" : command.text,
                                              .cursor = list ? command.text : ""};
      line.request_id = client.send_request(RequestType::kContact, contact_payload(request));
      return;
    }
    case Kind::kWho:
      // Nobody named: first the friends, page after page; the cursor is in `text`.
      line.request_id =
          command.number == 0 && (command.words.empty() || !command.text.empty())
              ? client.send_request(RequestType::kContact,
                                    client::contact_payload({.cursor = command.text}))
              : client.send_request(RequestType::kPresence,
                                    client::presence_payload(command.words, true));
      return;
    case Kind::kHistory:
      line.request_id = history_.ask(chat_of(command), command.number, client);
      return;
    default: send_message(line, client);
  }
}

void ChatSession::send_message(Line& line, Client& client) {
  const ChatCommand& command = line.command;
  client::OutMessage message;
  if (command.kind == Kind::kRecall) {
    message.type = MessageType::kRecall;
    message.payload = client::recall_payload(command.number);
  } else {
    message.payload = client::text_payload(command.text);
  }
  (command.to_group ? message.group : message.to) = command.target;
  message.client_id = line.client_id;
  line.request_id = client.send_message(message, /*offline=*/true);
}

// ---- rows in ----

void ChatSession::on_event(const client::Event& event, Client& client, std::string& out) {
  if (const auto* answer = std::get_if<client::Answer>(&event)) on_answer(*answer, client, out);
  if (const auto* push = std::get_if<client::Push>(&event)) on_push(*push, out);
}

void ChatSession::on_push(const client::Push& push, std::string& out) {
  if (push.type == RequestType::kMessage) {
    const auto message = client::decode_in_message(push.payload);
    if (message) on_message(*message, out);
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
  } else if (push.type == RequestType::kPresence) {
    on_presence(push.payload, /*all=*/false, out);
  }
}

void ChatSession::on_message(const client::InMessage& message, std::string& out) {
  if (message.seq != 0 && !is_new(message.group, message.seq, message.time_ms)) return;
  // What was typed here stands on the terminal already; it comes back after a reconnect.
  const bool typed_here = message.from == user_ && message.client_id.starts_with(run_ + ".");
  if (typed_here || message.type == MessageType::kTyping ||
      message.type == MessageType::kReceipt) {
    return;
  }
  out += format_message(message, user_) + "\n";
  const bool own = message.from == user_;
  const std::string chat = !message.group.empty() ? "#" + message.group
                           : own                  ? "@" + message.to
                                                  : "@" + message.from;
  std::uint64_t& unread = unread_[chat];
  unread = own || chat == chosen_ ? 0 : unread + 1;
}

bool ChatSession::is_new(const std::string& timeline, std::uint64_t seq, std::int64_t time_ms) {
  unacked_[timeline] = seq;  // also where it was shown before: its ACK was lost
  return shown_.is_new(timeline, seq, time_ms);
}

bool ChatSession::send_acks(Client& client) {
  for (const auto& [timeline, seq] : unacked_) client.send_ack(timeline, seq);
  const bool sent = !unacked_.empty();
  unacked_.clear();
  return sent;
}

}  // namespace ims
