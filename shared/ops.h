// The enums inside requests and results (PROTOCOL.md section 3). The numbers are the wire's.
// A decoded view carries the int32 as it came; valid_* says whether it is one of ours (else
// UNSUPPORTED).
#pragma once

#include <cstdint>

namespace ims {

enum class ContactOp : std::uint8_t {
  kList = 0,
  kAdd = 1,
  kAccept = 2,
  kDecline = 3,
  kRemove = 4,
  kBlock = 5,
  kUnblock = 6,
};
inline constexpr int kContactOpCount = 7;

enum class ContactState : std::uint8_t {
  kNone = 0,
  kRequested = 1,  // by me
  kPending = 2,    // by them
  kFriend = 3,
};

enum class GroupOp : std::uint8_t {
  kInfo = 0,
  kCreate = 1,
  kJoin = 2,
  kLeave = 3,
  kInvite = 4,
  kKick = 5,
  kDismiss = 6,
  kMembers = 7,
  kSetRole = 8,
  kRename = 9,
  kListMine = 10,
  kMute = 11,
  kUnmute = 12,
};
inline constexpr int kGroupOpCount = 13;

enum class Role : std::uint8_t { kMember = 0, kAdmin = 1, kOwner = 2 };
inline constexpr int kRoleCount = 3;

constexpr bool valid_contact_op(std::int32_t op) noexcept {
  return op >= 0 && op < kContactOpCount;
}
constexpr bool valid_group_op(std::int32_t op) noexcept { return op >= 0 && op < kGroupOpCount; }
constexpr bool valid_role(std::int32_t role) noexcept { return role >= 0 && role < kRoleCount; }

}  // namespace ims
