// Frames of both editions (wire_client.h).
#include "tests/model/wire_client.h"

#include "tests/gateway/wire_kit.h"

namespace ims::model {
namespace {

constexpr std::uint64_t kConnectId = 77;
enum Command { kConnect = 0, kDisconnect = 1, kRequest = 2 };  // the envelope's numbers

template <typename Inner>
Inner parse(const std::string& bytes) {
  Inner inner;
  if (!inner.ParseFromString(bytes)) throw Difference("a frame that does not decode");
  return inner;
}

}  // namespace

std::string WireClient::frame(std::uint64_t id, int kind, const std::string& body) const {
  if (envelope_) {
    return test::v1_frame(static_cast<v1::Command::CommandType>(kind), id, body);
  }
  v2::Command command;
  command.set_version(2);
  command.set_id(id);
  if (kind == kConnect) command.mutable_connect()->ParseFromString(body);
  if (kind == kDisconnect) command.mutable_disconnect()->ParseFromString(body);
  if (kind == kRequest) command.mutable_request()->ParseFromString(body);
  return test::v2_frame(command);
}

std::string WireClient::connect_frame(const Connect& connect) const {
  return frame(kConnectId, kConnect, connect.SerializeAsString());
}

std::string WireClient::request_frame(const Request& request, std::uint64_t id) const {
  return frame(id, kRequest, request.SerializeAsString());
}

std::string WireClient::disconnect_frame() const {
  return frame(0, kDisconnect, Disconnect().SerializeAsString());
}

void WireClient::clear() {
  rows.clear();
  rows_order.clear();
  relayed.clear();
  presence.clear();
  responses.clear();
  login.reset();
  disconnect = -1;
}

void WireClient::feed(const std::string& bytes) {
  stream_ += bytes;
  for (const std::string& payload : test::take_frames(stream_)) on_frame(payload);
}

void WireClient::on_frame(const std::string& payload) {
  if (ended_) throw Difference("a frame behind the Disconnect");
  v2::Command command;
  if (envelope_) {
    const v1::Command outer = parse<v1::Command>(payload);
    command.set_version(outer.version() == 1 ? 2 : -1);
    command.set_id(outer.id());
    if (outer.command() == v1::Command::RESPONSE && !answered_) {
      const Response response = parse<Response>(outer.payload());
      *command.mutable_conack() = parse<ConAck>(response.payload());
      if (command.conack().code() != response.code()) throw Difference("two codes for one login");
    } else if (outer.command() == v1::Command::RESPONSE) {
      *command.mutable_response() = parse<Response>(outer.payload());
    } else if (outer.command() == v1::Command::REQUEST) {
      *command.mutable_request() = parse<Request>(outer.payload());
    } else if (outer.command() == v1::Command::DISCONNECT) {
      *command.mutable_disconnect() = parse<Disconnect>(outer.payload());
    }
  } else {
    command = parse<v2::Command>(payload);
  }
  if (command.version() != 2) throw Difference("a frame of another version");
  if (command.has_conack() == answered_) throw Difference("the login answer is not first and once");
  answered_ = true;
  if (command.has_conack()) {
    if (command.id() != kConnectId) throw Difference("the login answer has another id");
    login = command.conack();
  } else if (command.has_response()) {
    responses.emplace_back(command.id(), command.response());
  } else if (command.has_request()) {
    if (command.id() != 0) throw Difference("a push with an id");
    on_push(command.request());
  } else if (command.has_disconnect()) {
    disconnect = command.disconnect().code();
    ended_ = true;
  } else {
    throw Difference("a frame of no kind that is the server's");
  }
}

void WireClient::on_push(const Request& request) {
  Row row;
  row.type = request.type();
  std::string line;
  switch (request.type()) {
    case Request::MESSAGE:
      row.message = parse<Message>(request.payload());
      if (row.message.seq() == 0) return relayed.push_back(row.message);
      line = row.message.group();
      break;
    case Request::GROUP:
      row.group = parse<GroupEvent>(request.payload());
      line = row.group.group();
      break;
    case Request::CONTACT:
      row.contact = parse<ContactEvent>(request.payload());
      break;
    case Request::PRESENCE:
      return presence.push_back(parse<PresenceResult>(request.payload()));
    default:
      throw Difference("a push of another type");
  }
  rows[line].push_back(row);
  rows_order.push_back(line);
}

}  // namespace ims::model
