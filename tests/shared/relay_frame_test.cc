// RelayFrame decodes to what the general writers make of the same fields, write_relay_answer() is
// that byte for byte, and neither writes a byte more than was announced.
#include "shared/relay_frame.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "shared/command.h"
#include "shared/frame.h"
#include "shared/payload.h"
#include "shared/request_parts.h"

namespace ims {
namespace {

const std::vector<std::int32_t> kVersions = {
    0, 1, 2, 127, 128, -1, std::numeric_limits<std::int32_t>::min()};
constexpr std::int64_t kNow = 1'700'000'000'000;
const std::vector<std::int64_t> kTimes = {0, 1, 127, 128, kNow, -1};
// Names of every way in which words overlap, the longest one included.
const std::vector<std::size_t> kNames = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64};

// A kMessage record and its bytes, as a gateway writes it.
class Written {
 public:
  Written(std::uint8_t type, bool to_group, const std::string& from, const std::string& device,
          const std::string& target, const std::string& client_id, const std::string& payload)
      : memory_((sizeof(RequestRecord) + 5 * 64 + payload.size()) / 8 + 1) {
    MessageFields sent;
    sent.type = type;
    sent.payload = as_bytes(payload);
    (to_group ? sent.group : sent.to) = target;
    sent.client_id = as_bytes(client_id);
    std::string message(message_bytes(sent), 0);
    write_message(reinterpret_cast<std::byte*>(message.data()), sent);
    std::string sender(sender_fields_bytes(from, device), 0);
    write_sender_fields(reinterpret_cast<std::byte*>(sender.data()), from, device);
    const std::string tail = sender + message;
    const auto offset = [&](const std::string& text) {
      return static_cast<std::uint32_t>(sizeof(RequestRecord) + sender.size() + message.find(text));
    };
    RequestRecord record;
    record.header.kind = RecordKind::kMessage;
    record.header.flags = to_group ? kFlagToGroup : 0;
    record.header.bytes = static_cast<std::uint32_t>(memory_.size() * 8);
    record.type = type;
    record.tail_bytes = static_cast<std::uint32_t>(tail.size());
    record.payload_at = offset(payload);
    record.payload_bytes = static_cast<std::uint32_t>(payload.size());
    record.from_bytes = static_cast<std::uint8_t>(from.size());
    record.device_bytes = static_cast<std::uint8_t>(device.size());
    record.target_at = offset(target);
    record.target_bytes = static_cast<std::uint8_t>(target.size());
    record.client_id_at = offset(client_id);
    record.client_id_bytes = static_cast<std::uint8_t>(client_id.size());
    std::memcpy(memory_.data(), &record, sizeof record);
    std::memcpy(reinterpret_cast<char*>(memory_.data()) + sizeof record, tail.data(), tail.size());
  }
  const RequestRecord& record() const {
    return record_as<RequestRecord>(
        {reinterpret_cast<const std::byte*>(memory_.data()), memory_.size() * 8});
  }

