// What `imsctl listen --json` prints: one JSON object per row or push, keys in a fixed order. Bytes
// that are no UTF-8 are replaced. Pure functions.
//
//   {"type": "text" | "image" | .. | "recall" | "receipt" | "typing", "from", "device", "to" |
//    "group", "seq" (0: not stored), "time_ms", "peer_seq"?, "client_id"? (base64url),
//    "text" | "url" | "payload" (base64url), "recalled": true (the row is gone) or
//    "recalled": SEQ (this row recalls that one)}
//   {"type": "group_event", "op", "group", "by", "users", "seq", "time_ms", "name"?, "role"?}
//   {"type": "contact_event", "op", "from", "note", "seq", "time_ms"}
//   {"type": "presence", "user", "online", "last_seen_ms", "devices"}
#pragma once

#include <string>

#include "shared/client/events.h"
#include "shared/client/people.h"

namespace ims {

// Each is one line without its newline.
std::string json_of(const client::InMessage& message);
std::string json_of(const client::GroupEvent& event);
std::string json_of(const client::ContactEvent& event);
std::string json_of(const client::Presence& presence);

}  // namespace ims
