// The byte strings behind a RequestRecord's fixed part, found by the offsets in it.
//
//   | RequestRecord | from, device: as fields of a Message | kMessage: the client's fields    |
//                   |                                      | others: target, payload          |
//                   ╰──────────────── tail_bytes ────────────────────────────────────────────╯
//
// Of a kMessage the whole tail is the Message that is pushed, less seq and time_ms; target,
// client_id and payload lie inside of it.
//
// Lifetime  Views into the record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shared/encode.h"
#include "shared/records.h"

namespace ims {

class RequestParts {
 public:
  explicit RequestParts(const RequestRecord& record) noexcept : record_(record) {
    IMS_ASSERT(sizeof record + record.tail_bytes <= record.header.bytes);
  }

  // Behind a tag and a length each.
  std::string_view from() const noexcept {
    return as_text(at(sizeof(RequestRecord) + 2, record_.from_bytes));
  }
  std::string_view device() const noexcept {
    if (record_.device_bytes == 0) return {};
    return as_text(at(sizeof(RequestRecord) + 4 + record_.from_bytes, record_.device_bytes));
  }
  std::string_view target() const noexcept {
    return as_text(at(record_.target_at, record_.target_bytes));
  }
  ByteView client_id() const noexcept {
    return at(record_.client_id_at, record_.client_id_bytes);
  }
  ByteView payload() const noexcept { return at(record_.payload_at, record_.payload_bytes); }
  ByteView tail() const noexcept { return at(sizeof(RequestRecord), record_.tail_bytes); }

  // What is pushed of a kMessage, with what the server says about it.
  SplicedMessage message(std::uint64_t seq, std::int64_t time_ms) const noexcept {
    return {tail(), seq, time_ms};
  }

 private:
  ByteView at(std::size_t offset, std::size_t bytes) const noexcept {
    return {reinterpret_cast<const std::byte*>(&record_) + offset, bytes};
  }

  const RequestRecord& record_;
};

}  // namespace ims
