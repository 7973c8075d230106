// Encoding once, patching, and the reader (load_wire.h).
#include "bench/load_wire.h"

#include <cstdio>
#include <cstring>

#include "shared/assert.h"
#include "shared/client/requests.h"
#include "shared/wire.h"

namespace ims::bench {
namespace {

constexpr std::string_view kPayloadMark = "SENDNUMB";
constexpr std::string_view kClientIdMark = "client-id-SENDNUMB";
constexpr std::size_t kIdBytes = 4;

void put_u32(std::string& bytes, std::size_t at, std::uint32_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

std::uint32_t get_u32(ByteView bytes, std::size_t at) noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Seen see_floor(ByteView frame) noexcept {
  Seen seen;
  if (frame.size() == 1) {
    seen.kind = Seen::Kind::kAnswer;
  } else if (frame.size() >= kPayloadMark.size()) {
    seen.kind = Seen::Kind::kMessage;
    seen.sender = get_u32(frame, 0);
    seen.number = get_u32(frame, 4);
  }
  return seen;
}

// Response and ConAck alike, as far as they are looked at.
bool see_answer(ByteView body, bool conack, Seen& seen) noexcept {
  WireReader fields(body);
  while (fields.next()) {
    if (fields.tag() == varint_tag(conack ? 3 : 1)) seen.code = static_cast<Code>(fields.varint());
    if (fields.tag() == bytes_tag(2)) seen.reason = as_text(fields.bytes());
  }
  return fields.ok();
}

bool see_push(ByteView body, Seen& seen) noexcept {
  seen.kind = Seen::Kind::kMessage;
  ByteView message;
  WireReader request(body);
  while (request.next()) {
    if (request.tag() == varint_tag(1) && request.varint() != 0) seen.kind = Seen::Kind::kOther;
    if (request.tag() == bytes_tag(2)) message = request.bytes();
  }
  if (!request.ok()) return false;
  if (seen.kind == Seen::Kind::kOther) return true;
  ByteView payload;
  WireReader fields(message);
  while (fields.next()) {
    if (fields.tag() == bytes_tag(2)) payload = fields.bytes();
    if (fields.tag() == varint_tag(7)) seen.seq = fields.varint();
  }
  if (!fields.ok() || payload.size() < kPayloadMark.size()) return false;
  seen.sender = get_u32(payload, 0);
  seen.number = get_u32(payload, 4);
  return true;
}

}  // namespace

MessageTemplate::MessageTemplate(bool floor, Edition edition, bool offline, bool client_id,
                                 std::string_view to, std::string_view group,
                                 std::uint32_t payload_bytes, std::uint32_t sender) {
  std::string payload(kPayloadMark);
  payload.resize(payload_bytes, 'x');
  std::string id_mark;
  if (floor) {
    IMS_ASSERT(payload_bytes < 128);
    bytes_ = std::string(1, static_cast<char>(payload_bytes)) + payload;
  } else {
    client::OutMessage message;
    message.payload = payload;
    message.to = to;
    message.group = group;
    if (client_id) message.client_id = kClientIdMark;
    bytes_ = client::request_frame(edition == Edition::kV1 ? client::kEnvelope : client::kTyped,
                                   id_of_message(0), RequestType::kMessage,
                                   client::message_payload(message), offline);
    id_at_ = bytes_.rfind(std::string("\x40\x80\x80\x80\x01", 5));
    IMS_ASSERT(id_at_ != std::string::npos);
    ++id_at_;
  }
  number_at_ = bytes_.find(kPayloadMark);
  put_u32(bytes_, number_at_, sender);
  number_at_ += sizeof sender;
  if (client_id && !floor) {
    client_id_at_ = bytes_.find(kClientIdMark) + kClientIdMark.size() - kPayloadMark.size();
    put_u32(bytes_, client_id_at_, sender);
    client_id_at_ += sizeof sender;
  }
}

void MessageTemplate::append_to(std::string& out, std::uint32_t number) {
  put_u32(bytes_, number_at_, number);
  if (client_id_at_ != kNowhere) put_u32(bytes_, client_id_at_, number);
  if (id_at_ != kNowhere) {
    std::uint64_t id = id_of_message(number);
    for (std::size_t i = 0; i < kIdBytes; ++i, id >>= 7) {
      bytes_[id_at_ + i] = static_cast<char>((id & 0x7f) | (i + 1 < kIdBytes ? 0x80 : 0));
    }
  }
  out.append(bytes_);
}

Seen see_frame(bool floor, Edition edition, ByteView frame, bool login) noexcept {
  if (floor) return see_floor(frame);
  Seen seen;
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
  const bool answer = envelope ? command == 3 : field == 7;
  const bool conack = !envelope && field == 4;
  const bool push = envelope ? command == 2 : field == 6;
  if (push) {
    if (!see_push(body, seen)) seen.kind = Seen::Kind::kBroken;
  } else if (answer || conack) {
    if (see_answer(body, conack, seen)) {
      seen.kind = conack || login ? Seen::Kind::kLogin : Seen::Kind::kAnswer;
    }
  } else {
    see_answer(body, false, seen);
    seen.kind = Seen::Kind::kFarewell;
  }
  return seen;
}

std::string user_name(std::uint32_t number) {
  char text[16];
  std::snprintf(text, sizeof text, "u%07u", number);
  return text;
}

std::string floor_hello(std::uint32_t number) {
  std::string frame("\x04", 1);
  frame.append(reinterpret_cast<const char*>(&number), sizeof number);
  return frame;
}

}  // namespace ims::bench
