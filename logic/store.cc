// The bytes of a StoreBatch (store.h).
#include "logic/store.h"

#include <cstring>

#include "shared/assert.h"

namespace ims::logic {

StoreBatch::OpHeader StoreBatch::read_header(std::size_t at) const noexcept {
  OpHeader header{};
  std::memcpy(&header, bytes_.data() + at, sizeof header);
  return header;
}

void StoreBatch::append(Table table, Op op, std::string_view key, std::string_view value) {
  char* room = append_space(table, op, key, value.size());
  if (!value.empty()) std::memcpy(room, value.data(), value.size());  // data() may be null
}

char* StoreBatch::put_space(Table table, std::string_view key, std::size_t value_bytes) {
  return append_space(table, Op::kPut, key, value_bytes);
}

char* StoreBatch::append_space(Table table, Op op, std::string_view key, std::size_t value_bytes) {
  IMS_ASSERT(key.size() <= UINT16_MAX && value_bytes <= UINT32_MAX);
  const OpHeader header{table, op, static_cast<std::uint16_t>(key.size()),
                        static_cast<std::uint32_t>(value_bytes)};
  const std::size_t at = bytes_.size();
  bytes_.resize(at + sizeof header + key.size() + value_bytes);
  std::memcpy(bytes_.data() + at, &header, sizeof header);
  if (!key.empty()) std::memcpy(bytes_.data() + at + sizeof header, key.data(), key.size());
  last_value_offset_ = at + sizeof header + key.size();
  ++count_;
  return bytes_.data() + last_value_offset_;
}

}  // namespace ims::logic
