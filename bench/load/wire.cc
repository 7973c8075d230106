// Encoding once, patching, and the reader (wire.h).
#include "bench/load/wire.h"

#include <cstdio>
#include <cstring>

#include "shared/assert.h"
#include "shared/client/requests.h"
#include "shared/wire.h"

namespace ims::bench {
namespace {

constexpr char kPayloadMark = '\x01';
constexpr std::string_view kClientIdMark = "\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02";
constexpr char kTargetMark = '\x03';
constexpr std::string_view kIdMark("\x40\x80\x80\x80\x01", 5);  // field 8, the first message's id
constexpr std::size_t kIdBytes = 4;
constexpr std::size_t kFloorAckBytes = 1;

Seen see_floor(ByteView frame) noexcept {
  Seen seen;
  seen.kind = frame.size() == kFloorAckBytes ? Seen::Kind::kAnswer : Seen::Kind::kMessage;
  seen.payload = frame;
  return seen;
}

void see_response(ByteView body, Seen& seen, ByteView& payload) noexcept {
  WireReader fields(body);
  while (fields.next()) {
    switch (fields.tag()) {
      case varint_tag(1): seen.code = static_cast<Code>(fields.varint()); break;
      case bytes_tag(2): seen.reason = as_text(fields.bytes()); break;
      case varint_tag(3): seen.seq = fields.varint(); break;
      case bytes_tag(5): payload = fields.bytes(); break;
      default: break;
    }
  }
  if (!fields.ok() || static_cast<int>(seen.code) >= kCodeCount) seen.kind = Seen::Kind::kBroken;
}

void see_conack(ByteView body, Seen& seen) noexcept {
  WireReader fields(body);
  while (fields.next()) {
    switch (fields.tag()) {
      case bytes_tag(2): seen.reason = as_text(fields.bytes()); break;
      case varint_tag(3): seen.code = static_cast<Code>(fields.varint()); break;
      case varint_tag(7): seen.inbox_seq = fields.varint(); break;
      case varint_tag(8): seen.acked_seq = fields.varint(); break;
      default: break;
    }
  }
  if (!fields.ok() || static_cast<int>(seen.code) >= kCodeCount) seen.kind = Seen::Kind::kBroken;
}

void see_message(ByteView body, Seen& seen) noexcept {
  WireReader fields(body);
  while (fields.next()) {
    switch (fields.tag()) {
      case bytes_tag(2): seen.payload = fields.bytes(); break;
      case bytes_tag(3): seen.from = as_text(fields.bytes()); break;
      case bytes_tag(5): seen.group = as_text(fields.bytes()); break;
      case varint_tag(7): seen.seq = fields.varint(); break;
      default: break;
    }
  }
  seen.kind = fields.ok() ? Seen::Kind::kMessage : Seen::Kind::kBroken;
}

void see_group_event(ByteView body, Seen& seen) noexcept {
  WireReader fields(body);
  while (fields.next()) {
    if (fields.tag() == bytes_tag(2)) seen.group = as_text(fields.bytes());
    if (fields.tag() == varint_tag(5)) seen.seq = fields.varint();
  }
  seen.kind = fields.ok() ? Seen::Kind::kGroupEvent : Seen::Kind::kBroken;
}

void see_push(ByteView body, Seen& seen) noexcept {
  std::uint64_t type = 0;
  ByteView payload;
  WireReader request(body);
  while (request.next()) {
    if (request.tag() == varint_tag(1)) type = request.varint();
    if (request.tag() == bytes_tag(2)) payload = request.bytes();
  }
  if (!request.ok()) return;
  if (type == static_cast<std::uint64_t>(RequestType::kMessage)) return see_message(payload, seen);
  if (type == static_cast<std::uint64_t>(RequestType::kGroup)) {
    return see_group_event(payload, seen);
  }
  seen.kind = Seen::Kind::kOther;
}

}  // namespace

// ---- names -------------------------------------------------------------------------------------

UserName::UserName(std::uint32_t number) noexcept {
  IMS_ASSERT(number < kUsersMax);
  text[0] = 'u';
  for (std::size_t i = kUserNameBytes; i-- > 1; number /= 10) {
    text[i] = static_cast<char>('0' + number % 10);
  }
}

GroupName::GroupName(std::uint32_t run, std::uint32_t number) noexcept {
  char whole[kGroupNameBytes + 1];
  IMS_ASSERT(number < 1'000'000);
  std::snprintf(whole, sizeof whole, "g%08x%06u", run, number);
  std::memcpy(text, whole, sizeof text);
}

// ---- the template ------------------------------------------------------------------------------

MessageTemplate::MessageTemplate(const MessageShape& shape) : shape_(shape) {
  const std::string payload(shape.payload_bytes, kPayloadMark);
  if (shape.floor) {
    IMS_ASSERT(shape.payload_bytes < 128);
    bytes_ = std::string(1, static_cast<char>(shape.payload_bytes)) + payload;
    payload_at_ = 1;
    return;
  }
  const std::string target(shape.to_group ? kGroupNameBytes : kUserNameBytes, kTargetMark);
  client::OutMessage message;
  message.payload = payload;
  (shape.to_group ? message.group : message.to) = target;
  if (shape.client_id) message.client_id = kClientIdMark;
  bytes_ = client::request_frame(
      shape.edition == Edition::kV1 ? client::kEnvelope : client::kTyped, id_of_message(0),
      RequestType::kMessage, client::message_payload(message), shape.offline);
  id_at_ = bytes_.rfind(kIdMark) + 1;
  payload_at_ = bytes_.rfind(payload);
  target_at_ = bytes_.rfind(target);
  IMS_ASSERT(id_at_ != 0 && payload_at_ != kNowhere && target_at_ != kNowhere);
  if (shape.client_id) client_id_at_ = bytes_.rfind(kClientIdMark);
}

void MessageTemplate::append_to(std::string& out, std::string_view target, const Content& content,
                                bool whole) {
  char* const bytes = bytes_.data();
  write_content(reinterpret_cast<std::byte*>(bytes) + payload_at_, shape_.payload_bytes, content,
                whole);
  if (id_at_ != kNowhere) {
    std::memcpy(bytes + target_at_, target.data(), target.size());
    std::uint64_t id = id_of_message(content.number);
    for (std::size_t i = 0; i < kIdBytes; ++i, id >>= 7) {
      bytes[id_at_ + i] = static_cast<char>((id & 0x7f) | (i + 1 < kIdBytes ? 0x80 : 0));
    }
  }
  if (client_id_at_ != kNowhere) {  // run, stream and place: unlike any other
    std::memcpy(bytes + client_id_at_, bytes + payload_at_, kClientIdMark.size());
  }
  out.append(bytes_);
}

// ---- the reader --------------------------------------------------------------------------------

Seen see_frame(bool floor, Edition edition, ByteView frame, bool login) noexcept {
  if (floor) return see_floor(frame);
  Seen seen;
  if (frame.empty()) {
    seen.kind = Seen::Kind::kOther;
    return seen;
  }
  const bool envelope = edition == Edition::kV1;
  std::uint64_t command = 0;
  ByteView body;
  std::uint32_t field = 0;
  WireReader outer(frame);
  while (outer.next()) {
    if (outer.tag() == varint_tag(8)) seen.id = outer.varint();
    if (envelope && outer.tag() == varint_tag(2)) command = outer.varint();
    if ((outer.tag() & 7) == 2) {
      body = outer.bytes();
      field = outer.number();
    }
  }
  if (!outer.ok()) return seen;
  if (envelope ? command == 2 : field == 6) {
    see_push(body, seen);
  } else if (envelope ? command == 3 : field == 7) {
    seen.kind = Seen::Kind::kAnswer;
    ByteView payload;
    see_response(body, seen, payload);
    if (login && envelope && seen.code == Code::kOk) see_conack(payload, seen);
  } else if (!envelope && field == 4) {
    seen.kind = Seen::Kind::kAnswer;
    see_conack(body, seen);
  } else {
    ByteView none;
    see_response(body, seen, none);
    seen.kind = Seen::Kind::kFarewell;
  }
  return seen;
}

std::string floor_hello(std::uint32_t number) {
  std::string frame("\x04", 1);
  frame.append(reinterpret_cast<const char*>(&number), sizeof number);
  return frame;
}

}  // namespace ims::bench
