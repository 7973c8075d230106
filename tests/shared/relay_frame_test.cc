// RelayFrame and write_relay_answer(): byte for byte what the general writers make of the same
// fields, and never a byte more than was announced.
#include "shared/relay_frame.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

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
    RequestRecord record;
    record.header.kind = RecordKind::kMessage;
    record.header.flags = to_group ? kFlagToGroup : 0;
    record.header.bytes = static_cast<std::uint32_t>(memory_.size() * 8);
    record.type = type;
    record.payload_bytes = static_cast<std::uint32_t>(payload.size());
    record.from_bytes = static_cast<std::uint8_t>(from.size());
    record.device_bytes = static_cast<std::uint8_t>(device.size());
    record.target_bytes = static_cast<std::uint8_t>(target.size());
    record.client_id_bytes = static_cast<std::uint8_t>(client_id.size());
    const std::string tail = from + device + target + client_id + payload;
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

void check_push(Outer outer, const RequestRecord& record, std::int64_t time_ms) {
  const MessageFields fields = MessageParts(record).fields(record, 0, time_ms);
  const std::size_t body_bytes = push_message_bytes(fields);
  std::vector<std::byte> expected(
      outer_frame_bytes(outer, ServerFrame::kRequest, 0, body_bytes));
  std::byte* const body =
      write_outer_header(expected.data(), outer, ServerFrame::kRequest, 0, body_bytes);
  REQUIRE(write_push_message(body, fields) == expected.data() + expected.size());

  EncodedTime time;
  time.set(time_ms);
  const RelayFrame frame(outer, record, time);
  REQUIRE(frame.bytes() == expected.size());
  CHECK(frame.body_bytes() == body_bytes);
  std::vector<std::byte> got(expected.size() + 8, std::byte{0xaa});
  REQUIRE(frame.write(got.data()) == got.data() + expected.size());
  for (std::size_t i = expected.size(); i < got.size(); ++i) REQUIRE(got[i] == std::byte{0xaa});
  got.resize(expected.size());
  CHECK(got == expected);
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
  for (const std::size_t size : {0, 1, 90, 91, 92, 99, 100, 101, 127, 128, 16'300, 65'000}) {
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
    std::byte expected[kVarintBytesMax];
    const auto size = static_cast<std::size_t>(
        write_varint(expected, static_cast<std::uint64_t>(time_ms)) - expected);
    REQUIRE(time.size_bytes == size);
    CHECK(std::memcmp(time.bytes, expected, size) == 0);
  }
}

}  // namespace
}  // namespace ims
