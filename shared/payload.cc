// One loop over the fields per payload; the last of a scalar wins, unknown fields are skipped.
#include "shared/payload.h"

#include "shared/names.h"
#include "shared/wire.h"

namespace ims {
namespace {

// The loop that all of them share: `take` gets each field; text() below notes what is not UTF-8.
class PayloadReader {
 public:
  explicit PayloadReader(ByteView payload) noexcept : fields_(payload) {}

  bool next() noexcept { return fields_.next(); }
  const WireReader& field() const noexcept { return fields_; }

  std::string_view text() noexcept {
    const std::string_view text = as_text(fields_.bytes());
    if (!valid_utf8(text)) status_ = DecodeStatus::kBadUtf8;
    return text;
  }
  DecodeStatus status() const noexcept {
    return fields_.ok() ? status_ : DecodeStatus::kMalformed;
  }

 private:
  WireReader fields_;
  DecodeStatus status_ = DecodeStatus::kOk;
};

}  // namespace

void StringList::Iterator::advance() noexcept {
  --left_;
  if (left_ == 0) return;
  WireReader fields(rest_);
  while (fields.next()) {
    if (fields.tag() != bytes_tag(field_)) continue;
    value_ = as_text(fields.bytes());
    rest_ = rest_.subspan(static_cast<std::size_t>(fields.at() - rest_.data()));
    return;
  }
  left_ = 0;  // only if the list was not made from a decoded message
}

DecodeStatus decode_message(ByteView payload, MessageView& out) noexcept {
  out = {};
  bool spliceable = true;
  std::uint32_t seen = 0;  // bit n: field n was there
  PayloadReader reader(payload);
  while (reader.next()) {
    const WireReader& field = reader.field();
    switch (field.tag()) {
      case varint_tag(1):
        out.type = field.int32();
        if (field.varint() > 0x7fff'ffff) spliceable = false;
        break;
      case bytes_tag(2): out.payload = field.bytes(); break;
      case bytes_tag(3): out.from = reader.text(); break;
      case bytes_tag(4): out.to = reader.text(); break;
      case bytes_tag(5): out.group = reader.text(); break;
      case bytes_tag(6): out.client_id = field.bytes(); break;
      case varint_tag(7): out.seq = field.varint(); break;
      case varint_tag(8): out.time_ms = field.int64(); break;
      case bytes_tag(9): out.device = reader.text(); break;
      case varint_tag(10): out.peer_seq = field.varint(); break;
      default: spliceable = false; continue;
    }
    const std::uint32_t bit = 1u << field.number();
    if (seen & bit) spliceable = false;
    seen |= bit;
  }
  constexpr std::uint32_t kServerFields = 1u << 3 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 10;
  out.spliceable = spliceable && (seen & kServerFields) == 0;
  return reader.status();
}

DecodeStatus decode_ack(ByteView payload, AckView& out) noexcept {
  out = {};
  PayloadReader reader(payload);
  while (reader.next()) {
    switch (reader.field().tag()) {
      case bytes_tag(1): out.group = reader.text(); break;
      case varint_tag(2): out.seq = reader.field().varint(); break;
      default: break;
    }
  }
  return reader.status();
}

DecodeStatus decode_sync(ByteView payload, SyncView& out) noexcept {
  out = {};
  PayloadReader reader(payload);
  while (reader.next()) {
    switch (reader.field().tag()) {
      case bytes_tag(1): out.group = reader.text(); break;
      case varint_tag(2): out.after_seq = reader.field().varint(); break;
      case varint_tag(3): out.limit = reader.field().uint32(); break;
      case varint_tag(4): out.before_seq = reader.field().varint(); break;
      default: break;
    }
  }
  return reader.status();
}

DecodeStatus decode_contact_request(ByteView payload, ContactRequestView& out) noexcept {
  out = {};
  PayloadReader reader(payload);
  while (reader.next()) {
    switch (reader.field().tag()) {
      case varint_tag(1): out.op = reader.field().int32(); break;
      case bytes_tag(2): out.user = reader.text(); break;
      case bytes_tag(3): out.note = reader.text(); break;
      case bytes_tag(4): out.cursor = reader.text(); break;
      case varint_tag(5): out.limit = reader.field().uint32(); break;
      default: break;
    }
  }
  return reader.status();
}

DecodeStatus decode_group_request(ByteView payload, GroupRequestView& out) noexcept {
  constexpr std::uint32_t kUsers = 3;
  out = {};
  std::uint32_t user_count = 0;
  PayloadReader reader(payload);
  while (reader.next()) {
    switch (reader.field().tag()) {
      case varint_tag(1): out.op = reader.field().int32(); break;
      case bytes_tag(2): out.group = reader.text(); break;
      case bytes_tag(kUsers):
        reader.text();
        ++user_count;
        break;
      case bytes_tag(4): out.name = reader.text(); break;
      case varint_tag(5): out.role = reader.field().int32(); break;
      case varint_tag(6): out.open = reader.field().boolean(); break;
      case bytes_tag(7): out.cursor = reader.text(); break;
      case varint_tag(8): out.limit = reader.field().uint32(); break;
      default: break;
    }
  }
  if (reader.status() == DecodeStatus::kOk) out.users = StringList(payload, kUsers, user_count);
  return reader.status();
}

DecodeStatus decode_presence_request(ByteView payload, PresenceRequestView& out) noexcept {
  constexpr std::uint32_t kUsers = 1;
  out = {};
  std::uint32_t user_count = 0;
  PayloadReader reader(payload);
  while (reader.next()) {
    switch (reader.field().tag()) {
      case bytes_tag(kUsers):
        reader.text();
        ++user_count;
        break;
      case varint_tag(2): out.watch = reader.field().boolean(); break;
      default: break;
    }
  }
  if (reader.status() == DecodeStatus::kOk) out.users = StringList(payload, kUsers, user_count);
  return reader.status();
}

DecodeStatus decode_recall(ByteView payload, std::uint64_t& seq) noexcept {
  seq = 0;
  PayloadReader reader(payload);
  while (reader.next()) {
    if (reader.field().tag() == varint_tag(1)) seq = reader.field().varint();
  }
  return reader.status();
}

}  // namespace ims
