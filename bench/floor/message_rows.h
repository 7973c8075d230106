// The rows that a stored 1:1 message is, as a worker writes them (logic/handle_message.cc,
// logic/commit.cc): a timeline row, and once a batch the user row of each recipient. Encoded by
// logic's own functions, so that what changes there changes here.
//
// Ownership  holds no recipient's state: the caller keeps an Inbox for each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store.h"
#include "shared/bytes.h"
#include "shared/ids.h"

namespace ims::bench {

struct Inbox {
  logic::TimelineKey key;
  logic::UserRow row;
};

struct StoredMessage {
  UserId sender;
  std::string_view from;
  std::string_view to;
  ByteView payload;
  ByteView client_id;  // empty: none
  std::int64_t time_ms = 0;
};

class MessageRows {
 public:
  MessageRows(std::uint64_t seed, std::string_view org, std::string_view appkey, TenantId tenant);

  // A user without rows. `id` is unique among users and groups.
  [[nodiscard]] Inbox inbox_of(std::string_view name, UserId id) const;

  // The message's rows, the next ones of its recipient's inbox; not the recipient's user row.
  void append(logic::StoreBatch& batch, Inbox& inbox, const StoredMessage& message);
  // The user row, with what the inbox holds by now.
  void append_head(logic::StoreBatch& batch, const Inbox& inbox, std::string_view name) const;

 private:
  const TenantId tenant_;
  const std::uint64_t seed_;
  const std::uint64_t tenant_hash_;
  std::string header_;
};

}  // namespace ims::bench
