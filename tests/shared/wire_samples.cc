// Frames by chance from one seed; every choice is the Prng's.
#include "tests/shared/wire_samples.h"

#include <array>
#include <cstddef>
#include <string_view>

#include "ims.pb.h"
#include "ims_v1.pb.h"
#include "ims_v2.pb.h"

namespace ims {
namespace {

using namespace std::string_view_literals;

std::string sample_text(Prng& prng) {
  constexpr std::array kTexts = {
      ""sv,           "a"sv,
      "bob"sv,        "alice.smith-01"sv,
      "ä"sv,          "名前"sv,
      "\U0001f600"sv, "a b"sv,
      "x\ny"sv,       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"sv};
  return std::string(kTexts[prng.below(kTexts.size())]);
}

std::string sample_bytes(Prng& prng) {
  std::string bytes(prng.below(prng.chance(5) ? 400 : 24), '\0');
  for (char& byte : bytes) byte = static_cast<char>(prng.next());
  return bytes;
}

std::uint64_t sample_number(Prng& prng) {  // any width is as likely as any other
  return prng.next() >> prng.below(64);
}

std::string sample_message(Prng& prng) {
  ims::Message message;
  if (prng.chance(50)) message.set_type(static_cast<ims::Message::MessageType>(prng.below(12)));
  if (prng.chance(80)) message.set_payload(sample_bytes(prng));
  if (prng.chance(60)) message.set_to(sample_text(prng));
  if (prng.chance(20)) message.set_group(sample_text(prng));
  if (prng.chance(50)) message.set_client_id(sample_bytes(prng));
  if (prng.chance(20)) {
    message.set_from(sample_text(prng));
    message.set_seq(sample_number(prng));
    message.set_time_ms(static_cast<std::int64_t>(sample_number(prng)));
    message.set_device(sample_text(prng));
    message.set_peer_seq(sample_number(prng));
  }
  return message.SerializeAsString();
}

std::string sample_payload(std::uint64_t type, Prng& prng) {
  switch (type) {
    case ims::Request::CONTACT: {
      ims::ContactRequest request;
      request.set_op(static_cast<ims::ContactRequest::Op>(prng.below(8)));
      request.set_user(sample_text(prng));
      request.set_note(sample_text(prng));
      request.set_cursor(sample_text(prng));
      request.set_limit(static_cast<std::uint32_t>(sample_number(prng)));
      return request.SerializeAsString();
    }
    case ims::Request::GROUP: {
      ims::GroupRequest request;
      request.set_op(static_cast<ims::GroupRequest::Op>(prng.below(14)));
      request.set_group(sample_text(prng));
      for (std::uint64_t i = prng.below(4); i > 0; --i) request.add_users(sample_text(prng));
      request.set_name(sample_text(prng));
      request.set_role(static_cast<ims::GroupRequest::Role>(prng.below(4)));
      request.set_open(prng.chance(50));
      request.set_cursor(sample_text(prng));
      request.set_limit(static_cast<std::uint32_t>(sample_number(prng)));
      return request.SerializeAsString();
    }
    case ims::Request::ACK: {
      ims::AckRequest request;
      request.set_group(sample_text(prng));
      request.set_seq(sample_number(prng));
      return request.SerializeAsString();
    }
    case ims::Request::SYNC: {
      ims::SyncRequest request;
      request.set_group(sample_text(prng));
      request.set_after_seq(sample_number(prng));
      request.set_limit(static_cast<std::uint32_t>(sample_number(prng)));
      request.set_before_seq(sample_number(prng));
      return request.SerializeAsString();
    }
    case ims::Request::PRESENCE: {
      ims::PresenceRequest request;
      for (std::uint64_t i = prng.below(4); i > 0; --i) request.add_users(sample_text(prng));
      request.set_watch(prng.chance(50));
      return request.SerializeAsString();
    }
    default:
      return sample_message(prng);
  }
}

ims::Connect sample_connect(Prng& prng) {
  ims::Connect connect;
  connect.set_org(sample_text(prng));
  connect.set_appkey(sample_text(prng));
  connect.set_user(sample_text(prng));
  connect.set_token(sample_text(prng));
  if (prng.chance(50)) connect.set_device(sample_text(prng));
  if (prng.chance(50)) connect.set_keepalive_s(static_cast<std::uint32_t>(sample_number(prng)));
  if (prng.chance(50)) connect.set_ack(static_cast<ims::Connect::AckMode>(prng.below(3)));
  connect.set_send_only(prng.chance(20));
  return connect;
}

ims::Request sample_request(Prng& prng) {
  ims::Request request;
  const std::uint64_t type = prng.chance(60) ? 0 : prng.below(7);
  request.set_type(static_cast<ims::Request::RequestType>(type));
  request.set_payload(sample_payload(type, prng));
  for (std::uint64_t i = prng.below(3); i > 0; --i)
    request.add_opts()->set_offline(prng.chance(50));
  return request;
}

}  // namespace

std::string sample_frame(Edition edition, Prng& prng) {
  ims::v2::Command typed;
  ims::v1::Command envelope;
  const std::uint64_t kind = prng.below(10);
  if (kind == 0) {
    *typed.mutable_connect() = sample_connect(prng);
    envelope.set_command(ims::v1::Command::CONNECT);
    envelope.set_payload(typed.connect().SerializeAsString());
  } else if (kind == 1) {
    typed.mutable_disconnect()->set_code(static_cast<std::int32_t>(sample_number(prng)));
    typed.mutable_disconnect()->set_reason(sample_text(prng));
    envelope.set_command(ims::v1::Command::DISCONNECT);
    envelope.set_payload(typed.disconnect().SerializeAsString());
  } else if (kind == 2) {
    typed.mutable_response()->set_code(static_cast<std::int32_t>(sample_number(prng)));
    typed.mutable_response()->set_reason(sample_text(prng));
    typed.mutable_response()->set_payload(sample_bytes(prng));
    envelope.set_command(ims::v1::Command::RESPONSE);
    envelope.set_payload(typed.response().SerializeAsString());
  } else {
    *typed.mutable_request() = sample_request(prng);
    envelope.set_command(ims::v1::Command::REQUEST);
    envelope.set_payload(typed.request().SerializeAsString());
  }
  const auto version = static_cast<std::int32_t>(
      prng.chance(80) ? static_cast<std::uint64_t>(edition) : sample_number(prng));
  const std::uint64_t id = prng.chance(70) ? sample_number(prng) : 0;
  if (edition == Edition::kV1) {
    envelope.set_version(version);
    envelope.set_id(id);
    return envelope.SerializeAsString();
  }
  typed.set_version(version);
  typed.set_id(id);
  return typed.SerializeAsString();
}

std::string mutate(std::string bytes, Prng& prng) {
  // Tags in longer forms, groups, ends without starts, number 0, wire types 6 and 7, wide varints.
  constexpr std::array kStrange = {"\x00"sv,
                                   "\x02\x00"sv,
                                   "\x0b\x0c"sv,
                                   "\x0b\x13\x14\x0c"sv,
                                   "\x0c"sv,
                                   "\x0b"sv,
                                   "\x0e"sv,
                                   "\x0f"sv,
                                   "\x7a\x00"sv,
                                   "\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"sv,
                                   "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"sv,
                                   "\x08\x81\x80\x80\x80\x10"sv,
                                   "\x8a\x80\x80\x80\x00\x00"sv,
                                   "\x8a\x80\x80\x80\x70\x00"sv,
                                   "\x12\x80\x80\x80\x80\x00"sv,
                                   "\x12\x80\x80\x80\x80\x80\x00"sv,
                                   "\x1a\x02\x08\x01"sv,
                                   "\x1a\x00"sv,
                                   "\x10\x01"sv,
                                   "\x10\x00"sv,
                                   "\x40\x05"sv,
                                   "\x0d\x01\x02\x03\x04"sv,
                                   "\x09\x01\x02\x03\x04\x05\x06\x07\x08"sv,
                                   "\xc0\x80"sv,
                                   "\xed\xa0\x80"sv,
                                   "\xf4\x90\x80\x80"sv,
                                   "\xff"sv,
                                   "\x32\x00"sv,
                                   "\x3a\x00"sv};
  for (std::uint64_t damage = 1 + prng.below(4); damage > 0; --damage) {
    const std::size_t at = prng.below(bytes.size() + 1);
    const std::size_t length = 1 + prng.below(8);
    switch (prng.below(6)) {
      case 0:
        if (at < bytes.size()) {
          bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1u << prng.below(8)));
        }
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(prng.next());
        break;
      case 2: bytes.erase(at, length); break;
      case 3: bytes.insert(at, bytes.substr(prng.below(bytes.size() + 1), length)); break;
      case 4: bytes.insert(at, kStrange[prng.below(kStrange.size())]); break;
      default:
        if (prng.chance(20)) bytes.resize(at);
    }
  }
  return bytes;
}

}  // namespace ims
