// Values of the store: fixed numbers first, big-endian, then bytes. Each kind but the timeline row
// starts with a version byte; decode_x refuses another version (the store's format guards first).
//
//   row      | time_ms i64 | origin_session u64 | sender u64 | kind u8 | push body ...
//            a recalled one: kind + 0x80 | hash128 of type and payload that it had | push body ...
//   cursor   | last_used_ms i64 | seq u64 |
//
// These two start with a time, by which compaction drops what is past its window. A row keeps the
// body of its push, a serialized Request, encoded once when it was accepted: delivery is a copy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/bytes.h"
#include "shared/ids.h"
#include "shared/ops.h"

namespace ims::logic {

enum class RowKind : std::uint8_t { kMessage = 0, kGroupEvent = 1, kContactEvent = 2 };

// Of a message's type and payload: is a repeat one?
struct ContentHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const ContentHash&, const ContentHash&) = default;
};
ContentHash hash_content(std::uint8_t type, ByteView payload) noexcept;

struct RowView {
  std::int64_t time_ms = 0;
  SessionId origin_session;
  UserId sender;
  RowKind kind{};
  std::string_view body;  // the push: a serialized Request
  std::optional<ContentHash> recalled;  // what it said before

  // The Request's payload, up to its end: the serialized Message, GroupEvent or ContactEvent.
  std::string_view message() const noexcept;
};

inline constexpr std::size_t kRowHeaderBytes = 8 + 8 + 8 + 1;

// Writes a row's fixed part in front of a body that the caller appends.
void append_row_header(std::string& out, std::int64_t time_ms, SessionId origin_session,
                       UserId sender, RowKind kind);
// The same for one that is recalled; the body follows.
void append_recalled_header(std::string& out, const RowView& row, const ContentHash& content);
// Nothing for a row whose body is no push: a damaged one.
std::optional<RowView> decode_row(std::string_view value);

// The payload of a push body; nothing: it is none.
std::optional<std::string_view> decode_push(std::string_view body);

// What a timeline is, besides its rows. Part of user and group rows.
struct TimelineState {
  std::uint64_t head = 0;          // newest seq; 0: none yet
  std::uint64_t first_seq = 1;     // oldest kept row; nothing kept: head + 1
  std::int64_t first_time_ms = 0;  // time of that row
  std::int64_t last_time_ms = 0;   // time of the newest row: time_ms never goes back
};

struct UserRow {
  UserId id;
  TimelineState inbox;
  std::int64_t last_seen_ms = 0;
  bool removed = false;  // by an operator: does not exist until a valid token logs it in again
  std::uint32_t contacts = 0;  // contact rows that LIST shows
  std::uint32_t blocked = 0;   // of them, with `blocked`
  std::uint32_t online_boot = 0;  // had a session in that run of the server; 0: none since
};
std::string encode_user(const UserRow& row);
std::optional<UserRow> decode_user(std::string_view value);

struct GroupRow {
  GroupId id;
  TimelineState timeline;
  std::string name;  // the label
  std::uint32_t member_count = 0;
  bool open = false;
  bool dismissed = false;
};
std::string encode_group(const GroupRow& row);
std::optional<GroupRow> decode_group(std::string_view value);

struct MemberRow {
  Role role = Role::kMember;
  bool muted = false;
  std::uint64_t join_seq = 0;
  friend bool operator==(const MemberRow&, const MemberRow&) = default;
};
std::string encode_member(const MemberRow& row);
std::optional<MemberRow> decode_member(std::string_view value);

// A user's view of one membership. end_seq 0: still a member; else the seq of the event that ended
// it, up to which the user may still read.
struct MineRow {
  GroupId group;
  std::uint64_t join_seq = 0;
  std::uint64_t end_seq = 0;
  std::int64_t end_time_ms = 0;
};
std::string encode_mine(const MineRow& row);
std::optional<MineRow> decode_mine(std::string_view value);

// A user's view of another; both users' views are rows, each other's mirror.
struct ContactRow {
  ContactState state = ContactState::kNone;
  bool blocked = false;     // by this user
  bool blocked_by = false;  // by the other
  std::string note;

  bool listed() const noexcept { return state != ContactState::kNone || blocked; }
  bool empty() const noexcept { return !listed() && !blocked_by; }  // such a row is erased
  ContactRow mirrored() const;
};
std::string encode_contact(const ContactRow& row);
std::optional<ContactRow> decode_contact(std::string_view value);

struct CursorRow {
  std::int64_t last_used_ms = 0;
  std::uint64_t seq = 0;
};
std::string encode_cursor(const CursorRow& row);
std::optional<CursorRow> decode_cursor(std::string_view value);

// One effect on a remote owner, applied in order of its number: a user's mine row, which may be
// applied twice, or a contact row with the event that goes with it, which an applied row guards.
struct OutboxRow {
  enum class Kind : std::uint8_t { kMine = 0, kContact = 1 };
  TenantId tenant;
  std::string user_name;
  // kMine
  std::string group_name;
  MineRow mine;
  // kContact
  Kind kind = Kind::kMine;
  std::string other_name{};
  ContactRow contact{};
  std::int8_t contacts_change = 0;  // of UserRow::contacts
  std::int8_t blocked_change = 0;
  ContactOp event = ContactOp::kList;  // kList: none
  std::string event_note{};
  UserId event_sender{};
};
std::string encode_outbox(const OutboxRow& row);
std::optional<OutboxRow> decode_outbox(std::string_view value);

}  // namespace ims::logic
