// The frames of proto/README.md. Each is checked against libprotobuf (as a stock client would write
// or read it) and against the server's codec, so that neither can drift from the page.
#include <doctest/doctest.h>

#include <google/protobuf/util/message_differencer.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "ims.pb.h"
#include "ims_v1.pb.h"
#include "ims_v2.pb.h"
#include "shared/command.h"
#include "shared/encode.h"
#include "shared/frame.h"
#include "shared/payload.h"
#include "shared/results.h"

namespace ims {
namespace {

constexpr std::int64_t kTimeMs = 1'700'000'000'123;
constexpr std::string_view kEpoch = "\x01\x02\x03\x04\x05\x06\x07\x08";

// "v2 > login" -> the frame's bytes. A line of the page's table: edition, direction, name, two
// spaces or more, hex.
std::map<std::string, std::string> read_page() {
  std::map<std::string, std::string> frames;
  std::ifstream page(std::string(IMS_SOURCE_DIR) + "/proto/README.md");
  std::string line;
  while (std::getline(page, line)) {
    if (!line.starts_with("v1 ") && !line.starts_with("v2 ")) continue;
    const std::size_t gap = line.find("  ");
    REQUIRE(gap != std::string::npos);
    std::string bytes;
    for (std::size_t at = line.find_first_not_of(' ', gap); at + 1 < line.size(); at += 3) {
      bytes.push_back(static_cast<char>(std::stoi(line.substr(at, 2), nullptr, 16)));
    }
    const bool fresh = frames.emplace(line.substr(0, gap), bytes).second;
    REQUIRE(fresh);
  }
  return frames;
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    if (!text.empty()) text += ' ';
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

std::string framed(const std::string& command) {
  std::byte prefix[kLengthPrefixBytesMax];
  const auto size = static_cast<std::uint32_t>(command.size());
  return std::string(as_text({prefix, encode_frame_header(prefix, size)})) + command;
}

template <typename Write>
std::string written(std::size_t size, Write write) {
  std::vector<std::byte> room(size);
  REQUIRE(write(room.data()) == room.data() + size);
  return std::string(as_text(room));
}

// ---- what the frames say, as libprotobuf messages ----------------------------------------------

enum class Body { kConnect, kDisconnect, kRequest, kResponse };

std::string client_frame(Edition edition, std::uint64_t id, Body kind,
                         const google::protobuf::Message& body) {
  if (edition == Edition::kV1) {
    ims::v1::Command command;
    command.set_version(1);
    command.set_command(static_cast<ims::v1::Command::CommandType>(kind));
    command.set_payload(body.SerializeAsString());
    command.set_id(id);
    return framed(command.SerializeAsString());
  }
  ims::v2::Command command;
  command.set_version(2);
  command.set_id(id);
  switch (kind) {
    case Body::kConnect: command.mutable_connect()->CopyFrom(body); break;
    case Body::kDisconnect: command.mutable_disconnect()->CopyFrom(body); break;
    case Body::kRequest: command.mutable_request()->CopyFrom(body); break;
    case Body::kResponse: command.mutable_response()->CopyFrom(body); break;
  }
  return framed(command.SerializeAsString());
}

ims::Connect login() {
  ims::Connect connect;
  connect.set_org("acme");
  connect.set_appkey("chat");
  connect.set_user("alice");
  connect.set_token("secret");
  connect.set_device("phone");
  connect.set_keepalive_s(30);
  connect.set_ack(ims::Connect::EXPLICIT);
  return connect;
}

ims::Message hello() {
  ims::MessageTxt text;
  text.set_txt("hello");
  ims::Message message;
  message.set_payload(text.SerializeAsString());
  message.set_to("bob");
  message.set_client_id("c1");
  return message;
}

ims::Request request(ims::Request::RequestType type, const google::protobuf::Message& payload) {
  ims::Request request;
  request.set_type(type);
  request.set_payload(payload.SerializeAsString());
  return request;
}

ims::Request message_request() {
  ims::Request stored = request(ims::Request::MESSAGE, hello());
  stored.add_opts()->set_offline(true);
  return stored;
}

ims::Request group_create_request() {
  ims::GroupRequest create;
  create.set_op(ims::GroupRequest::CREATE);
  create.set_group("team");
  create.add_users("bob");
  create.set_name("The Team");
  return request(ims::Request::GROUP, create);
}

ims::Request ack_request() {
  ims::AckRequest ack;
  ack.set_seq(42);
  return request(ims::Request::ACK, ack);
}

ims::Request sync_request() {
  ims::SyncRequest sync;
  sync.set_group("team");
  sync.set_after_seq(7);
  sync.set_limit(50);
  return request(ims::Request::SYNC, sync);
}

struct ClientRow {
  const char* name;
  std::uint64_t id;
  Body kind;
  ims::Request request;  // with Body::kRequest
};

std::vector<ClientRow> client_rows() {
  return {{"message", 2, Body::kRequest, message_request()},
          {"group create", 3, Body::kRequest, group_create_request()},
          {"ack", 0, Body::kRequest, ack_request()},
          {"sync", 4, Body::kRequest, sync_request()}};
}

std::string key(Edition edition, const char* direction, const char* name) {
  return std::string(edition == Edition::kV1 ? "v1 " : "v2 ") + direction + " " + name;
}

// The page has exactly this frame under that name.
void check_page(const std::map<std::string, std::string>& page, const std::string& name,
                const std::string& expected) {
  CAPTURE(name);
  const auto at = page.find(name);
  CHECK(hex(at == page.end() ? std::string() : at->second) == hex(expected));
}

Command decoded(Edition edition, const std::string& frame) {
  const FrameResult split = next_frame(as_bytes(frame), 4096);
  REQUIRE(split.status == FrameStatus::kFrame);
  REQUIRE(split.consumed_bytes == frame.size());
  CHECK(detect_edition(split.payload) == edition);
  Command command;
  REQUIRE(decode_command(edition, split.payload, command) == DecodeStatus::kOk);
  CHECK(command.version == static_cast<std::int32_t>(edition));
  return command;
}

constexpr Edition kEditions[] = {Edition::kV1, Edition::kV2};

TEST_CASE("README frames of the client: what libprotobuf writes, and what the codec reads") {
  const auto page = read_page();
  for (const Edition edition : kEditions) {
    const std::string connect = client_frame(edition, 1, Body::kConnect, login());
    check_page(page, key(edition, ">", "login"), connect);
    const Command login_command = decoded(edition, connect);
    CHECK(login_command.kind == CommandKind::kConnect);
    CHECK(login_command.id == 1);
    ConnectView view;
    REQUIRE(decode_connect(login_command.body, view) == DecodeStatus::kOk);
    CHECK(view.org == "acme");
    CHECK(view.appkey == "chat");
    CHECK(view.user == "alice");
    CHECK(view.token == "secret");
    CHECK(view.device == "phone");
    CHECK(view.keepalive_s == 30);
    CHECK(view.ack == 1);

    for (const ClientRow& row : client_rows()) {
      const std::string frame = client_frame(edition, row.id, row.kind, row.request);
      check_page(page, key(edition, ">", row.name), frame);
      const Command command = decoded(edition, frame);
      CHECK(command.kind == CommandKind::kRequest);
      CHECK(command.id == row.id);
      RequestView request_view;
      REQUIRE(decode_request(command.body, request_view) == DecodeStatus::kOk);
      CHECK(request_view.type == row.request.type());
      CHECK(as_text(request_view.payload) == row.request.payload());
      CHECK(request_view.offline == (row.request.opts_size() == 1));
    }

    ims::Disconnect bye;
    const std::string end = client_frame(edition, 0, Body::kDisconnect, bye);
    check_page(page, key(edition, ">", "disconnect"), end);
    CHECK(decoded(edition, end).kind == CommandKind::kDisconnect);

    check_page(page, key(edition, ">", "heartbeat"), std::string(1, '\0'));
  }
}

TEST_CASE("README frames of the server: what the codec writes, and what libprotobuf reads") {
  const auto page = read_page();
  for (const Edition edition : kEditions) {
    const Outer outer{edition, static_cast<std::int32_t>(edition)};

    ConAckFields conack;
    conack.session = 5;
    conack.server_time_ms = kTimeMs;
    conack.max_frame_bytes = 65'536;
    conack.inbox_seq = 42;
    conack.acked_seq = 40;
    conack.epoch = as_bytes(kEpoch);
    conack.first_seq = 1;
    check_page(page, key(edition, "<", "login answer"),
               written(conack_frame_bytes(outer, 1, conack), [&](std::byte* out) {
                 return write_conack_frame(out, outer, 1, conack);
               }));

    ResponseFields response;
    response.seq = 43;
    response.time_ms = kTimeMs;
    check_page(page, key(edition, "<", "response"),
               written(response_frame_bytes(outer, 2, response), [&](std::byte* out) {
                 return write_response_frame(out, outer, 2, response);
               }));

    const ims::Message sent = hello();
    MessageFields pushed;
    pushed.payload = as_bytes(sent.payload());
    pushed.from = "alice";
    pushed.to = "bob";
    pushed.client_id = as_bytes(sent.client_id());
    pushed.seq = 43;
    pushed.time_ms = kTimeMs;
    pushed.device = "phone";
    const std::string push = written(push_message_bytes(pushed), [&](std::byte* out) {
      return write_push_message(out, pushed);
    });
    const std::string push_frame =
        written(outer_frame_bytes(outer, ServerFrame::kRequest, 0, push.size()),
                [&](std::byte* out) {
                  return write_outer_frame(out, outer, ServerFrame::kRequest, 0, as_bytes(push));
                });
    check_page(page, key(edition, "<", "push"), push_frame);

    constexpr std::string_view kUsers[] = {"bob"};
    GroupEventFields event;
    event.op = GroupOp::kCreate;
    event.group = "team";
    event.by = "alice";
    event.users = kUsers;
    event.seq = 1;
    event.time_ms = kTimeMs;
    event.name = "The Team";
    const std::string event_push = written(push_group_event_bytes(event), [&](std::byte* out) {
      return write_push_group_event(out, event);
    });
    check_page(page, key(edition, "<", "group event"),
               written(outer_frame_bytes(outer, ServerFrame::kRequest, 0, event_push.size()),
                       [&](std::byte* out) {
                         return write_outer_frame(out, outer, ServerFrame::kRequest, 0,
                                                  as_bytes(event_push));
                       }));

    const DisconnectFields end{DisconnectCode::kShutdown, "The server is shutting down.", 1500};
    const std::string disconnect =
        written(disconnect_frame_bytes(outer, end),
                [&](std::byte* out) { return write_disconnect_frame(out, outer, end); });
    check_page(page, key(edition, "<", "disconnect"), disconnect);

    check_page(page, key(edition, "<", "heartbeat"), std::string(as_text(kHeartbeatFrame)));

    // libprotobuf reads the page's frames as these messages. With id 0 it writes the same bytes.
    ims::Disconnect expected_end;
    expected_end.set_code(6);
    expected_end.set_reason("The server is shutting down.");
    expected_end.set_retry_after_ms(1500);
    check_page(page, key(edition, "<", "disconnect"),
               client_frame(edition, 0, Body::kDisconnect, expected_end));
    ims::Message expected_message = sent;
    expected_message.set_from("alice");
    expected_message.set_seq(43);
    expected_message.set_time_ms(kTimeMs);
    expected_message.set_device("phone");
    check_page(page, key(edition, "<", "push"),
               client_frame(edition, 0, Body::kRequest,
                            request(ims::Request::MESSAGE, expected_message)));
    ims::GroupEvent expected_event;
    expected_event.set_op(ims::GroupRequest::CREATE);
    expected_event.set_group("team");
    expected_event.set_by("alice");
    expected_event.add_users("bob");
    expected_event.set_seq(1);
    expected_event.set_time_ms(kTimeMs);
    expected_event.set_name("The Team");
    check_page(page, key(edition, "<", "group event"),
               client_frame(edition, 0, Body::kRequest,
                            request(ims::Request::GROUP, expected_event)));
  }
}

// Answers carry an id, which the server writes before the body: the same message, other bytes.
TEST_CASE("README answers: libprotobuf reads them as what they say") {
  const auto page = read_page();
  ims::Response response;
  response.set_seq(43);
  response.set_time_ms(kTimeMs);
  ims::ConAck conack;
  conack.set_session(5);
  conack.set_server_time_ms(kTimeMs);
  conack.set_max_frame_bytes(65'536);
  conack.set_inbox_seq(42);
  conack.set_acked_seq(40);
  conack.set_epoch(std::string(kEpoch));
  conack.set_first_seq(1);
  ims::Response login_response;
  login_response.set_payload(conack.SerializeAsString());

  const auto body_of = [&](const char* name) { return page.at(name).substr(1); };
  using google::protobuf::util::MessageDifferencer;
  ims::v1::Command envelope;
  ims::v1::Command expected_envelope;
  expected_envelope.set_version(1);
  expected_envelope.set_command(ims::v1::Command::RESPONSE);
  expected_envelope.set_id(1);
  expected_envelope.set_payload(login_response.SerializeAsString());
  REQUIRE(envelope.ParseFromString(body_of("v1 < login answer")));
  CHECK(MessageDifferencer::Equals(envelope, expected_envelope));
  expected_envelope.set_id(2);
  expected_envelope.set_payload(response.SerializeAsString());
  REQUIRE(envelope.ParseFromString(body_of("v1 < response")));
  CHECK(MessageDifferencer::Equals(envelope, expected_envelope));

  ims::v2::Command typed;
  ims::v2::Command expected_typed;
  expected_typed.set_version(2);
  expected_typed.set_id(1);
  *expected_typed.mutable_conack() = conack;
  REQUIRE(typed.ParseFromString(body_of("v2 < login answer")));
  CHECK(MessageDifferencer::Equals(typed, expected_typed));
  expected_typed.Clear();
  expected_typed.set_version(2);
  expected_typed.set_id(2);
  *expected_typed.mutable_response() = response;
  REQUIRE(typed.ParseFromString(body_of("v2 < response")));
  CHECK(MessageDifferencer::Equals(typed, expected_typed));
}

TEST_CASE("the page holds no frame that these tests do not know") {
  // 7 of the client's and 6 of the server's, in two editions.
  CHECK(read_page().size() == 2 * (7 + 6));
}

}  // namespace
}  // namespace ims
