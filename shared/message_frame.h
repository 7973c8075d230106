// A MESSAGE request as a gateway takes it, and the one-pass decoder for what nearly every frame of
// a busy server is.
//
// Lifetime  Views into the frame. No allocation, noexcept.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/bytes.h"
#include "shared/codes.h"

namespace ims {

struct MessageFrame {
  std::uint64_t id = 0;
  ByteView message;          // Request.payload: may be passed on as it is (MessageView::spliceable)
  ByteView payload;          // inside of `message`, as are the next two
  std::string_view target;   // `to` or `group`
  ByteView client_id;
  std::uint8_t type = 0;     // MessageType
  bool to_group = false;
  bool offline = false;
};

// Command, Request and Message in one pass, for what stock clients write: each field once, in
// ascending order. True: it is a MESSAGE request that breaks no rule of PROTOCOL.md section 5 but,
// perhaps, max_message_bytes, it is no RECALL, and `out` is what decode_command, decode_request and
// decode_message give. False: says nothing about the frame (it may be another request, or
// well-formed but unusual, or wrong); `out` is unspecified: decode step by step.
bool decode_message_frame(Edition edition, ByteView frame, MessageFrame& out) noexcept;

}  // namespace ims
