// The two frames of a relayed message, straight from the sender's request record into the send
// queues: the push for the recipient, and the answer OK for the sender. The push is the record's
// tail with the time behind it, in an outer frame; what it decodes to is what write_push_message()
// writes of the same fields. The answer is byte for byte that of write_response_frame() (encode.h).
//
// Lifetime  Views into the record.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shared/encode.h"
#include "shared/records.h"
#include "shared/varint.h"

namespace ims {

// time_ms as a field of the push and one of the answer: the same for all that one turn of a worker
// relays. A time of 0 is not written.
struct EncodedTime {
  std::int64_t time_ms = 0;
  std::uint8_t field_bytes = 0;
  std::byte in_push[1 + kVarintBytesMax] = {};
  std::byte in_answer[1 + kVarintBytesMax] = {};

  void set(std::int64_t time) noexcept {
    if (time != time_ms) encode(time);
  }

 private:
  void encode(std::int64_t time) noexcept;
};

// A push: sized first, then written where there is room for bytes().
class RelayFrame {
 public:
  RelayFrame(Outer outer, const RequestRecord& request, const EncodedTime& time) noexcept;

  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t body_bytes() const noexcept { return body_bytes_; }
  // Returns the byte behind it.
  std::byte* write(std::byte* out) const noexcept;

 private:
  const Outer outer_;
  const RequestRecord& request_;
  const EncodedTime& time_;
  std::size_t message_bytes_;
  std::size_t body_bytes_;
  std::size_t command_bytes_ = 0;  // of the usual short header
  std::size_t bytes_;
};

// Response{code = OK, time_ms}: at most kRelayAnswerBytesMax.
inline constexpr std::size_t kRelayAnswerBytesMax = 1 + 11 + 2 + 11 + 2 + 11;
std::byte* write_relay_answer(std::byte* out, Outer outer, std::uint64_t id,
                              const EncodedTime& time) noexcept;

}  // namespace ims
