// The generator's frames against the server's codec: what it writes decodes there, patched in every
// place; what the server writes is read as what it is.
#include "bench/load/wire.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "shared/client/requests.h"
#include "shared/command.h"
#include "shared/encode.h"
#include "shared/frame.h"
#include "shared/payload.h"
#include "shared/varint.h"

namespace ims::bench {
namespace {

constexpr std::uint32_t kNumberMax = 0x7ff'ffff;

// A frame's bytes without the length, which has to be right.
ByteView unframed(const std::string& frame) {
  const FrameResult result = next_frame(as_bytes(frame), 1 << 20);
  REQUIRE(result.status == FrameStatus::kFrame);
  REQUIRE(result.consumed_bytes == frame.size());
  return result.payload;
}

TEST_CASE("messages of every shape decode with the server's codec, patched") {
  for (const Edition edition : {Edition::kV1, Edition::kV2}) {
    for (const bool offline : {false, true}) {
      for (const bool client_id : {false, true}) {
        for (const bool to_group : {false, true}) {
          for (const std::uint32_t bytes : {24u, 100u, 127u, 128u, 129u, 200u, 255u, 16'385u}) {
            MessageTemplate message({.floor = false, .edition = edition, .offline = offline,
                                     .client_id = client_id, .to_group = to_group,
                                     .payload_bytes = bytes});
            const std::string target(to_group ? GroupName(3, 4).view() : UserName(17).view());
            for (const std::uint32_t number : {0u, 1u, 127u, 128u, 70'000u, kNumberMax}) {
              std::string frame;
              const Content content{.run = 5, .stream = 6, .place = 7 + number, .number = number};
              message.append_to(frame, target, content, true);
              Command command;
              REQUIRE(decode_command(edition, unframed(frame), command) == DecodeStatus::kOk);
              REQUIRE(command.kind == CommandKind::kRequest);
              CHECK(command.id == id_of_message(number));
              RequestView request;
              REQUIRE(decode_request(command.body, request) == DecodeStatus::kOk);
              CHECK(request.offline == offline);
              MessageView view;
              REQUIRE(decode_message(request.payload, view) == DecodeStatus::kOk);
              CHECK((to_group ? view.group : view.to) == target);
              CHECK((to_group ? view.to : view.group).empty());
              CHECK(view.payload.size() == bytes);
              CHECK(view.client_id.size() == (client_id ? 12 : 0));
              Content read;
              REQUIRE(read_content(view.payload, read) == ContentCheck::kOk);
              CHECK(read.number == number);
              CHECK(read.place == content.place);
              CHECK(pattern_matches(view.payload, read));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("ids of messages take four bytes, from the first to the last") {
  CHECK(id_of_message(0) == kMessageIdFirst);
  CHECK(varint_bytes(id_of_message(0)) == 4);
  CHECK(varint_bytes(id_of_message(kNumberMax)) == 4);
  CHECK(varint_bytes(kMessageIdFirst - 1) == 3);
}

TEST_CASE("two messages of one sender have different client_ids") {
  MessageTemplate message({.client_id = true, .payload_bytes = 24});
  std::vector<std::string> ids;
  for (const std::uint32_t place : {1u, 2u}) {
    std::string frame;
    message.append_to(frame, UserName(1).view(), {.place = place, .number = place}, true);
    Command command;
    RequestView request;
    MessageView view;
    REQUIRE(decode_command(Edition::kV2, unframed(frame), command) == DecodeStatus::kOk);
    REQUIRE(decode_request(command.body, request) == DecodeStatus::kOk);
    REQUIRE(decode_message(request.payload, view) == DecodeStatus::kOk);
    ids.emplace_back(as_text(view.client_id));
  }
  CHECK(ids[0] != ids[1]);
}

TEST_CASE("names") {
  CHECK(UserName(0).view() == "u0000000");
  CHECK(UserName(9'999'999).view() == "u9999999");
  CHECK(UserName(1234).view() == "u0001234");
  CHECK(GroupName(0xab, 7).view() == "g000000ab000007");
  CHECK(GroupName(0xffff'ffff, 999'999).view() == "gffffffff999999");
}

std::string written(std::size_t bytes, auto&& write) {
  std::string text(bytes, '\0');
  auto* begin = reinterpret_cast<std::byte*>(text.data());
  CHECK(write(begin) == begin + bytes);
  return text;
}

TEST_CASE("answers of the server") {
  for (const Outer outer : {Outer{Edition::kV1, 1}, Outer{Edition::kV2, 2}}) {
    ResponseFields fields;
    fields.code = Code::kForbidden;
    fields.reason = "no";
    fields.seq = 9;
    const std::string frame =
        written(response_frame_bytes(outer, id_of_message(3), fields), [&](std::byte* out) {
          return write_response_frame(out, outer, id_of_message(3), fields);
        });
    const Seen seen = see_frame(false, outer.edition, unframed(frame), false);
    CHECK(seen.kind == Seen::Kind::kAnswer);
    CHECK(seen.code == Code::kForbidden);
    CHECK(seen.reason == "no");
    CHECK(seen.seq == 9);
    CHECK(seen.id == id_of_message(3));
  }
}

TEST_CASE("the answer to CONNECT, and goodbye") {
  for (const Outer outer : {Outer{Edition::kV1, 1}, Outer{Edition::kV2, 2}}) {
    ConAckFields fields;
    fields.inbox_seq = 12;
    fields.acked_seq = 10;
    std::string frame = written(conack_frame_bytes(outer, 1, fields), [&](std::byte* out) {
      return write_conack_frame(out, outer, 1, fields);
    });
    Seen seen = see_frame(false, outer.edition, unframed(frame), true);
    CHECK(seen.kind == Seen::Kind::kAnswer);
    CHECK(seen.code == Code::kOk);
    CHECK(seen.inbox_seq == 12);
    CHECK(seen.acked_seq == 10);
    DisconnectFields bye;
    bye.reason = "over";
    frame = written(disconnect_frame_bytes(outer, bye), [&](std::byte* out) {
      return write_disconnect_frame(out, outer, bye);
    });
    seen = see_frame(false, outer.edition, unframed(frame), false);
    CHECK(seen.kind == Seen::Kind::kFarewell);
    CHECK(seen.reason == "over");
  }
}

TEST_CASE("pushes of the server") {
  for (const Outer outer : {Outer{Edition::kV1, 1}, Outer{Edition::kV2, 2}}) {
    MessageFields fields;
    const std::string payload(24, 'p');
    fields.payload = as_bytes(payload);
    fields.from = "u0000001";
    fields.group = "g";
    fields.seq = 77;
    const std::string body = written(push_message_bytes(fields), [&](std::byte* out) {
      return write_push_message(out, fields);
    });
    const std::string frame = written(
        outer_frame_bytes(outer, ServerFrame::kRequest, 0, body.size()), [&](std::byte* out) {
          return write_outer_frame(out, outer, ServerFrame::kRequest, 0, as_bytes(body));
        });
    const Seen seen = see_frame(false, outer.edition, unframed(frame), false);
    CHECK(seen.kind == Seen::Kind::kMessage);
    CHECK(seen.from == "u0000001");
    CHECK(seen.group == "g");
    CHECK(seen.seq == 77);
    CHECK(as_text(seen.payload) == payload);
  }
}

TEST_CASE("what is cut or nonsense is broken, a heartbeat is not") {
  const std::string frame = client::request_frame(client::kTyped, 5, RequestType::kMessage, "x");
  const ByteView whole = unframed(frame);
  CHECK(see_frame(false, Edition::kV2, whole.first(whole.size() - 1), false).kind ==
        Seen::Kind::kBroken);
  CHECK(see_frame(false, Edition::kV2, as_bytes(std::string_view("\xff\xff")), false).kind ==
        Seen::Kind::kBroken);
  CHECK(see_frame(false, Edition::kV2, {}, false).kind == Seen::Kind::kOther);
}

TEST_CASE("the floor's frames") {
  MessageTemplate message({.floor = true, .payload_bytes = 127});
  std::string frame;
  message.append_to(frame, {}, {.run = 1, .stream = 2, .place = 3, .number = 4}, true);
  CHECK(frame.size() == 128);
  Seen seen = see_frame(true, Edition::kV2, unframed(frame), false);
  CHECK(seen.kind == Seen::Kind::kMessage);
  CHECK(seen.payload.size() == 127);
  seen = see_frame(true, Edition::kV2, as_bytes(std::string_view("\x06")), false);
  CHECK(seen.kind == Seen::Kind::kAnswer);
  CHECK(floor_hello(0x01020304) == std::string("\x04\x04\x03\x02\x01"));
}

}  // namespace
}  // namespace ims::bench
