// Pages of older rows (chat_history.h).
#include "deploy/chat_history.h"

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "deploy/chat_text.h"

namespace ims {
namespace {

constexpr std::uint32_t kInboxRows = 200;  // of a page, few of which may be of the chat

std::string text_of(const client::GroupEvent& row, const std::string&) {
  return format_group_event(row);
}
std::string text_of(const client::ContactEvent& row, const std::string&) {
  return format_contact_event(row);
}
// An own message comes with the number that /recall takes.
std::string text_of(const client::InMessage& row, const std::string& user) {
  const std::string line = format_message(row, user);
  const std::uint64_t seq = row.group.empty() && row.to != user ? row.peer_seq : row.seq;
  const bool recallable = row.from == user && row.type != MessageType::kRecall;
  return recallable ? line + "  [" + std::to_string(seq) + "]" : line;
}

}  // namespace

ChatHistory::ChatHistory(std::string user) : user_(std::move(user)) {}

std::uint64_t ChatHistory::ask(const std::string& chat, std::size_t rows, client::Client& client) {
  chat_ = chat;
  wanted_ = rows;
  pages_ = 0;
  found_.clear();
  const auto oldest = oldest_.find(chat);
  before_ = oldest == oldest_.end() ? UINT64_MAX : oldest->second;
  return ask_on(client);
}

std::uint64_t ChatHistory::ask_on(client::Client& client) {
  const bool group = chat_.front() == '#';
  const std::uint32_t limit =
      group ? static_cast<std::uint32_t>(wanted_ - found_.size()) : kInboxRows;
  return client.send_request(RequestType::kSync,
                             client::sync_payload(group ? chat_.substr(1) : "", 0, limit, before_));
}

template <typename Row>
bool ChatHistory::is_of_chat(const Row& row) const {
  if (chat_.front() == '#') return true;
  const std::string_view other = std::string_view(chat_).substr(1);
  if constexpr (std::is_same_v<Row, client::InMessage>) {
    return row.from == other || (row.from == user_ && row.to == other);
  } else if constexpr (std::is_same_v<Row, client::ContactEvent>) {
    return row.user == other;
  } else {
    return false;
  }
}

bool ChatHistory::on_page(const client::SyncResult& page, std::string& out) {
  struct Found {
    std::uint64_t seq;
    std::string line;  // empty: passed over
  };
  std::vector<Found> rows;
  const auto take = [&](const auto& row, bool shown) {
    std::string line;
    if (shown && is_of_chat(row)) line = format_day(row.time_ms) + " " + text_of(row, user_);
    rows.push_back({row.seq, std::move(line)});
  };
  for (const auto& row : page.messages) {
    take(row, row.type != MessageType::kReceipt && row.type != MessageType::kTyping);
  }
  for (const auto& row : page.group_events) take(row, true);
  for (const auto& row : page.contact_events) take(row, true);
  std::ranges::sort(rows, std::ranges::greater{}, &Found::seq);
  for (Found& row : rows) {
    if (found_.size() == wanted_) break;
    before_ = row.seq;
    if (!row.line.empty()) found_.push_back(std::move(row.line));
  }
  const bool enough = found_.size() == wanted_;
  if (!enough && page.more && !rows.empty() && ++pages_ < kPagesMax) return false;
  oldest_[chat_] = before_;
  print(!enough && !page.more, out);
  return true;
}

void ChatHistory::print(bool at_beginning, std::string& out) {
  out += "-- " + escape_text(chat_) + (at_beginning ? ", from its beginning" : ", older lines") +
         " --\n";
  for (auto line = found_.rbegin(); line != found_.rend(); ++line) out += *line + "\n";
  out += "-- end --\n";
  found_.clear();
}

}  // namespace ims
