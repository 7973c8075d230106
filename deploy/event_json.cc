// Rows and pushes as JSON (event_json.h).
#include "deploy/event_json.h"

#include <nlohmann/json.hpp>

#include "logic/base64url.h"

namespace ims {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

constexpr const char* kTypes[] = {"text",     "image",  "file",   "audio",   "video",
                                  "location", "custom", "recall", "receipt", "typing"};
constexpr const char* kGroupOps[] = {"info",    "create",  "join",     "leave",  "invite",
                                     "kick",    "dismiss", "members",  "set_role", "rename",
                                     "list_mine", "mute",  "unmute"};
constexpr const char* kContactOps[] = {"list",   "add",   "accept", "decline",
                                       "remove", "block", "unblock"};
constexpr const char* kRoles[] = {"member", "admin", "owner"};

template <std::size_t kCount, typename Enum>
const char* word(const char* const (&words)[kCount], Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < kCount ? words[index] : "?";
}

}  // namespace

std::string json_of(const client::InMessage& message) {
  Json json;
  json["type"] = word(kTypes, message.type);
  json["from"] = message.from;
  json["device"] = message.device;
  if (message.group.empty()) {
    json["to"] = message.to;
  } else {
    json["group"] = message.group;
  }
  json["seq"] = message.seq;
  json["time_ms"] = message.time_ms;
  if (message.peer_seq != 0) json["peer_seq"] = message.peer_seq;
  if (!message.client_id.empty()) json["client_id"] = logic::encode_base64url(message.client_id);
  const bool text = message.type == MessageType::kTxt;
  if (text || message.type == MessageType::kImage) {
    if (const auto words = client::decode_text(message.payload)) {
      json[text ? "text" : "url"] = *words;
      return dump(json);
    }
  }
  if (message.type == MessageType::kRecall) {
    if (const std::uint64_t seq = client::decode_recall(message.payload)) {
      json["recalled"] = seq;
    } else {
      json["recalled"] = true;
    }
  } else {
    json["payload"] = logic::encode_base64url(message.payload);
  }
  return dump(json);
}

std::string json_of(const client::GroupEvent& event) {
  Json json;
  json["type"] = "group_event";
  json["op"] = word(kGroupOps, event.op);
  json["group"] = event.group;
  json["by"] = event.by;
  json["users"] = event.users;
  json["seq"] = event.seq;
  json["time_ms"] = event.time_ms;
  if (!event.name.empty()) json["name"] = event.name;
  if (event.op == GroupOp::kSetRole) json["role"] = word(kRoles, event.role);
  return dump(json);
}

std::string json_of(const client::ContactEvent& event) {
  Json json;
  json["type"] = "contact_event";
  json["op"] = word(kContactOps, event.op);
  json["from"] = event.user;
  json["note"] = event.note;
  json["seq"] = event.seq;
  json["time_ms"] = event.time_ms;
  return dump(json);
}

std::string json_of(const client::Presence& presence) {
  Json json;
  json["type"] = "presence";
  json["user"] = presence.user;
  json["online"] = presence.online;
  json["last_seen_ms"] = presence.last_seen_ms;
  json["devices"] = presence.devices;
  return dump(json);
}

}  // namespace ims