 private:
  std::vector<std::uint64_t> memory_;
};

// The fields of the Message that a frame pushes, in ascending order.
std::vector<std::byte> message_in(Edition edition, ByteView bytes, std::int32_t version) {
  const FrameResult frame = next_frame(bytes, 1 << 20);
  REQUIRE(frame.status == FrameStatus::kFrame);
  REQUIRE(frame.consumed_bytes == bytes.size());
  Command command;
  REQUIRE(decode_command(edition, frame.payload, command) == DecodeStatus::kOk);
  CHECK(command.kind == CommandKind::kRequest);
  CHECK(command.version == version);
  CHECK(command.id == 0);
  RequestView request;
  REQUIRE(decode_request(command.body, request) == DecodeStatus::kOk);
  CHECK(request.type == 0);
  CHECK(request.option_count == 0);
  MessageView view;
  REQUIRE(decode_message(request.payload, view) == DecodeStatus::kOk);
  MessageFields fields;
  fields.type = view.type;
  fields.payload = view.payload;
  fields.from = view.from;
  fields.to = view.to;
  fields.group = view.group;
  fields.client_id = view.client_id;
  fields.seq = view.seq;
  fields.time_ms = view.time_ms;
  fields.device = view.device;
  fields.peer_seq = view.peer_seq;
  std::vector<std::byte> message(message_bytes(fields));
  write_message(message.data(), fields);
  CHECK(message.size() == request.payload.size());  // nothing unknown, nothing twice
  return message;
}

void check_push(Outer outer, const RequestRecord& record, std::int64_t time_ms) {
  const RequestParts parts(record);
  MessageFields fields;
  fields.type = record.type;
  fields.payload = parts.payload();
  fields.from = parts.from();
  ((record.header.flags & kFlagToGroup) != 0 ? fields.group : fields.to) = parts.target();
  fields.client_id = parts.client_id();
  fields.time_ms = time_ms;
  fields.device = parts.device();
  const std::size_t body_bytes = push_message_bytes(fields);
  std::vector<std::byte> expected(message_bytes(fields));
  write_message(expected.data(), fields);

  EncodedTime time;
  time.set(time_ms);
  const RelayFrame frame(outer, record, time);
  REQUIRE(frame.bytes() == outer_frame_bytes(outer, ServerFrame::kRequest, 0, body_bytes));
  CHECK(frame.body_bytes() == body_bytes);
  std::vector<std::byte> got(frame.bytes() + 8, std::byte{0xaa});
  REQUIRE(frame.write(got.data()) == got.data() + frame.bytes());
  for (std::size_t i = frame.bytes(); i < got.size(); ++i) REQUIRE(got[i] == std::byte{0xaa});
  got.resize(frame.bytes());
  CHECK(message_in(outer.edition, got, outer.version) == expected);
}

TEST_CASE("a relayed push: both editions, every version and time") {
  const Written plain(0, false, "alice", "", "bob", "", "hello");
  const Written full(3, true, "alice", "phone", "team", "id-1", std::string(300, 'x'));
  for (const Edition edition : {Edition::kV1, Edition::kV2}) {
    for (const std::int32_t version : kVersions) {
      for (const std::int64_t time_ms : kTimes) {
        CAPTURE(version);
        CAPTURE(time_ms);
        check_push({edition, version}, plain.record(), time_ms);
        check_push({edition, version}, full.record(), time_ms);
      }
    }
  }
}

TEST_CASE("a relayed push: names of every length, payloads around each longer length") {
  for (const std::size_t size : kNames) {
    CAPTURE(size);
    std::string name;
    for (std::size_t i = 0; i < size; ++i) name += static_cast<char>('a' + i % 26);
    const Written named(0, false, name, name, name, name.substr(0, 32), "x");
    check_push({Edition::kV2, 2}, named.record(), kNow);
  }
  for (const std::size_t size :
       {0u, 1u, 90u, 91u, 92u, 99u, 100u, 101u, 127u, 128u, 16'300u, 65'000u}) {
    CAPTURE(size);
    const Written sized(1, false, "a", "", "b", "", std::string(size, 'p'));
    check_push({Edition::kV2, 2}, sized.record(), kNow);
    check_push({Edition::kV1, 1}, sized.record(), kNow);
  }
}

TEST_CASE("the answer of a relayed message is a Response with a time") {
  for (const Edition edition : {Edition::kV1, Edition::kV2}) {
    for (const std::int32_t version : kVersions) {
      for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{127},
                                     std::uint64_t{128}, ~std::uint64_t{0}}) {
        for (const std::int64_t time_ms : kTimes) {
          CAPTURE(version);
          CAPTURE(id);
          CAPTURE(time_ms);
          const Outer outer{edition, version};
          ResponseFields fields;
          fields.time_ms = time_ms;
          std::vector<std::byte> expected(response_frame_bytes(outer, id, fields));
          write_response_frame(expected.data(), outer, id, fields);
          EncodedTime time;
          time.set(time_ms);
          std::vector<std::byte> got(kRelayAnswerBytesMax);
          const std::byte* end = write_relay_answer(got.data(), outer, id, time);
          REQUIRE(end <= got.data() + got.size());
          got.resize(static_cast<std::size_t>(end - got.data()));
          CHECK(got == expected);
        }
      }
    }
  }
}

TEST_CASE("an encoded time follows what it is set to") {
  EncodedTime time;
  for (const std::int64_t time_ms : std::vector<std::int64_t>{kNow, kNow, 5, 0, 300}) {
    time.set(time_ms);
    std::byte expected[1 + kVarintBytesMax];
    const auto size = static_cast<std::size_t>(
        write_varint(expected + 1, static_cast<std::uint64_t>(time_ms)) - expected);
    REQUIRE(time.field_bytes == (time_ms == 0 ? 0 : size));
    expected[0] = std::byte{8 << 3};
    CHECK(std::memcmp(time.in_push, expected, time.field_bytes) == 0);
    expected[0] = std::byte{4 << 3};
    CHECK(std::memcmp(time.in_answer, expected, time.field_bytes) == 0);
  }
}

}  // namespace
}  // namespace ims
