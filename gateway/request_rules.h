// What a gateway decides about a request by itself, before a worker hears of it: the rules of
// PROTOCOL.md sections 3, 5, 6 that need no state. In the order that section 5 fixes: UNSUPPORTED,
// BAD_REQUEST, TOO_LARGE.
//
// Pure functions of decoded views; `reason` is a literal.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/codes.h"
#include "shared/command.h"
#include "shared/payload.h"

namespace ims::gateway {

struct Refusal {
  Code code = Code::kOk;
  std::string_view reason;
  explicit operator bool() const noexcept { return code != Code::kOk; }
};

// The payload of a known request does not decode, or holds a string that is not UTF-8.
Refusal refuse_payload(DecodeStatus status) noexcept;

Refusal check_connect(DecodeStatus status, const ConnectView& connect) noexcept;
Refusal check_message(const RequestView& request, const MessageView& message,
                      std::uint32_t max_message_bytes) noexcept;
Refusal check_ack(const RequestView& request, const AckView& ack, bool send_only) noexcept;
Refusal check_sync(const RequestView& request, const SyncView& sync) noexcept;
Refusal check_contact(const RequestView& request, const ContactRequestView& contact,
                      std::string_view own_name) noexcept;
Refusal check_presence(const RequestView& request, const PresenceRequestView& presence,
                       bool send_only) noexcept;
Refusal check_group(const RequestView& request, const GroupRequestView& group) noexcept;

}  // namespace ims::gateway
