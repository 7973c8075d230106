// What a typed line of a chat means. Pure functions; nothing is known here of what is going on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/ops.h"

namespace ims {

struct ChatCommand {
  enum class Kind : std::uint8_t {
    kNone,     // an empty line
    kToUser,   // @user text
    kToGroup,  // #group text
    kText,     // text alone: to the chat that /to chose
    kTo,       // /to @user or #group
    kChats,    // the chats and how much is unread
    kHistory,  // older rows: `number` of them, of `target` or of the chosen chat
    kRecall,   // the own message `number`, or the last one
    kGroup,    // a group request: `op`, target, words
    kContact,  // a contact request: `contact_op`, target, text (the note)
    kWho,      // presence of `words`, or of all friends
    kHelp,
    kQuit,
    kWrong,    // text says what
  };
  Kind kind = Kind::kNone;
  std::string target;  // without its @ or #
  bool to_group = false;
  std::string text;
  std::uint64_t number = 0;
  GroupOp op = GroupOp::kInfo;
  Role role = Role::kMember;
  ContactOp contact_op = ContactOp::kList;
  bool open = false;
  std::vector<std::string> words;
};

inline constexpr std::uint64_t kHistoryRows = 20;
inline constexpr std::uint64_t kHistoryRowsMax = 1'000;
inline constexpr std::size_t kWhoMax = 500;  // PROTOCOL.md: users of one PRESENCE request

// A line without its newline.
ChatCommand parse_chat_line(std::string_view line);
std::string_view chat_help() noexcept;

}  // namespace ims
