// What the kernel reports. Every completion passes here, once, in the backend's order; all
// branching on its kind is in the first function.
#include "gateway/owe.h"
#include "shared/assert.h"
#include "shared/probes.h"

#include <cerrno>

namespace ims::gateway {

void Gateway::on_completions(std::span<const Completion> completions, Now now) {
  begin(now);
  tracer_.turn_begins(now);
  counters_.add(Counter::kCompletions, completions.size());
  for (const Completion& completion : completions) {
    if (completion.op == IoOp::kAccept) {
      on_accept(completion);
      continue;
    }
    if (completion.connection == kNoConnection) continue;  // a refused client's close
    // A slot is released after kClosed alone, and the backend reports nothing after it.
    Connection* connection = table_.find(completion.connection);
    IMS_ASSERT(connection != nullptr && connection->socket >= 0);
    switch (completion.op) {
      case IoOp::kRecv:
        on_recv(*connection, completion);
        break;
      case IoOp::kSend:
        on_send(*connection, completion);
        break;
      case IoOp::kShutdown:
        on_shutdown(*connection, completion);
        break;
      case IoOp::kClosed:
        on_closed(*connection);
        break;
      case IoOp::kAccept:
      case IoOp::kStartRecv:
      case IoOp::kStopRecv:
      case IoOp::kCloseNow:
        IMS_ASSERT(false);  // requests only
    }
  }
}

void Gateway::on_accept(const Completion& completion) {
  Connection* connection = shutting_down_ ? nullptr : table_.try_acquire();
  if (connection == nullptr) {
    counters_.add(Counter::kAcceptErrors);
    requests_.push_back({IoOp::kCloseNow, completion.socket, kNoConnection, {}});
    return;
  }
  counters_.add(Counter::kAccepts);
  connection->state = State::kOpen;
  connection->socket = completion.socket;
  IMS_PROBE(open, connection->id.bits, completion.socket);
  connection->progress_ms = now_ms();
  if (config_.edition == EditionChoice::kV1) {
    connection->edition = Edition::kV1;
    connection->version = 1;
  }
  set_deadline(*connection, config_.login_timeout_ms);
  update_receive(*connection);
  update_accepting();
}

void Gateway::on_recv(Connection& connection, const Completion& completion) {
  counters_.add(Counter::kRecvs);
  if (completion.ended) {
    connection.recv_armed = false;
    connection.recv_stopping = false;
  }
  if (completion.result > 0) {
    IMS_ASSERT(static_cast<std::size_t>(completion.result) == completion.bytes.size());
    counters_.add(Counter::kBytesIn, completion.bytes.size());
    table_.liveness(connection).last_rx_ms = now_ms();
    if (connection.takes_frames()) feed(connection, completion.bytes);  // else discarded
  } else if (completion.result == 0) {
    on_eof(connection);
  } else if (completion.result == -ENOBUFS) {
    counters_.add(Counter::kEnobufs);
  } else if (completion.result != -ECANCELED) {
    connection.eof = true;  // reset, timed out: nothing will come or go any more
    abort(connection, CloseReason::kIoError);
  }
  update_receive(connection);
}

void Gateway::on_eof(Connection& connection) {
  connection.eof = true;
  if (connection.state == State::kDraining) {
    request_close(connection);
  } else if (connection.takes_frames() && connection.hold == Hold::kNone) {
    begin_close(connection, CloseReason::kPeerClosed, nullptr);  // a cut frame goes with it
  }
}

void Gateway::on_send(Connection& connection, const Completion& completion) {
  IMS_ASSERT(connection.send_in_flight);
  connection.send_in_flight = false;
  if (completion.result < 0) {
    if (completion.result != -ECANCELED) abort(connection, CloseReason::kIoError);
    return;
  }
  const auto bytes = static_cast<std::size_t>(completion.result);
  if (bytes < connection.queue.front().size()) counters_.add(Counter::kShortSends);
  counters_.add(Counter::kBytesOut, bytes);
  queue_bytes_ -= bytes;
  connection.progress_ms = now_ms();
  connection.stalled = false;
  const std::uint32_t rows = connection.queue.on_taken(pool_, bytes);
  if (rows != 0 || connection.drained_due || connection.unreported_rows != 0) {
    rows_taken(connection, rows);
  }
  if (connection.first_trace != 0) [[unlikely]] tracer_.taken(connection, bytes);

  if (connection.state == State::kReleasing) return;
  if (!connection.queue.empty()) mark_dirty(connection, !connection.owes_own);
  if (connection.takes_frames()) {
    if (connection.hold == Hold::kAnswers) serve_carry(connection);
  } else {
    continue_close(connection);
  }
}

}  // namespace ims::gateway
