// Contacts and presence, client's side: what is asked and what comes back (PROTOCOL.md section 6).
// Nothing is checked on the way out. Errors: nothing (std::nullopt) for bytes that are no result.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/ops.h"

namespace ims::client {

struct OutContactRequest {
  ContactOp op = ContactOp::kList;
  std::string user = {};
  std::string note = {};
  std::string cursor = {};
  std::uint32_t limit = 0;
};
std::string contact_payload(const OutContactRequest& request);
std::string presence_payload(const std::vector<std::string>& users, bool watch);
std::string recall_payload(std::uint64_t seq);  // Message.payload of a RECALL

struct ContactResult {
  struct Contact {
    std::string user;
    ContactState state = ContactState::kNone;
    bool blocked = false;
    std::string note;
  };
  std::vector<Contact> contacts;
  std::string cursor;
};
std::optional<ContactResult> decode_contact_result(std::string_view payload);

struct Presence {
  std::string user;
  bool online = false;
  std::int64_t last_seen_ms = 0;
  std::vector<std::string> devices;
};
std::optional<std::vector<Presence>> decode_presence_result(std::string_view payload);

// RecallPayload.seq; 0: a row that was recalled has no payload, or the bytes are none.
std::uint64_t decode_recall(std::string_view payload);

}  // namespace ims::client
