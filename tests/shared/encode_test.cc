// Every writer against libprotobuf: same bytes where the order of fields allows, else same message;
// and never a byte more or less than announced.
#include "shared/encode.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "ims.pb.h"
#include "ims_v1.pb.h"
#include "ims_v2.pb.h"
#include "shared/frame.h"

namespace ims {
namespace {

constexpr Edition kV1 = Edition::kV1;
constexpr Edition kV2 = Edition::kV2;
constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t kPast = std::numeric_limits<std::int64_t>::min();

// Runs a size/write pair; the writer must end exactly where the size says.
template <typename Write>
std::string written(std::size_t size, Write write) {
  std::vector<std::byte> room(size + 8, std::byte{0xaa});
  const std::byte* end = write(room.data());
  REQUIRE(static_cast<std::size_t>(end - room.data()) == size);
  for (std::size_t i = size; i < room.size(); ++i) REQUIRE(room[i] == std::byte{0xaa});
  return std::string(as_text(ByteView(room).first(size)));
}

// The Command of one whole frame.
std::string unframed(const std::string& frame) {
  const FrameResult result = next_frame(as_bytes(frame), 1u << 20);
  REQUIRE(result.status == FrameStatus::kFrame);
  REQUIRE(result.consumed_bytes == frame.size());
  return std::string(as_text(result.payload));
}

template <typename Proto>
Proto parsed(const std::string& bytes) {
  Proto message;
  REQUIRE(message.ParseFromString(bytes));
  return message;
}

const std::vector<std::int32_t> kVersions = {
    0, 1, 2, 127, 128, -1, std::numeric_limits<std::int32_t>::min()};
const std::vector<std::uint64_t> kIds = {0, 1, 127, 128, kHuge};
const std::vector<std::size_t> kBodySizes = {0, 1, 127, 128, 16'383, 16'384, 65'000};

TEST_CASE("outer frame: both editions, every kind, version, id and size") {
  for (const std::int32_t version : kVersions) {
    for (const std::uint64_t id : kIds) {
      for (const std::size_t size : kBodySizes) {
        CAPTURE(version);
        CAPTURE(id);
        CAPTURE(size);
        // A well-formed body of that size: one unknown field of bytes, or nothing.
        std::string body;
        if (size == 1) continue;  // no message has one byte
        if (size > 1) {
          std::size_t content = size - 2;
          while (1 + varint_bytes(content) + content > size) --content;
          body.push_back('\x7a');
          std::byte prefix[kVarintBytesMax];
          const std::byte* end = write_varint(prefix, content);
          body += std::string(as_text({prefix, end})) + std::string(content, 'x');
        }
        for (const ServerFrame kind : {ServerFrame::kResponse, ServerFrame::kRequest,
                                       ServerFrame::kDisconnect, ServerFrame::kConAck}) {
          for (const Edition edition : {kV1, kV2}) {
            const Outer outer{edition, version};
            const std::string frame =
                written(outer_frame_bytes(outer, kind, id, body.size()), [&](std::byte* out) {
                  return write_outer_frame(out, outer, kind, id, as_bytes(body));
                });
            REQUIRE(frame.size() - body.size() <= kOuterHeaderBytesMax);
            REQUIRE(frame.ends_with(body));  // header and body are contiguous
            if (edition == kV1) {
              const auto command = parsed<ims::v1::Command>(unframed(frame));
              CHECK(command.version() == version);
              CHECK(command.id() == id);
              CHECK(command.payload() == body);
              const int expected = kind == ServerFrame::kDisconnect ? 1
                                   : kind == ServerFrame::kRequest  ? 2
                                                                    : 3;
              CHECK(command.command() == expected);
              if (id == 0) CHECK(command.SerializeAsString() == unframed(frame));
            } else {
              const auto command = parsed<ims::v2::Command>(unframed(frame));
              CHECK(command.version() == version);
              CHECK(command.id() == id);
              CHECK(command.has_response() == (kind == ServerFrame::kResponse));
              CHECK(command.has_request() == (kind == ServerFrame::kRequest));
              CHECK(command.has_disconnect() == (kind == ServerFrame::kDisconnect));
              CHECK(command.has_conack() == (kind == ServerFrame::kConAck));
              CHECK_FALSE(command.has_connect());
              if (id == 0) CHECK(command.SerializeAsString() == unframed(frame));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("Response: every field, and none") {
  ResponseFields full;
  full.code = Code::kUnsupported;
  full.reason = "No ä.";
  full.seq = kHuge;
  full.time_ms = kPast;
  full.payload = as_bytes("\xff\x01");
  full.duplicate = true;
  full.retry_after_ms = ~0u;
  for (const ResponseFields& fields : {ResponseFields{}, full}) {
    ims::Response expected;
    expected.set_code(static_cast<int>(fields.code));
    expected.set_reason(std::string(fields.reason));
    expected.set_seq(fields.seq);
    expected.set_time_ms(fields.time_ms);
    expected.set_payload(std::string(as_text(fields.payload)));
    expected.set_duplicate(fields.duplicate);
    expected.set_retry_after_ms(fields.retry_after_ms);
    CHECK(written(response_bytes(fields), [&](std::byte* out) {
            return write_response(out, fields);
          }) == expected.SerializeAsString());
    for (const Edition edition : {kV1, kV2}) {
      const Outer outer{edition, 2};
      const std::string frame =
          written(response_frame_bytes(outer, 9, fields),
                  [&](std::byte* out) { return write_response_frame(out, outer, 9, fields); });
      if (edition == kV1) {
        const auto command = parsed<ims::v1::Command>(unframed(frame));
        CHECK(command.command() == ims::v1::Command::RESPONSE);
        CHECK(command.payload() == expected.SerializeAsString());
        CHECK(command.id() == 9);
      } else {
        const auto command = parsed<ims::v2::Command>(unframed(frame));
        REQUIRE(command.has_response());  // also where the body is empty
        CHECK(command.response().SerializeAsString() == expected.SerializeAsString());
        CHECK(command.id() == 9);
      }
    }
  }
}

TEST_CASE("a small Response in one pass: the same bytes, and within the room that it asks for") {
  const std::string longest(kSmallReasonBytesMax, 'r');
  for (const Code code : {Code::kOk, Code::kUnsupported}) {
    for (const std::string_view reason : {std::string_view(), std::string_view("x"),
                                          std::string_view(longest)}) {
      for (const std::uint64_t number :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{128}, kHuge}) {
        for (const std::int32_t version : {0, 1, 2, 128, -1}) {
          for (const Edition edition : {kV1, kV2}) {
            ResponseFields fields;
            fields.code = code;
            fields.reason = reason;
            fields.seq = number;
            fields.time_ms = number == kHuge ? kPast : static_cast<std::int64_t>(number);
            fields.duplicate = number == 1;
            fields.retry_after_ms = static_cast<std::uint32_t>(number);
            const Outer outer{edition, version};
            CAPTURE(number);
            CAPTURE(version);
            const std::size_t bytes = response_frame_bytes(outer, number, fields);
            CHECK(bytes <= small_response_room(reason.size()));
            const std::string expected = written(bytes, [&](std::byte* out) {
              return write_response_frame(out, outer, number, fields);
            });
            CHECK(written(bytes, [&](std::byte* out) {
                    return write_small_response_frame(out, outer, number, fields);
                  }) == expected);
          }
        }
      }
    }
  }
}

ConAckFields full_conack() {
  ConAckFields fields;
  fields.reason = "Welcome.";
  fields.session = kHuge;
  fields.server_time_ms = 1'700'000'000'000;
  fields.max_frame_bytes = 65'536;
  fields.inbox_seq = 10;
  fields.acked_seq = 7;
  fields.retry_after_ms = 250;
  fields.epoch = as_bytes("\x01\xff");
  fields.durability = Durability::kOs;
  fields.first_seq = 3;
  return fields;
}

ims::ConAck expected_conack(const ConAckFields& fields) {
  ims::ConAck expected;
  expected.set_status(fields.code == Code::kOk ? ims::ConAck::STATUS_OK : ims::ConAck::STATUS_FAIL);
  if (!fields.reason.empty()) expected.set_reason(std::string(fields.reason));
  expected.set_code(static_cast<int>(fields.code));
  expected.set_session(fields.session);
  expected.set_server_time_ms(fields.server_time_ms);
  expected.set_max_frame_bytes(fields.max_frame_bytes);
  expected.set_inbox_seq(fields.inbox_seq);
  expected.set_acked_seq(fields.acked_seq);
  expected.set_retry_after_ms(fields.retry_after_ms);
  expected.set_epoch(std::string(as_text(fields.epoch)));
  expected.set_durability(static_cast<ims::ConAck::Durability>(fields.durability));
  expected.set_first_seq(fields.first_seq);
  return expected;
}

TEST_CASE(
    "the login answer: conack in the typed edition, RESPONSE around a ConAck in the envelope") {
  ConAckFields refused;
  refused.code = Code::kUnauthenticated;
  refused.reason = "The login is wrong.";
  for (const ConAckFields& fields : {full_conack(), refused, ConAckFields{}}) {
    const std::string expected = expected_conack(fields).SerializeAsString();
    CHECK(written(conack_bytes(fields),
                  [&](std::byte* out) { return write_conack(out, fields); }) == expected);
    const Outer typed{kV2, 5};
    const auto typed_command = parsed<ims::v2::Command>(
        unframed(written(conack_frame_bytes(typed, 4, fields), [&](std::byte* out) {
          return write_conack_frame(out, typed, 4, fields);
        })));
    REQUIRE(typed_command.has_conack());
    CHECK(typed_command.conack().SerializeAsString() == expected);
    CHECK(typed_command.id() == 4);
    CHECK(typed_command.version() == 5);

    const Outer envelope{kV1, 1};
    const auto command = parsed<ims::v1::Command>(unframed(
        written(conack_frame_bytes(envelope, 4, fields),
                [&](std::byte* out) { return write_conack_frame(out, envelope, 4, fields); })));
    CHECK(command.command() == ims::v1::Command::RESPONSE);
    CHECK(command.id() == 4);
    const auto response = parsed<ims::Response>(command.payload());
    CHECK(response.code() == static_cast<int>(fields.code));
    CHECK(response.reason() == fields.reason);
    CHECK(response.retry_after_ms() == fields.retry_after_ms);
    CHECK(response.payload() == expected);
  }
}

TEST_CASE("Disconnect: both editions, never an id") {
  const DisconnectFields fields{DisconnectCode::kShutdown, "Going down.", 1500};
  ims::Disconnect expected;
  expected.set_code(6);
  expected.set_reason("Going down.");
  expected.set_retry_after_ms(1500);
  const Outer typed{kV2, 2};
  ims::v2::Command typed_command;
  typed_command.set_version(2);
  *typed_command.mutable_disconnect() = expected;
  CHECK(unframed(written(disconnect_frame_bytes(typed, fields), [&](std::byte* out) {
          return write_disconnect_frame(out, typed, fields);
        })) == typed_command.SerializeAsString());

  const Outer envelope{kV1, 1};
  ims::v1::Command command;
  command.set_version(1);
  command.set_command(ims::v1::Command::DISCONNECT);
  command.set_payload(expected.SerializeAsString());
  CHECK(unframed(written(disconnect_frame_bytes(envelope, fields), [&](std::byte* out) {
          return write_disconnect_frame(out, envelope, fields);
        })) == command.SerializeAsString());
}

MessageFields full_message() {
  MessageFields fields;
  fields.type = 9;
  fields.payload = as_bytes("payload");
  fields.from = "alice";
  fields.to = "bob";
  fields.group = "team";
  fields.client_id = as_bytes("\xff");
  fields.seq = kHuge;
  fields.time_ms = kPast;
  fields.device = "phone";
  fields.peer_seq = 1;
  return fields;
}

TEST_CASE("Message and its push: every field, none, and an unknown negative type") {
  MessageFields negative;
  negative.type = -5;
  for (const MessageFields& fields : {full_message(), MessageFields{}, negative}) {
    ims::Message expected;
    expected.set_type(static_cast<ims::Message::MessageType>(fields.type));
    expected.set_payload(std::string(as_text(fields.payload)));
    expected.set_from(std::string(fields.from));
    expected.set_to(std::string(fields.to));
    expected.set_group(std::string(fields.group));
    expected.set_client_id(std::string(as_text(fields.client_id)));
    expected.set_seq(fields.seq);
    expected.set_time_ms(fields.time_ms);
    expected.set_device(std::string(fields.device));
    expected.set_peer_seq(fields.peer_seq);
    const std::string message = expected.SerializeAsString();
    CHECK(written(message_bytes(fields),
                  [&](std::byte* out) { return write_message(out, fields); }) == message);
    ims::Request push;
    push.set_payload(message);
    CHECK(written(push_message_bytes(fields),
                  [&](std::byte* out) { return write_push_message(out, fields); }) ==
          push.SerializeAsString());
  }
}

TEST_CASE("push of any type, with a payload and without") {
  for (const RequestType type : {RequestType::kMessage, RequestType::kContact, RequestType::kGroup,
                                 RequestType::kPresence}) {
    for (const std::string& payload : {std::string(), std::string(300, 'p')}) {
      ims::Request expected;
      expected.set_type(static_cast<ims::Request::RequestType>(type));
      expected.set_payload(payload);
      CHECK(written(push_bytes(type, payload.size()), [&](std::byte* out) {
              return write_push(out, type, as_bytes(payload));
            }) == expected.SerializeAsString());
    }
  }
}

TEST_CASE("a spliced push carries the client's fields and the server's") {
  ims::Message sent;
  sent.set_type(ims::Message::IMAGE);
  sent.set_payload("pixels");
  sent.set_to("bob");
  sent.set_client_id("id");
  const std::string client_message = sent.SerializeAsString();
  const std::string longest(64, 'n');
  const std::string sender = written(sender_fields_bytes(longest, longest), [&](std::byte* out) {
    return write_sender_fields(out, longest, longest);
  });
  CHECK(sender.size() == kSenderFieldsBytesMax);
  const std::string both = sender + client_message;
  const SplicedMessage spliced{as_bytes(both), 5, 6};
  const auto push = parsed<ims::Request>(
      written(push_spliced_bytes(spliced),
              [&](std::byte* out) { return write_push_spliced(out, spliced); }));
  sent.set_from(longest);
  sent.set_device(longest);
  sent.set_seq(5);
  sent.set_time_ms(6);
  CHECK(push.type() == ims::Request::MESSAGE);
  CHECK(parsed<ims::Message>(push.payload()).SerializeAsString() == sent.SerializeAsString());
  CHECK(sender_fields_bytes("alice", "") == 7);  // the default device is not written
}

}  // namespace
}  // namespace ims
