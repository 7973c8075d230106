// What a submission is, in its user_data: op | generation | slot, a ConnectionId whose gateway byte
// tells the operation.
#pragma once

#include <cstdint>

#include "gateway/io.h"
#include "gateway/uring_compat.h"

namespace ims::gateway {

enum class Tag : std::uint8_t { kIgnore, kAccept, kWake, kRecv, kSend, kShutdown, kClose };

inline std::uint64_t user_data(Tag tag, ConnectionId connection) noexcept {
  return (connection.bits & 0x00ff'ffff'ffff'ffffull) | (static_cast<std::uint64_t>(tag) << 56);
}

inline void set_user_data(io_uring_sqe* sqe, Tag tag, ConnectionId connection) noexcept {
  sqe->user_data = user_data(tag, connection);
}

}  // namespace ims::gateway
