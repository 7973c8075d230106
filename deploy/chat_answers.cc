// What came back for a line of a chat, as text (chat_session.h).
#include <algorithm>
#include <utility>

#include "deploy/chat_session.h"

namespace ims {
namespace {

using client::Client;
using Kind = ChatCommand::Kind;

}  // namespace

std::string described(const ChatCommand& command) {
  const std::string target = escape_text(command.target);
  switch (command.kind) {
    case Kind::kToUser: return "@" + target + " " + escape_text(command.text);
    case Kind::kToGroup: return "#" + target + " " + escape_text(command.text);
    case Kind::kContact: return target.empty() ? "/contacts" : "the request about @" + target;
    case Kind::kGroup: return target.empty() ? "/groups" : "the request about #" + target;
    case Kind::kHistory: return "/history";
    case Kind::kRecall: return "/recall";
    default: return "/who";
  }
}

void ChatSession::on_answer(const client::Answer& answer, Client& client, std::string& out) {
  if (answer.id != 0 && answer.id == watch_id_) {
    if (answer.code == Code::kOk) on_presence(answer.payload, /*all=*/false, out);
    return;
  }
  const auto line = std::ranges::find(lines_, answer.id, &Line::request_id);
  if (answer.id == 0 || line == lines_.end()) return;
  if (answer.code != Code::kOk) {
    out += "! " + described(line->command) + ": " + escape_text(answer.reason) + "\n";
  } else if (!on_result(*line, answer, client, out)) {
    return;
  }
  lines_.erase(line);
}

bool ChatSession::on_result(Line& line, const client::Answer& answer, Client& client,
                            std::string& out) {
  bool done = true;
  switch (line.command.kind) {
    case Kind::kToUser:
    case Kind::kToGroup:
      last_chat_ = (line.command.to_group ? "#" : "@") + line.command.target;
      last_seq_ = answer.seq;
      return true;
    case Kind::kRecall: out += "* recalled\n"; return true;
    case Kind::kHistory: {
      const auto page = client::decode_sync_result(answer.payload);
      if (!page || history_.on_page(*page, out)) {
        unread_[(line.command.to_group ? "#" : "@") + line.command.target] = 0;
        return true;
      }
      line.request_id = history_.ask_on(client);
      return false;
    }
    case Kind::kGroup: done = on_group_answer(line, answer, out); break;
    case Kind::kContact: done = on_contact_answer(line, answer, out); break;
    case Kind::kWho: done = on_who_answer(line, answer, out); break;
    default: break;
  }
  if (!done) send(line, client);
  return done;
}

bool ChatSession::on_group_answer(Line& line, const client::Answer& answer, std::string& out) {
  const auto result = client::decode_group_result(answer.payload);
  if (!result) return true;
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
  if (!paged || result->cursor.empty()) return true;
  command.text = result->cursor;
  return false;
}

bool ChatSession::on_contact_answer(Line& line, const client::Answer& answer, std::string& out) {
  const auto result = client::decode_contact_result(answer.payload);
  if (!result) return true;
  const bool list = line.command.contact_op == ContactOp::kList;
  if (list && result->contacts.empty() && line.command.text.empty()) out += "* no contacts yet\n";
  for (const auto& contact : result->contacts) {
    const bool none = contact.state == ContactState::kNone && !contact.blocked;
    if (list || !none) {
      out += format_contact(contact) + "\n";
    } else {
      out += "* done: " + escape_text(contact.user) + " is no contact\n";
    }
  }
  if (!list || result->cursor.empty()) return true;
  line.command.text = result->cursor;
  return false;
}

bool ChatSession::on_who_answer(Line& line, const client::Answer& answer, std::string& out) {
  ChatCommand& command = line.command;
  const bool friends_asked =
      command.number == 0 && (command.words.empty() || !command.text.empty());
  if (!friends_asked) {
    on_presence(answer.payload, /*all=*/true, out);
    const auto result = client::decode_presence_result(answer.payload);
    if (result && result->empty()) out += "* none of them is a friend\n";
    return true;
  }
  const auto result = client::decode_contact_result(answer.payload);
  if (!result) return true;
  for (const auto& contact : result->contacts) {
    if (contact.state == ContactState::kFriend && command.words.size() < kWhoMax) {
      command.words.push_back(contact.user);
    }
  }
  command.text = result->cursor;
  if (!command.text.empty() && command.words.size() < kWhoMax) return false;
  if (command.words.empty()) {
    out += "* no friends yet; /add user asks someone\n";
    return true;
  }
  command.number = 1;  // next: who of them is online
  return false;
}

// `all`: also what has not changed since it was told last.
void ChatSession::on_presence(std::string_view payload, bool all, std::string& out) {
  const auto result = client::decode_presence_result(payload);
  if (!result) return;
  for (const client::Presence& presence : *result) {
    const auto [told, added] = online_.try_emplace(presence.user, presence.online);
    const bool changed = std::exchange(told->second, presence.online) != presence.online;
    if (all || added || changed) out += "* " + format_presence(presence) + "\n";
  }
}

}  // namespace ims
