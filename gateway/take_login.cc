// The first frame: its edition, and a CONNECT for the worker of the user.
#include "gateway/gateway.h"
#include "shared/probes.h"

namespace ims::gateway {

// Until the frame was decoded the connection speaks the typed edition, version 2 (a v1 listener:
// the envelope, version 1): what on_accept set.
bool Gateway::take_first_frame(Connection& connection, ByteView frame) {
  if (frame.empty()) {
    protocol_error(connection, "the first frame is a heartbeat");
    return true;
  }
  Edition edition = connection.edition;
  if (config_.edition == EditionChoice::kAuto) edition = detect_edition(frame);
  Command command;
  if (decode_command(edition, frame, command) != DecodeStatus::kOk) {
    protocol_error(connection, command.why);
    return true;
  }
  connection.edition = edition;
  connection.version = command.version;
  switch (command.kind) {
    case CommandKind::kConnect:
      return take_connect(connection, command);
    case CommandKind::kDisconnect:
      begin_close(connection, CloseReason::kNormal, nullptr);
      return true;
    case CommandKind::kRequest:
    case CommandKind::kResponse:
      protocol_error(connection, "the first frame is not CONNECT");
      return true;
  }
  return true;
}

bool Gateway::take_connect(Connection& connection, const Command& command) {
  ConnectView connect;
  const DecodeStatus status = decode_connect(command.body, connect);
  if (status == DecodeStatus::kMalformed) {
    protocol_error(connection, "Connect does not decode");
    return true;
  }
  if (const Refusal refusal = check_connect(status, connect)) {
    ConAckFields answer;
    answer.code = refusal.code;
    answer.reason = refusal.reason;
    answer_login(connection, command.id, answer);
    begin_close(connection, CloseReason::kLoginFailed, nullptr);
    return true;
  }
  const std::uint64_t tenant_hash = hash_tenant(hash_seed_, connect.org, connect.appkey);
  const std::uint64_t user_hash = hash_name(hash_seed_, tenant_hash, NameKind::kUser, connect.user);
  const WorkerIndex home = worker_of(user_hash, static_cast<std::uint32_t>(workers_.size()));
  if (!ring_open(connection, home)) return false;
  RecordWriter writer(*workers_[home].requests, sizeof(LoginRecord) + command.body.size());
  if (!writer.ok()) {
    counters_.add(Counter::kRingFullRequests);
    IMS_PROBE(ring_full, 0, home);
    hold(connection, Hold::kRing, &workers_[home].held);
    return false;
  }
  LoginRecord record;
  record.header.kind = RecordKind::kLogin;
  record.connection = connection.id;
  record.request_id = command.id;
  record.tenant_hash = tenant_hash;
  record.user_hash = user_hash;
  record.trace = tracer_.next(record);
  if (record.trace != 0) record.header.flags |= kFlagTraced;
  record.connect_bytes = static_cast<std::uint32_t>(command.body.size());
  writer.header(record);
  writer.append(command.body);
  writer.commit();
  if (record.trace != 0) [[unlikely]] tracer_.enter(record.trace, Stage::kRequestRing);

  connection.session.value = command.id;
  connection.tenant_hash = tenant_hash;
  connection.user_hash = user_hash;
  connection.home = home;
  connection.awaits_login = true;
  connection.state = State::kLogin;
  connection.hold = Hold::kLogin;
  return true;
}

}  // namespace ims::gateway
