// Who owns what: one function, used by gateways and workers alike.
//
//   tenant_hash = hash64(seed, org, appkey)             computed once per connection
//   name_hash   = hash64(seed ^ tenant_hash, kind, name)
//   partition   = name_hash mod 1024                    stored in keys, never changes
//   worker      = partition mod W                       W may change at every start
//
// The seed is drawn when the data directory is created and kept in `sys`, so that nobody outside
// can choose names that land on one worker. Hashing org and appkey, not the tenant's number,
// lets a gateway route a login before anyone has looked the tenant up.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/ids.h"

namespace ims {

inline constexpr std::uint32_t kPartitionCount = 1024;

enum class NameKind : std::uint8_t { kUser = 0, kGroup = 1 };

std::uint64_t hash_tenant(std::uint64_t seed, std::string_view org,
                          std::string_view appkey) noexcept;
std::uint64_t hash_name(std::uint64_t seed, std::uint64_t tenant_hash, NameKind kind,
                        std::string_view name) noexcept;

inline std::uint16_t partition_of(std::uint64_t name_hash) noexcept {
  return static_cast<std::uint16_t>(name_hash % kPartitionCount);
}
// Of two users, whose owner decides about the two as contacts: the one with the smaller hash, by
// names where hashes are equal. The same from both sides.
inline bool first_is_home(std::uint64_t first_hash, std::string_view first,
                          std::uint64_t second_hash, std::string_view second) noexcept {
  return first_hash != second_hash ? first_hash < second_hash : first < second;
}
inline WorkerIndex worker_of(std::uint64_t name_hash, std::uint32_t worker_count) noexcept {
  return static_cast<WorkerIndex>(partition_of(name_hash) % worker_count);
}

}  // namespace ims
