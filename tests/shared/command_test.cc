// Section 2 of PROTOCOL.md as rows, the wire format at its edges, and a seeded comparison with
// libprotobuf.
#include "shared/command.h"

#include <doctest/doctest.h>

#include <google/protobuf/stubs/logging.h>

#include <string>
#include <string_view>

#include "shared/message_frame.h"
#include "shared/payload.h"
#include "tests/shared/wire_oracle.h"
#include "tests/shared/wire_samples.h"

using namespace std::string_view_literals;

namespace ims {
namespace {

std::string repeat(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// A length-delimited field with a one- or two-byte length.
std::string field(char tag, const std::string& content) {
  std::string bytes(1, tag);
  const std::size_t size = content.size();
  if (size < 128) {
    bytes.push_back(static_cast<char>(size));
  } else {
    bytes.push_back(static_cast<char>(0x80 | (size & 0x7f)));
    bytes.push_back(static_cast<char>(size >> 7));
  }
  return bytes + content;
}

std::string groups(int depth) { return repeat("\x7b", depth) + repeat("\x7c", depth); }

struct CommandRow {
  const char* rule;
  Edition edition;
  std::string frame;
  bool accepted;
  CommandKind kind = CommandKind::kConnect;
};

constexpr Edition kV1 = Edition::kV1;
constexpr Edition kV2 = Edition::kV2;

std::string bytes(std::string_view literal) { return std::string(literal); }

const CommandRow kCommandRows[] = {
    // The typed edition: exactly one of 3 to 7, and no ConAck.
    {"typed: an empty Command", kV2, "", false},
    {"typed: a version alone", kV2, bytes("\x08\x02"sv), false},
    {"typed: an empty connect", kV2, bytes("\x1a\x00"sv), true, CommandKind::kConnect},
    {"typed: an empty disconnect", kV2, bytes("\x2a\x00"sv), true, CommandKind::kDisconnect},
    {"typed: an empty request", kV2, bytes("\x32\x00"sv), true, CommandKind::kRequest},
    {"typed: an empty response", kV2, bytes("\x3a\x00"sv), true, CommandKind::kResponse},
    {"typed: conack", kV2, bytes("\x22\x00"sv), false},
    {"typed: conack and request", kV2, bytes("\x22\x00\x32\x00"sv), false},
    {"typed: two different ones", kV2, bytes("\x1a\x00\x32\x00"sv), false},
    {"typed: the same one twice", kV2, bytes("\x32\x00\x32\x00"sv), false},
    {"typed: a request and the number of connect with another wire type", kV2,
     bytes("\x18\x05\x32\x00"sv), true, CommandKind::kRequest},
    {"typed: request as a varint is no request", kV2, bytes("\x30\x05"sv), false},
    {"typed: field 2 is unknown here", kV2, bytes("\x10\x63\x32\x00"sv), true,
     CommandKind::kRequest},
    {"typed: a connect that is not UTF-8 is no protocol error", kV2,
     bytes("\x1a\x03\x0a\x01\xff"sv), true, CommandKind::kConnect},
    {"typed: a connect that does not decode", kV2, bytes("\x1a\x02\x0a\x05"sv), false},
    {"typed: a disconnect that is not UTF-8", kV2, bytes("\x2a\x03\x12\x01\xff"sv), false},
    {"typed: a response that is not UTF-8", kV2, bytes("\x3a\x03\x12\x01\xff"sv), false},
    {"typed: an option that does not decode", kV2, bytes("\x32\x03\x1a\x01\x08"sv), false},
    {"typed: a body longer than the frame", kV2, bytes("\x32\x05\x08\x00"sv), false},
    // The envelope edition: `command` alone decides.
    {"envelope: empty is CONNECT with an empty payload", kV1, "", true, CommandKind::kConnect},
    {"envelope: DISCONNECT without payload", kV1, bytes("\x10\x01"sv), true,
     CommandKind::kDisconnect},
    {"envelope: RESPONSE", kV1, bytes("\x10\x03"sv), true, CommandKind::kResponse},
    {"envelope: command 4", kV1, bytes("\x10\x04"sv), false},
    {"envelope: command -1", kV1, bytes("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv), false},
    {"envelope: command 2^32 + 2 is 2 in 32 bits", kV1, bytes("\x10\x82\x80\x80\x80\x10"sv), true,
     CommandKind::kRequest},
    {"envelope: the last command wins", kV1, bytes("\x10\x07\x10\x02"sv), true,
     CommandKind::kRequest},
    {"envelope: the last payload wins", kV1, bytes("\x1a\x01\xff\x10\x02\x1a\x00"sv), true,
     CommandKind::kRequest},
    {"envelope: command decides, not what the payload looks like", kV1,
     bytes("\x10\x02\x1a\x05\x0a\x03"
           "abc"sv),
     true, CommandKind::kRequest},
    {"envelope: a payload that does not decode", kV1, bytes("\x10\x02\x1a\x01\x08"sv), false},
    {"envelope: a disconnect that is not UTF-8", kV1, bytes("\x10\x01\x1a\x03\x12\x01\xff"sv),
     false},
    {"envelope: a connect that is not UTF-8", kV1, bytes("\x1a\x03\x0a\x01\xff"sv), true,
     CommandKind::kConnect},
    // The wire format, as libprotobuf reads it.
    {"field number 0", kV1, bytes("\x00\x00"sv), false},
    {"field number 0 as bytes", kV1, bytes("\x02\x00"sv), false},
    {"wire type 6", kV1, bytes("\x0e"sv), false},
    {"wire type 7", kV1, bytes("\x0f"sv), false},
    {"an end group without a start", kV1, bytes("\x0c"sv), false},
    {"a group that does not end", kV1, bytes("\x7b"sv), false},
    {"a group that ends as another", kV1, bytes("\x7b\x74"sv), false},
    {"an unknown group", kV1, bytes("\x7b\x08\x01\x7c"sv), true},
    {"an unknown fixed64", kV1, bytes("\x79\x01\x02\x03\x04\x05\x06\x07\x08"sv), true},
    {"an unknown fixed64 cut short", kV1, bytes("\x79\x01\x02\x03\x04\x05\x06\x07"sv), false},
    {"an unknown fixed32", kV1, bytes("\x7d\x01\x02\x03\x04"sv), true},
    {"an unknown fixed32 cut short", kV1, bytes("\x7d\x01\x02\x03"sv), false},
    {"a tag of five bytes", kV1, bytes("\x90\x80\x80\x80\x00\x01"sv), true,
     CommandKind::kDisconnect},
    {"a tag of five bytes, bits beyond 32 dropped", kV1, bytes("\x90\x80\x80\x80\x70\x01"sv), true,
     CommandKind::kDisconnect},
    {"a tag of six bytes", kV1, bytes("\x90\x80\x80\x80\x80\x00\x01"sv), false},
    {"a varint of ten bytes", kV1, bytes("\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"sv), true},
    {"a varint of eleven bytes", kV1, bytes("\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"sv),
     false},
    {"a length of five bytes", kV1, bytes("\x1a\x80\x80\x80\x80\x00"sv), true},
    {"a length of six bytes", kV1, bytes("\x1a\x80\x80\x80\x80\x80\x00"sv), false},
    {"100 groups deep", kV1, groups(100), true},
    {"101 groups deep", kV1, groups(101), false},
    {"envelope: 100 groups deep in the request", kV1, "\x10\x02" + field(0x1a, groups(100)), true,
     CommandKind::kRequest},
    {"envelope: 101 groups deep in the request", kV1, "\x10\x02" + field(0x1a, groups(101)), false},
    {"envelope: 99 groups deep in an option", kV1,
     "\x10\x02" + field(0x1a, field(0x1a, groups(99))), true, CommandKind::kRequest},
    {"envelope: 100 groups deep in an option", kV1,
     "\x10\x02" + field(0x1a, field(0x1a, groups(100))), false},
    {"typed: 99 groups deep in the request", kV2, field(0x32, groups(99)), true,
     CommandKind::kRequest},
    {"typed: 100 groups deep in the request", kV2, field(0x32, groups(100)), false},
    {"typed: 98 groups deep in an option", kV2, field(0x32, field(0x1a, groups(98))), true,
     CommandKind::kRequest},
    {"typed: 99 groups deep in an option", kV2, field(0x32, field(0x1a, groups(99))), false},
};

TEST_CASE("decode_command: the rules of section 2, and the wire format") {
  google::protobuf::SetLogHandler(nullptr);
  for (const CommandRow& row : kCommandRows) {
    CAPTURE(row.rule);
    Command command;
    const DecodeStatus status = decode_command(row.edition, as_bytes(row.frame), command);
    CHECK(status == (row.accepted ? DecodeStatus::kOk : DecodeStatus::kMalformed));
    CHECK(command.why.empty() == row.accepted);
    if (row.accepted && status == DecodeStatus::kOk) CHECK(command.kind == row.kind);
    CHECK(check_frame(row.edition, as_bytes(row.frame)) == "");
  }
}

struct EditionRow {
  const char* rule;
  std::string_view frame;
  Edition edition;
};

constexpr EditionRow kEditionRows[] = {
    {"version 1", "\x08\x01"sv, kV1},
    {"version 2", "\x08\x02"sv, kV2},
    {"no version", "\x1a\x00"sv, kV2},
    {"version 1 and connect: the same bytes in both", "\x08\x01\x1a\x00"sv, kV1},
    {"version 2 and field 2", "\x08\x02\x10\x02"sv, kV1},
    {"field 2 with value 0 is present", "\x10\x00"sv, kV1},
    {"field 2 of another wire type", "\x12\x00"sv, kV1},
    {"field 2 inside a group is not the Command's", "\x7b\x10\x00\x7c"sv, kV2},
    {"the last version wins", "\x08\x01\x08\x03"sv, kV2},
    {"version 2^32 + 1 is 1 in 32 bits", "\x08\x81\x80\x80\x80\x10"sv, kV1},
    {"version of another wire type is none", "\x0d\x01\x00\x00\x00"sv, kV2},
    {"no protobuf", "\x08\x01\x10"sv, kV2},
};

TEST_CASE("detect_edition") {
  for (const EditionRow& row : kEditionRows) {
    CAPTURE(row.rule);
    CHECK(detect_edition(as_bytes(row.frame)) == row.edition);
  }
}

TEST_CASE("decode_connect: not UTF-8 and not decodable are told apart; the latter wins") {
  ConnectView connect;
  CHECK(decode_connect(as_bytes("\x0a\x01" "a"sv), connect) == DecodeStatus::kOk);
  CHECK(connect.org == "a");
  for (const char tag : {'\x0a', '\x12', '\x1a', '\x22', '\x2a'}) {
    CAPTURE(tag);
    const std::string bad = std::string(1, tag) + "\x01\xff";
    CHECK(decode_connect(as_bytes(bad), connect) == DecodeStatus::kBadUtf8);
    CHECK(decode_connect(as_bytes(bad + std::string(1, tag) + "\x01" "a"), connect) ==
          DecodeStatus::kBadUtf8);
    CHECK(decode_connect(as_bytes(bad + "\x0a"), connect) == DecodeStatus::kMalformed);
  }
}

TEST_CASE("decode_request: any offline=true counts, options are counted, type is as on the wire") {
  RequestView request;
  REQUIRE(decode_request(as_bytes("\x1a\x02\x08\x01\x1a\x00\x1a\x02\x08\x00"sv), request) ==
          DecodeStatus::kOk);
  CHECK(request.offline);
  CHECK(request.option_count == 3);
  REQUIRE(decode_request(as_bytes("\x1a\x04\x08\x01\x08\x00"sv), request) == DecodeStatus::kOk);
  CHECK_FALSE(request.offline);  // the last one of a scalar wins
  REQUIRE(decode_request(as_bytes("\x08\x63"sv), request) == DecodeStatus::kOk);
  CHECK(request.type == 99);
}

TEST_CASE("280,000 sampled frames, 210,000 of them damaged: both editions agree with libprotobuf") {
  google::protobuf::SetLogHandler(nullptr);
  Prng prng(1);
  std::uint32_t accepted = 0;
  std::uint32_t one_pass = 0;
  std::uint32_t one_pass_whole = 0;
  for (int i = 0; i < 280'000; ++i) {
    const Edition edition = prng.chance(50) ? kV1 : kV2;
    std::string frame = sample_frame(edition, prng);
    Command command;
    MessageFrame message;
    if (i % 4 == 0) {
      one_pass_whole += decode_message_frame(edition, as_bytes(frame), message);
    } else {
      frame = mutate(std::move(frame), prng);
    }
    one_pass += decode_message_frame(edition, as_bytes(frame), message);
    accepted += decode_command(edition, as_bytes(frame), command) == DecodeStatus::kOk;
    for (const Edition either : {kV1, kV2}) {
      const std::string difference = check_frame(either, as_bytes(frame));
      if (!difference.empty()) {
        CAPTURE(i);
        FAIL(difference);
      }
    }
  }
  CHECK(accepted > 80'000);  // both outcomes are well represented
  CHECK(accepted < 250'000);
  CHECK(one_pass_whole > 7'000);            // what stock clients write takes the short way
  CHECK(one_pass > one_pass_whole + 2'000);  // and so do some of the damaged ones
}

}  // namespace
}  // namespace ims
