// The load generator's side of the wire: frames that are encoded once and patched per message, and
// a reader that looks only at what the generator checks. Floor frames (bench/floor.cc) as well.
//
// A payload starts with the sender's number and the message's, u32 each, little-endian.
// Threads  Free functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/bytes.h"
#include "shared/codes.h"

namespace ims::bench {

// A whole frame with its length prefix, of which id, payload numbers and client_id change.
class MessageTemplate {
 public:
  // `to` or `group` is empty; all three empty with `floor`.
  MessageTemplate(bool floor, Edition edition, bool offline, bool client_id, std::string_view to,
                  std::string_view group, std::uint32_t payload_bytes, std::uint32_t sender);

  // The frame of message `number`, appended to `out`.
  void append_to(std::string& out, std::uint32_t number);

 private:
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  std::string bytes_;
  std::size_t id_at_ = kNowhere;
  std::size_t number_at_ = kNowhere;
  std::size_t client_id_at_ = kNowhere;
};

// Ids take four varint bytes whatever the number.
constexpr std::uint64_t id_of_message(std::uint32_t number) {
  return (std::uint64_t{1} << 21) + (number & 0x7ff'ffff);
}

struct Seen {
  enum class Kind : std::uint8_t { kLogin, kAnswer, kMessage, kOther, kFarewell, kBroken };
  Kind kind = Kind::kBroken;
  Code code = Code::kOk;         // kLogin, kAnswer
  std::uint64_t id = 0;          // kAnswer
  std::uint64_t seq = 0;         // kMessage: 0 if relayed
  std::uint32_t sender = 0;      // kMessage
  std::uint32_t number = 0;      // kMessage
  std::string_view reason;       // kLogin, kAnswer, kFarewell
};

// A server's frame without its length. `login`: the answer to CONNECT is awaited.
Seen see_frame(bool floor, Edition edition, ByteView frame, bool login) noexcept;

// A user's name: eight bytes up to ten million users.
std::string user_name(std::uint32_t number);

// The first frame to the floor: who it is.
std::string floor_hello(std::uint32_t number);

}  // namespace ims::bench
