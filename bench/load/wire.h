// The generator's side of the wire: message frames that are encoded once and patched per message,
// and a reader that looks only at what is checked. Frames of the floor (bench/floor) as well.
//
// Threads  Free functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/load/content.h"
#include "shared/bytes.h"
#include "shared/codes.h"

namespace ims::bench {

// Names are of a fixed length, so that they can be patched: eight bytes for ten million users.
inline constexpr std::size_t kUserNameBytes = 8;
inline constexpr std::uint32_t kUsersMax = 10'000'000;
inline constexpr std::size_t kGroupNameBytes = 15;

struct UserName {
  char text[kUserNameBytes];
  explicit UserName(std::uint32_t number) noexcept;
  std::string_view view() const noexcept { return {text, sizeof text}; }
};
struct GroupName {  // of one run's: each has its own groups
  char text[kGroupNameBytes];
  GroupName(std::uint32_t run, std::uint32_t number) noexcept;
  std::string_view view() const noexcept { return {text, sizeof text}; }
};

// Ids of messages take four varint bytes whatever the number; other requests' ids are smaller.
inline constexpr std::uint64_t kMessageIdFirst = std::uint64_t{1} << 21;
inline constexpr std::uint32_t kNumberMask = 0x7ff'ffff;
constexpr std::uint64_t id_of_message(std::uint32_t number) {
  return kMessageIdFirst + (number & kNumberMask);
}

struct MessageShape {
  bool floor = false;
  Edition edition = Edition::kV2;
  bool offline = false;      // stored, else relayed
  bool client_id = false;
  bool to_group = false;
  std::uint32_t payload_bytes = 100;
};

// A whole frame with its length prefix, of which id, content, target and client_id change.
class MessageTemplate {
 public:
  explicit MessageTemplate(const MessageShape& shape);

  // Appends the frame to `out`; `target` is a user's or group's name, of the shape's kind.
  void append_to(std::string& out, std::string_view target, const Content& content, bool whole);

  std::uint32_t payload_bytes() const noexcept { return shape_.payload_bytes; }

 private:
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  MessageShape shape_;
  std::string bytes_;
  std::size_t id_at_ = kNowhere;
  std::size_t payload_at_ = kNowhere;
  std::size_t target_at_ = kNowhere;
  std::size_t client_id_at_ = kNowhere;
};

struct Seen {
  enum class Kind : std::uint8_t {
    kAnswer,      // a Response, or the answer to CONNECT
    kMessage,     // a pushed Message
    kGroupEvent,
    kOther,       // another push, a heartbeat
    kFarewell,    // Disconnect
    kBroken,      // it does not decode
  };
  Kind kind = Kind::kBroken;
  Code code = Code::kOk;          // kAnswer
  std::uint64_t id = 0;           // kAnswer
  std::uint64_t seq = 0;          // kAnswer, kMessage (0: relayed), kGroupEvent
  std::uint64_t inbox_seq = 0;    // the answer to CONNECT
  std::uint64_t acked_seq = 0;    // the answer to CONNECT
  std::string_view reason;        // kAnswer, kFarewell
  std::string_view from;          // kMessage
  std::string_view group;         // kMessage, kGroupEvent
  ByteView payload;               // kMessage
};

// A server's frame without its length. `login`: the answer to CONNECT is awaited.
Seen see_frame(bool floor, Edition edition, ByteView frame, bool login) noexcept;

// The first frame to the floor: who it is.
std::string floor_hello(std::uint32_t number);

}  // namespace ims::bench
