// The names of things, one type each, so that one cannot be passed for another.
//
//   ConnectionId   gateway:8 | generation:24 | slot:32   a weak name of one tenancy of a slot
//   SessionId      boot:24 | worker:8 | counter:32       unique over restarts (rows keep it)
//   UserId,GroupId boot:24 | worker:8 | counter:32       allocated at creation, never reused
#pragma once

#include <cstdint>
#include <functional>

namespace ims {

template <typename Tag, typename T = std::uint64_t>
struct Id {
  T value = 0;
  explicit operator bool() const noexcept { return value != 0; }
  friend auto operator<=>(const Id&, const Id&) = default;
};

using TenantId = Id<struct TenantTag, std::uint32_t>;
using UserId = Id<struct UserTag>;
using GroupId = Id<struct GroupTag>;
using SessionId = Id<struct SessionTag>;
using GatewayIndex = std::uint8_t;
using WorkerIndex = std::uint8_t;

struct ConnectionId {
  std::uint64_t bits = 0;

  static constexpr std::uint32_t kGenerationMask = 0xff'ffff;

  static ConnectionId make(GatewayIndex gateway, std::uint32_t generation,
                           std::uint32_t slot) noexcept {
    return {(std::uint64_t{gateway} << 56) |
            (std::uint64_t{generation & kGenerationMask} << 32) | slot};
  }
  GatewayIndex gateway() const noexcept { return static_cast<GatewayIndex>(bits >> 56); }
  std::uint32_t generation() const noexcept {
    return static_cast<std::uint32_t>(bits >> 32) & kGenerationMask;
  }
  std::uint32_t slot() const noexcept { return static_cast<std::uint32_t>(bits); }
  friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
};

}  // namespace ims

template <typename Tag, typename T>
struct std::hash<ims::Id<Tag, T>> {
  std::size_t operator()(ims::Id<Tag, T> id) const noexcept {
    // Fibonacci hashing: ids are counters, their low bits alone would cluster.
    return static_cast<std::size_t>(std::uint64_t{id.value} * 0x9e3779b97f4a7c15ull);
  }
};
