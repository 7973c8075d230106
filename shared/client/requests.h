// What a client writes: payloads of requests, and whole frames of either edition (PROTOCOL.md
// sections 1 to 3). Frames come with their length prefix, ready to send.
//
// Not the hot path: each call makes its own string. Nothing is checked; a test may send nonsense.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/codes.h"
#include "shared/ops.h"

namespace ims::client {

struct Login {
  std::string org = {};
  std::string appkey = {};
  std::string user = {};
  std::string token = {};
  std::string device = {};
  std::uint32_t keepalive_s = 0;
  AckMode ack = AckMode::kAuto;
  bool send_only = false;
};

// The edition of a connection, and the version that its frames carry.
struct Wire {
  Edition edition = Edition::kV2;
  std::int32_t version = 2;
};
inline constexpr Wire kEnvelope{Edition::kV1, 1};
inline constexpr Wire kTyped{Edition::kV2, 2};

std::string connect_frame(Wire wire, std::uint64_t id, const Login& login);
std::string request_frame(Wire wire, std::uint64_t id, RequestType type, std::string_view payload,
                          bool offline = false);
std::string disconnect_frame(Wire wire);

// ---- payloads ----

struct OutMessage {
  MessageType type = MessageType::kTxt;
  std::string payload = {};
  std::string to = {};
  std::string group = {};
  std::string client_id = {};
};

struct OutGroupRequest {
  GroupOp op = GroupOp::kInfo;
  std::string group = {};
  std::vector<std::string> users = {};
  std::string name = {};
  Role role = Role::kMember;
  bool open = false;
  std::string cursor = {};
  std::uint32_t limit = 0;
};

std::string message_payload(const OutMessage& message);
std::string text_payload(std::string_view text);  // Message.payload of a TXT
std::string ack_payload(std::string_view group, std::uint64_t seq);
std::string sync_payload(std::string_view group, std::uint64_t after_seq, std::uint32_t limit = 0,
                         std::uint64_t before_seq = 0);
std::string group_payload(const OutGroupRequest& request);

}  // namespace ims::client
