// The bytes of a StoreBatch (store.h).
#include "logic/store.h"

#include <cstring>

#include "shared/assert.h"

namespace ims::logic {

bool StoreBatch::read_op(std::string_view bytes, OpView& op) noexcept {
  OpHeader header{};
  op.bytes = 0;
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  op.bytes = sizeof header + header.key_bytes + header.value_bytes;
  if (bytes.size() < op.bytes) return false;
  op.table = header.table;
  op.op = header.op;
  op.key = bytes.substr(sizeof header, header.key_bytes);
  op.value = bytes.substr(sizeof header + header.key_bytes, header.value_bytes);
  return true;
}

void StoreBatch::append_op(Table table, Op op, std::string_view key, std::string_view value) {
  char* room = append_op_space(table, op, key, value.size());
  if (!value.empty()) std::memcpy(room, value.data(), value.size());  // data() may be null
}

char* StoreBatch::put_space(Table table, std::string_view key, std::size_t value_bytes) {
  return append_op_space(table, Op::kPut, key, value_bytes);
}

char* StoreBatch::append_space(std::string_view key, std::size_t value_bytes) {
  return append_op_space(Table::kRows, Op::kAppend, key, value_bytes);
}

char* StoreBatch::append_op_space(Table table, Op op, std::string_view key,
                                  std::size_t value_bytes) {
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
