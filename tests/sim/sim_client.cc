// Encoding, decoding and the order of frames (sim_client.h).
#include "tests/sim/sim_client.h"

#include <algorithm>
#include <utility>

#include "tests/gateway/wire_kit.h"

namespace ims::sim {
namespace {

enum Kind { kConnect = 0, kDisconnect = 1, kRequest = 2 };  // the envelope's numbers

}  // namespace

SimClient::SimClient(Model& model, test::SimIo& io, const Now& now, const ClientOptions& options)
    : model_(model), io_(io), now_(now), options_(options) {
  Model::Session session;
  session.tenant = options.tenant;
  session.user = options.user;
  session.device = options.device;
  session.explicit_mode = options.explicit_mode;
  session.send_only = options.send_only;
  session_ = model.open_session(session);
}

std::string SimClient::describe() const {
  return "session " + std::to_string(session_) + " " + std::to_string(options_.tenant) + "@" +
         options_.user + "/" + options_.device + (options_.envelope ? " v1" : " v2") +
         (options_.explicit_mode ? " explicit" : " auto") +
         (options_.send_only ? " send_only" : "") + (options_.without_ids ? " no-ids" : "") +
         (refused_ == 0 ? "" : " refused " + std::to_string(refused_)) +
         (disconnect_ < 0 ? "" : " disconnected " + std::to_string(disconnect_)) +
         (over_ && io_.ended(handle_) == test::SimIo::End::kRefused ? " not accepted" : "") +
         (over_ && io_.ended(handle_) == test::SimIo::End::kReset ? " reset" : "");
}

// ---- writing ------------------------------------------------------------------------------------

void SimClient::write_frame(std::uint64_t id, int kind, const std::string& body) {
  if (over_ || leaving_) return;
  if (options_.envelope) {
    v1::Command command;
    command.set_version(1);
    command.set_id(id);
    command.set_command(static_cast<v1::Command::CommandType>(kind));
    command.set_payload(body);
    return io_.write(handle_, test::framed(command.SerializeAsString()));
  }
  v2::Command command;
  command.set_version(2);
  command.set_id(id);
  if (kind == kConnect) command.mutable_connect()->ParseFromString(body);
  if (kind == kDisconnect) command.mutable_disconnect()->ParseFromString(body);
  if (kind == kRequest) command.mutable_request()->ParseFromString(body);
  io_.write(handle_, test::framed(command.SerializeAsString()));
}

void SimClient::connect(const std::string& token) {
  handle_ = io_.connect(options_.window_bytes);
  connected_ms_ = now_.mono_ms;
  Connect connect;
  connect.set_org("org" + std::to_string(options_.tenant));
  connect.set_appkey("app");
  connect.set_user(options_.user);
  connect.set_device(options_.device);
  connect.set_token(token);
  connect.set_ack(options_.explicit_mode ? Connect::EXPLICIT : Connect::AUTO);
  connect.set_send_only(options_.send_only);
  write_frame(kConnectId, kConnect, connect.SerializeAsString());
}

void SimClient::request(Request::RequestType type, const std::string& payload, bool offline,
                        Pending pending, bool with_answer) {
  if (over_ || leaving_) return;
  pending.type = type;
  Request request;
  request.set_type(type);
  request.set_payload(payload);
  if (offline) request.add_opts()->set_offline(true);
  std::uint64_t id = 0;
  if (with_answer) {
    if (options_.without_ids) {
      fifo_.push_back(std::move(pending));
    } else {
      id = next_id_++;
      pending_[id] = std::move(pending);
    }
  }
  write_frame(id, kRequest, request.SerializeAsString());
}

void SimClient::send_message(std::uint64_t token) {
  if (over_ || leaving_) return;
  const Model::Message& origin = model_.message(token);
  Message message;
  message.set_type(static_cast<Message::MessageType>(origin.type));
  message.set_payload(origin.payload);
  message.set_client_id(origin.client_id);
  if (origin.to.group) {
    message.set_group(origin.to.name);
  } else {
    message.set_to(origin.to.name);
  }
  if (options_.forges) {
    message.set_from("somebody");
    message.set_device("elsewhere");
    message.set_seq(4711);
    message.set_time_ms(1);
    message.set_peer_seq(12);
  }
  model_.sent(session_, token);
  if (origin.offline && !origin.client_id.empty()) unanswered_.push_back(token);
  Pending pending;
  pending.token = token;
  request(Request::MESSAGE, message.SerializeAsString(), origin.offline, std::move(pending));
}

void SimClient::send_ack(const TimelineName& timeline, std::uint64_t seq, bool with_answer) {
  if (over_ || leaving_) return;
  AckRequest ack;
  if (timeline.group) ack.set_group(timeline.name);
  ack.set_seq(seq);
  Pending pending;
  pending.timeline = timeline;
  pending.seq = seq;
  model_.sent_ack(session_, timeline, seq);
  if (options_.without_ids) {  // an ACK with id 0 has no answer: believed
    with_answer = false;
    acked_[timeline] = std::max(acked_[timeline], seq);
  }
  request(Request::ACK, ack.SerializeAsString(), false, std::move(pending), with_answer);
}

void SimClient::send_sync(const TimelineName& timeline, const SyncRequest& sync) {
  Pending pending;
  pending.timeline = timeline;
  pending.sync = sync;
  pending.recalls_then = model_.recalls_done();
  if (timeline.group) pending.sync.set_group(timeline.name);
  request(Request::SYNC, pending.sync.SerializeAsString(), false, pending);
}

void SimClient::send_group(const GroupRequest& group) {
  if (over_ || leaving_) return;
  Pending pending;
  pending.timeline = {options_.tenant, true, group.group()};
  pending.group = group;
  model_.sent_group(session_, pending.timeline, group.op());
  if (group.op() == GroupRequest::MEMBERS || group.op() == GroupRequest::LIST_MINE) listing_ = true;
  request(Request::GROUP, group.SerializeAsString(), false, std::move(pending));
}

void SimClient::send_contact(const ContactRequest& contact, bool final_list) {
  if (over_ || leaving_) return;
  Pending pending;
  pending.contact = contact;
  pending.final_list = final_list;
  if (contact.op() != ContactRequest::LIST) {
    pending.token = model_.contacts().sent(options_.tenant, options_.user, contact);
  }
  if (final_list) listing_ = true;
  request(Request::CONTACT, contact.SerializeAsString(), false, std::move(pending));
}

void SimClient::send_presence(const PresenceRequest& presence) {
  Pending pending;
  pending.presence = presence;
  for (const std::string& user : presence.users()) {
    if (presence.watch()) {
      watched_.insert(user);
      watching_.insert(user);
    } else {
      watching_.erase(user);
      told_.erase(user);
    }
  }
  request(Request::PRESENCE, presence.SerializeAsString(), false, pending);
}

void SimClient::send_heartbeat() {
  if (!takes_requests()) return;
  ++heartbeats_due_;
  io_.write(handle_, std::string(1, '\0'));
}

void SimClient::leave() {
  write_frame(0, kDisconnect, Disconnect().SerializeAsString());
  leaving_ = true;
}

void SimClient::half_close() {
  if (over_) return;
  io_.half_close(handle_);
  leaving_ = true;
}

void SimClient::reset() {
  io_.reset(handle_);
  over_ = true;
}

// ---- reading ------------------------------------------------------------------------------------

void SimClient::took() {
  if (over_) return;
  const std::string_view unread = io_.unread(handle_);
  if (unread.size() <= seen_unread_) return;  // less: the server's reset took it from the client
  stream_ += unread.substr(seen_unread_);
  taken_bytes_ += unread.size() - seen_unread_;
  seen_unread_ = unread.size();
  for (const std::string& frame : test::take_frames(stream_)) on_frame(frame);
}

void SimClient::read() {
  if (over_) return;
  read_bytes_ += io_.read(handle_).size();
  seen_unread_ = 0;
  for (; !arrived_.empty() && arrived_.front().end <= read_bytes_; arrived_.pop_front()) {
    std::uint64_t& newest = newest_[arrived_.front().timeline];
    if (newest < arrived_.front().seq) newest = arrived_.front().seq;
  }
  if (io_.ended(handle_) != test::SimIo::End::kOpen) finish();
}

// The server closed. If that was at the client's wish, everything it asked was answered.
void SimClient::finish() {
  over_ = true;
  if (io_.ended(handle_) != test::SimIo::End::kClosed) return;
  if (excused_) return;
  expect(stream_.empty(), describe() + ": the stream ends within a frame");
  if (disconnect_ >= 0) return;
  // login_timeout closes without a word: its first frame was not read in time.
  const bool timed_out = options_.memory_is_short && !answered_login_ &&
                         now_.mono_ms - connected_ms_ >= options_.login_timeout_ms;
  const bool never_in = !logged_in_ && (answered_login_ || timed_out);
  expect(leaving_ || never_in, describe() + ": closed without a word");
  if (!logged_in_) return;
  expect(idle() && heartbeats_due_ == 0, describe() + ": closed with " +
                                             std::to_string(pending()) + " requests unanswered");
}

void SimClient::on_frame(std::string_view frame) {
  expect(frame.size() <= options_.frame_bytes_max, describe() + ": a frame over max_frame_bytes");
  expect(disconnect_ < 0, describe() + ": a frame behind the Disconnect");
  if (frame.empty()) {
    expect(answered_login_, describe() + ": a heartbeat before the login answer");
    expect(heartbeats_due_-- > 0, describe() + ": a heartbeat that nobody sent");
    return;
  }
  const std::string bytes(frame);
  if (options_.envelope) {
    v1::Command command;
    const bool envelope = command.ParseFromString(bytes);
    // Before its first frame is decoded a connection speaks the typed edition.
    if (!answered_login_ && (!envelope || command.command() == v1::Command::CONNECT)) {
      v2::Command farewell;
      expect(farewell.ParseFromString(bytes) && farewell.has_disconnect() &&
                 farewell.version() == 2,
             describe() + ": the first frame is neither login answer nor Disconnect");
      return on_disconnect(farewell.disconnect());
    }
    expect(envelope && command.version() == 1, describe() + ": not an envelope Command");
    Response response;
    Request request;
    Disconnect disconnect;
    switch (command.command()) {
      case v1::Command::RESPONSE: {
        expect(response.ParseFromString(command.payload()), describe() + ": not a Response");
        if (answered_login_) return on_response(command.id(), response);
        ConAck answer;
        expect(answer.ParseFromString(response.payload()), describe() + ": not a ConAck");
        expect(answer.code() == response.code(), describe() + ": ConAck and Response differ");
        return on_login_answer(command.id(), answer);
      }
      case v1::Command::REQUEST:
        expect(request.ParseFromString(command.payload()), describe() + ": not a Request");
        expect(command.id() == 0, describe() + ": a push with an id");
        return on_push(request);
      case v1::Command::DISCONNECT:
        expect(disconnect.ParseFromString(command.payload()), describe() + ": not a Disconnect");
        return on_disconnect(disconnect);
      default: fail(describe() + ": a frame of a kind that is not the server's");
    }
  }
  v2::Command command;
  expect(command.ParseFromString(bytes) && command.version() == 2,
         describe() + ": not a typed Command");
  if (command.has_conack()) return on_login_answer(command.id(), command.conack());
  if (command.has_response()) return on_response(command.id(), command.response());
  if (command.has_disconnect()) return on_disconnect(command.disconnect());
  expect(command.has_request() && command.id() == 0, describe() + ": not a push");
  on_push(command.request());
}

bool SimClient::acked(const TimelineName& timeline) const {
  const auto newest = newest_.find(timeline);
  const auto acked = acked_.find(timeline);
  return newest == newest_.end() || (acked != acked_.end() && acked->second >= newest->second);
}

}  // namespace ims::sim
