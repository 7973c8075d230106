// decode_message_frame: the one-pass decoder for what nearly every frame of a busy server is.
//
// It accepts exactly these shapes, all fields ascending, and refuses all else:
//
//   envelope   version? command=2 payload id?            id may also stand in front of the payload
//   typed      version? request id?                      likewise
//   Request    type=0? payload opts*                     an opt is empty or one bool of one byte
//   Message    type? payload? (to | group)? client_id?   type of one byte
//
// Lengths are of at most three bytes, which is every frame up to 2 MiB.
#include "shared/command.h"
#include "shared/names.h"
#include "shared/payload.h"
#include "shared/varint.h"

namespace ims {
namespace {

// Reads forward; the first thing that is not as expected makes the whole attempt fail.
class Cursor {
 public:
  explicit Cursor(ByteView bytes) noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool at_end() const noexcept { return at_ == end_; }
  bool has(std::uint8_t byte) const noexcept {
    return at_ != end_ && std::to_integer<std::uint8_t>(*at_) == byte;
  }
  bool take(std::uint8_t byte) noexcept {
    if (!has(byte)) return false;
    ++at_;
    return true;
  }
  // A varint of one byte.
  bool small(std::uint32_t& value) noexcept {
    if (at_ == end_) return false;
    value = std::to_integer<std::uint32_t>(*at_);
    ++at_;
    return value < 0x80;
  }
  bool varint(std::uint64_t& value) noexcept {
    const Varint read = decode_varint({at_, end_});
    if (read.status != VarintStatus::kOk) return false;
    value = read.value;
    at_ += read.varint_bytes;
    return true;
  }
  bool bytes(ByteView& value) noexcept {
    std::uint32_t length = 0;
    for (unsigned shift = 0; shift < 21; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = std::to_integer<std::uint32_t>(*at_++);
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (length > static_cast<std::size_t>(end_ - at_)) return false;
        value = {at_, length};
        at_ += length;
        return true;
      }
    }
    return false;
  }

 private:
  const std::byte* at_;
  const std::byte* end_;
};

bool read_outer(Edition edition, Cursor cursor, Command& out) noexcept {
  if (cursor.take(0x08)) {
    std::uint64_t version = 0;
    if (!cursor.varint(version)) return false;
    out.version = static_cast<std::int32_t>(version);
  }
  const bool envelope = edition == Edition::kV1;
  if (envelope && !(cursor.take(0x10) && cursor.take(0x02))) return false;
  const bool id_first = cursor.take(0x40);
  if (id_first && !cursor.varint(out.id)) return false;
  if (!cursor.take(envelope ? 0x1a : 0x32) || !cursor.bytes(out.body)) return false;
  if (!id_first && cursor.take(0x40) && !cursor.varint(out.id)) return false;
  return cursor.at_end();
}

bool read_request(Cursor cursor, RequestView& out) noexcept {
  if (cursor.take(0x08) && !cursor.take(0x00)) return false;
  if (!cursor.take(0x12) || !cursor.bytes(out.payload)) return false;
  while (cursor.take(0x1a)) {
    std::uint32_t option_bytes = 0;
    if (!cursor.small(option_bytes)) return false;
    if (option_bytes == 2) {
      std::uint32_t offline = 0;
      if (!cursor.take(0x08) || !cursor.small(offline)) return false;
      out.offline = out.offline || offline != 0;
    } else if (option_bytes != 0) {
      return false;
    }
    ++out.option_count;
  }
  return cursor.at_end();
}

bool read_message(Cursor cursor, MessageView& out) noexcept {
  if (cursor.take(0x08)) {
    std::uint32_t type = 0;
    if (!cursor.small(type)) return false;
    out.type = static_cast<std::int32_t>(type);
  }
  if (cursor.take(0x12) && !cursor.bytes(out.payload)) return false;
  ByteView target;
  if (cursor.take(0x22)) {
    if (!cursor.bytes(target)) return false;
    out.to = as_text(target);
  } else if (cursor.take(0x2a)) {
    if (!cursor.bytes(target)) return false;
    out.group = as_text(target);
  }
  if (cursor.take(0x32) && !cursor.bytes(out.client_id)) return false;
  return cursor.at_end() && valid_utf8(as_text(target));
}

}  // namespace

bool decode_message_frame(Edition edition, ByteView frame, Command& command, RequestView& request,
                          MessageView& message) noexcept {
  command = {};
  request = {};
  message = {};
  command.kind = CommandKind::kRequest;
  message.spliceable = true;
  return read_outer(edition, Cursor(frame), command) &&
         read_request(Cursor(command.body), request) &&
         read_message(Cursor(request.payload), message);
}

}  // namespace ims
