// The byte strings behind a kMessage record, found once per request.
//
// Lifetime  Views into the record.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/encode.h"
#include "shared/records.h"

namespace ims {

struct MessageParts {
  std::string_view from;
  std::string_view device;
  std::string_view target;
  ByteView client_id;
  ByteView payload;

  explicit MessageParts(const RequestRecord& record) {
    const auto* at = reinterpret_cast<const std::byte*>(&record) + sizeof record;
    const auto take = [&at](std::size_t bytes) {
      const ByteView view{at, bytes};
      at += bytes;
      return view;
    };
    from = as_text(take(record.from_bytes));
    device = as_text(take(record.device_bytes));
    target = as_text(take(record.target_bytes));
    client_id = take(record.client_id_bytes);
    payload = take(record.payload_bytes);
    IMS_ASSERT(at <= reinterpret_cast<const std::byte*>(&record) + record.header.bytes);
  }

  // What is pushed, with what the server says about it.
  MessageFields fields(const RequestRecord& record, std::uint64_t seq, std::int64_t time_ms) const {
    MessageFields fields;
    fields.type = record.type;
    fields.payload = payload;
    fields.from = from;
    ((record.header.flags & kFlagToGroup) != 0 ? fields.group : fields.to) = target;
    fields.client_id = client_id;
    fields.seq = seq;
    fields.time_ms = time_ms;
    fields.device = device;
    return fields;
  }
};

}  // namespace ims
