// Frames as clients write and read them, made with libprotobuf: the codec under test is not used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ims.pb.h"
#include "ims_v1.pb.h"
#include "ims_v2.pb.h"

namespace ims::test {

inline std::string framed(const std::string& payload) {
  std::string frame;
  std::size_t left = payload.size();
  while (left >= 0x80) {
    frame.push_back(static_cast<char>(left | 0x80));
    left >>= 7;
  }
  frame.push_back(static_cast<char>(left));
  return frame + payload;
}

inline std::string v2_frame(const v2::Command& command) {
  return framed(command.SerializeAsString());
}

inline Connect connect_message(const std::string& user, const std::string& device = "") {
  Connect connect;
  connect.set_org("org");
  connect.set_appkey("app");
  connect.set_user(user);
  connect.set_token("secret");
  connect.set_device(device);
  return connect;
}

inline std::string v2_connect(const Connect& connect, std::uint64_t id = 1, int version = 2) {
  v2::Command command;
  command.set_version(version);
  command.set_id(id);
  *command.mutable_connect() = connect;
  return v2_frame(command);
}

inline std::string v2_request(std::uint64_t id, Request::RequestType type,
                              const std::string& payload, bool offline = false) {
  v2::Command command;
  command.set_version(2);
  command.set_id(id);
  command.mutable_request()->set_type(type);
  command.mutable_request()->set_payload(payload);
  if (offline) command.mutable_request()->add_opts()->set_offline(true);
  return v2_frame(command);
}

inline Message message_to(const std::string& to, const std::string& payload) {
  Message message;
  message.set_to(to);
  message.set_payload(payload);
  return message;
}

inline std::string v2_message(std::uint64_t id, const Message& message, bool offline = false) {
  return v2_request(id, Request::MESSAGE, message.SerializeAsString(), offline);
}

inline std::string v2_disconnect() {
  v2::Command command;
  command.set_version(2);
  command.mutable_disconnect();
  return v2_frame(command);
}

inline std::string v1_frame(v1::Command::CommandType type, std::uint64_t id,
                            const std::string& payload) {
  v1::Command command;
  command.set_version(1);
  command.set_id(id);
  command.set_command(type);
  command.set_payload(payload);
  return framed(command.SerializeAsString());
}

// Payloads of the whole frames in `bytes`; what is left of a cut one stays in `bytes`.
inline std::vector<std::string> take_frames(std::string& bytes) {
  std::vector<std::string> frames;
  std::size_t at = 0;
  for (;;) {
    std::size_t length = 0;
    std::size_t cursor = at;
    int shift = 0;
    bool whole = false;
    while (cursor < bytes.size()) {
      const auto byte = static_cast<unsigned char>(bytes[cursor++]);
      length |= static_cast<std::size_t>(byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) {
        whole = true;
        break;
      }
    }
    if (!whole || bytes.size() - cursor < length) break;
    frames.push_back(bytes.substr(cursor, length));
    at = cursor + length;
  }
  bytes.erase(0, at);
  return frames;
}

inline v2::Command v2_parse(const std::string& frame) {
  v2::Command command;
  if (!command.ParseFromString(frame)) throw std::runtime_error("not a typed Command");
  return command;
}

inline v1::Command v1_parse(const std::string& frame) {
  v1::Command command;
  if (!command.ParseFromString(frame)) throw std::runtime_error("not an envelope Command");
  return command;
}

}  // namespace ims::test
