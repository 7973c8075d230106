// Encoding, cold half: events, and the result messages that a Response carries in `payload`.
//
// Events are size/write pairs like those of shared/encode.h: they are rows, and pushed. Results
// grow in the caller's buffer, one append_* per row, so that a page can be cut at max_frame_bytes:
// look at out.size() after each, and resize back to take a row out. Rows and tail may come in any
// order; the tail costs at most k*TailBytesMax. Strings must be UTF-8 already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "shared/bytes.h"
#include "shared/encode.h"
#include "shared/ops.h"

namespace ims {

using Buffer = std::vector<std::byte>;

// ---- events ------------------------------------------------------------------------------------

struct ContactEventFields {
  ContactOp op = ContactOp::kList;
  std::string_view user;  // who did it
  std::string_view note;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
};

std::size_t contact_event_bytes(const ContactEventFields& fields) noexcept;
std::byte* write_contact_event(std::byte* out, const ContactEventFields& fields) noexcept;

struct GroupEventFields {
  GroupOp op = GroupOp::kInfo;
  std::string_view group;
  std::string_view by;
  std::span<const std::string_view> users;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  std::string_view name;
  Role role = Role::kMember;
};

std::size_t group_event_bytes(const GroupEventFields& fields) noexcept;
std::byte* write_group_event(std::byte* out, const GroupEventFields& fields) noexcept;

// Bodies of Request frames with id 0.
std::size_t push_contact_event_bytes(const ContactEventFields& fields) noexcept;
std::byte* write_push_contact_event(std::byte* out, const ContactEventFields& fields) noexcept;
std::size_t push_group_event_bytes(const GroupEventFields& fields) noexcept;
std::byte* write_push_group_event(std::byte* out, const GroupEventFields& fields) noexcept;

// ---- SyncResult --------------------------------------------------------------------------------

inline constexpr std::size_t kSyncTailBytesMax = 11 + 2 + 11;

void append_sync_message(Buffer& out, const MessageFields& row);
void append_sync_group_event(Buffer& out, const GroupEventFields& row);
void append_sync_contact_event(Buffer& out, const ContactEventFields& row);
void append_sync_tail(Buffer& out, std::uint64_t head_seq, bool more, std::uint64_t first_seq);

// ---- ContactResult -----------------------------------------------------------------------------

struct ContactFields {
  std::string_view user;
  ContactState state = ContactState::kNone;
  bool blocked = false;
  std::string_view note;
};

inline constexpr std::size_t kContactTailBytesMax = 2 + 64;

void append_contact(Buffer& out, const ContactFields& row);
void append_contact_tail(Buffer& out, std::string_view cursor);

// ---- GroupResult -------------------------------------------------------------------------------

struct MemberFields {
  std::string_view user;
  Role role = Role::kMember;
  bool muted = false;
};

struct GroupTailFields {
  std::string_view group;
  std::string_view name;
  std::uint32_t member_count = 0;
  std::uint64_t head_seq = 0;
  std::string_view cursor;
  bool open = false;
};

inline constexpr std::size_t kGroupTailBytesMax = (2 + 64) + (3 + 256) + 6 + 11 + (2 + 64) + 2;

void append_group_member(Buffer& out, const MemberFields& row);
void append_group_mine(Buffer& out, std::string_view group);  // LIST_MINE: one of `groups`
void append_group_tail(Buffer& out, const GroupTailFields& fields);

// ---- PresenceResult ----------------------------------------------------------------------------

struct PresenceFields {
  std::string_view user;
  bool online = false;
  std::int64_t last_seen_ms = 0;
  std::span<const std::string_view> devices;
};

void append_presence(Buffer& out, const PresenceFields& row);

}  // namespace ims
