// What a server sends, decoded: one Event per frame, and the results inside (PROTOCOL.md sections 2
// and 3). Values, so that they may be kept.
//
// Codes   A number that this build does not know comes as kFail or kNormal: a newer server may send
// it. Errors  Nothing (std::nullopt): the bytes are not what they should be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/bytes.h"
#include "shared/codes.h"
#include "shared/ops.h"

namespace ims::client {

struct Heartbeat {};

struct LoginAnswer {
  std::uint64_t id = 0;
  Code code = Code::kOk;
  std::string reason;
  std::uint64_t session = 0;
  std::int64_t server_time_ms = 0;
  std::uint32_t max_frame_bytes = 0;
  std::uint64_t inbox_seq = 0;
  std::uint64_t acked_seq = 0;
  std::uint32_t retry_after_ms = 0;
  std::string epoch;
  Durability durability = Durability::kSync;
  std::uint64_t first_seq = 0;
};

struct Answer {
  std::uint64_t id = 0;
  Code code = Code::kOk;
  std::string reason;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  std::string payload;
  bool duplicate = false;
  std::uint32_t retry_after_ms = 0;
};

struct Push {
  RequestType type = RequestType::kMessage;
  std::string payload;
};

struct Farewell {  // Disconnect
  DisconnectCode code = DisconnectCode::kNormal;
  std::string reason;
  std::uint32_t retry_after_ms = 0;
};

using Event = std::variant<Heartbeat, LoginAnswer, Answer, Push, Farewell>;

// One frame without its prefix. `login`: a login is under way, so the envelope edition's Response
// is its answer.
std::optional<Event> decode_event(Edition edition, ByteView frame, bool login);

// ---- inside pushes and answers ----

struct InMessage {
  MessageType type = MessageType::kTxt;
  std::string payload;
  std::string from;
  std::string to;
  std::string group;
  std::string client_id;
  std::string device;
  std::uint64_t seq = 0;
  std::uint64_t peer_seq = 0;
  std::int64_t time_ms = 0;
};
std::optional<InMessage> decode_in_message(std::string_view payload);
std::optional<std::string> decode_text(std::string_view payload);  // MessageTxt.txt

struct GroupEvent {
  GroupOp op = GroupOp::kInfo;
  std::string group;
  std::string by;
  std::vector<std::string> users;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  std::string name;
  Role role = Role::kMember;
};
std::optional<GroupEvent> decode_group_event(std::string_view payload);

struct ContactEvent {
  ContactOp op = ContactOp::kList;
  std::string user;  // who did it
  std::string note;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
};
std::optional<ContactEvent> decode_contact_event(std::string_view payload);

struct GroupResult {
  struct Member {
    std::string user;
    Role role = Role::kMember;
    bool muted = false;
  };
  std::string group;
  std::string name;
  std::vector<Member> members;
  std::uint32_t member_count = 0;
  std::uint64_t head_seq = 0;
  std::string cursor;
  std::vector<std::string> groups;
  bool open = false;
};
std::optional<GroupResult> decode_group_result(std::string_view payload);

struct SyncResult {
  std::vector<InMessage> messages;
  std::vector<GroupEvent> group_events;
  std::vector<ContactEvent> contact_events;
  std::uint64_t head_seq = 0;
  std::uint64_t first_seq = 0;
  bool more = false;
};
std::optional<SyncResult> decode_sync_result(std::string_view payload);

}  // namespace ims::client
