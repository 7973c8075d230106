// Fuzzes what the store may hold: any bytes as the value of any kind of row.
//
//   input = byte 0: the kind | the rest: the value
//
// Nothing may crash or read outside the value; a value that decodes must encode to the same bytes,
// so that no two values mean the same row.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/tenant.h"
#include "shared/assert.h"

namespace {

template <typename Row, typename Encode>
void check(const std::optional<Row>& row, std::string_view value, Encode encode) {
  if (!row) return;
  const std::string again = encode(*row);
  // Rows of an older version are written again as rows of this one.
  IMS_ASSERT(again == value || again[0] > value[0]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ims::logic;
  if (size < 1) return 0;
  const std::string_view value(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 9) {
    case 0:
      if (const auto row = decode_row(value)) {
        IMS_ASSERT(row->body.size() + kRowHeaderBytes +
                       (row->recalled ? sizeof(ContentHash) : 0) == value.size());
        const std::string_view message = row->message();
        IMS_ASSERT(message.empty() || (message.data() >= value.data() &&
                                       message.data() + message.size() <=
                                           value.data() + value.size()));
      }
      break;
    case 1: check(decode_user(value), value, encode_user); break;
    case 2: check(decode_group(value), value, encode_group); break;
    case 3: check(decode_member(value), value, encode_member); break;
    case 4: check(decode_mine(value), value, encode_mine); break;
    case 5: check(decode_cursor(value), value, encode_cursor); break;
    case 6: check(decode_contact(value), value, encode_contact); break;
    case 7: check(decode_outbox(value), value, encode_outbox); break;
    default: check(decode_tenant(value), value, encode_tenant); break;
  }
  return 0;
}
