// Rows and their keys (message_rows.h).
#include "bench/floor/message_rows.h"

#include <algorithm>
#include <cstring>

#include "shared/codes.h"
#include "shared/encode.h"
#include "shared/route.h"

namespace ims::bench {

MessageRows::MessageRows(std::uint64_t seed, std::string_view org, std::string_view appkey,
                         TenantId tenant)
    : tenant_(tenant), seed_(seed), tenant_hash_(hash_tenant(seed, org, appkey)) {}

Inbox MessageRows::inbox_of(std::string_view name, UserId id) const {
  const std::uint64_t hash = hash_name(seed_, tenant_hash_, NameKind::kUser, name);
  Inbox inbox;
  inbox.key = {partition_of(hash), id.value};
  inbox.row.id = id;
  return inbox;
}

void MessageRows::append(logic::StoreBatch& batch, Inbox& inbox, const StoredMessage& message) {
  logic::TimelineState& state = inbox.row.inbox;
  const std::int64_t time_ms = std::max(message.time_ms, state.last_time_ms);
  const std::uint64_t seq = ++state.head;
  state.last_time_ms = time_ms;
  if (state.first_seq == seq) state.first_time_ms = time_ms;

  MessageFields fields;
  fields.type = static_cast<std::int32_t>(MessageType::kTxt);
  fields.payload = message.payload;
  fields.from = message.from;
  fields.to = message.to;
  fields.client_id = message.client_id;
  fields.seq = seq;
  fields.time_ms = time_ms;
  header_.clear();
  logic::append_row_header(header_, time_ms, {}, message.sender, logic::RowKind::kMessage);
  char* const value = batch.append_space(logic::row_key(inbox.key, seq),
                                         header_.size() + push_message_bytes(fields));
  std::memcpy(value, header_.data(), header_.size());
  write_push_message(reinterpret_cast<std::byte*>(value) + header_.size(), fields);
}

void MessageRows::append_head(logic::StoreBatch& batch, const Inbox& inbox,
                              std::string_view name) const {
  batch.put(logic::Table::kMeta, logic::user_key(inbox.key.partition, tenant_, name),
            logic::encode_user(inbox.row));
}

}  // namespace ims::bench
