// Keys of the store: fixed-width big-endian numbers, so that byte order is number order, and names
// last, so that no separator can be confused.
//
//   P partition u16 (route.h) | N tenant u32 | T timeline u64 (a user or group) | U user | G group
//
//   kMeta     's' word               sys: format, identity, clock, counters of the store itself
//             't' N                  tenant row
//             'u' P N name           user row          P is the user's
//             'p' P N name           password hash
//             'n' P U group-name     mine row: a user's view of one membership
//             'g' P N name           group row         P is the group's
//             'm' P G user-name      member row: the truth about one membership
//             'c' P U user-name      contact row: a user's view of another
//             'd' P n                outbox row n was applied; both rows go at once
//             'x' P N name           dismissal that is not done yet
//             'o' P n                outbox row: one effect on a remote owner, n ascending
//   kRows     P T seq                row of a timeline
//   kCursors  P U len device T       cursor of one device in one timeline (T = U: the inbox; it
//                                    exists exactly for known devices)
//
// User and group ids come from one counter, so T alone names a timeline.
// Names, not numbers, key members and memberships: pages ascend by the bytes of the name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/bytes.h"
#include "shared/ids.h"

namespace ims::logic {

// Where a timeline's rows live.
struct TimelineKey {
  std::uint16_t partition = 0;
  std::uint64_t id = 0;
  friend bool operator==(const TimelineKey&, const TimelineKey&) = default;
};

std::string tenant_key(TenantId tenant);
std::string user_key(std::uint16_t partition, TenantId tenant, std::string_view name);
std::string password_key(std::uint16_t partition, TenantId tenant, std::string_view name);
std::string group_key(std::uint16_t partition, TenantId tenant, std::string_view name);
std::string dismissal_key(std::uint16_t partition, TenantId tenant, std::string_view name);
std::string member_key(TimelineKey group, std::string_view user_name);
std::string mine_key(TimelineKey user, std::string_view group_name);
std::string contact_key(TimelineKey user, std::string_view other_name);
std::string applied_key(std::uint16_t partition, std::uint64_t number);
std::string outbox_key(std::uint16_t partition, std::uint64_t number);
std::string row_key(TimelineKey timeline, std::uint64_t seq);
inline constexpr std::size_t kRowKeyBytes = 2 + 8 + 8;
std::string device_cursors_key(TimelineKey user, std::string_view device);  // prefix of all T
std::string cursor_key(TimelineKey user, std::string_view device, std::uint64_t timeline);
std::string user_cursors_key(TimelineKey user);  // prefix of all devices

// The smallest key behind every key that starts with `prefix`.
std::string prefix_end(std::string prefix);

// Reading keys back.
std::uint64_t seq_of_row_key(std::string_view key);
std::string_view name_of_member_key(std::string_view key);  // also of mine and contact keys
struct CursorKeyParts {
  std::string_view device;
  std::uint64_t timeline = 0;
};
CursorKeyParts parse_cursor_key(std::string_view key);
std::uint64_t number_of_outbox_key(std::string_view key);  // also of applied keys
std::uint16_t partition_of_key(std::string_view key, std::size_t at);

}  // namespace ims::logic
