// What a gateway tells the worker of a session about the rows it pushed: SessionRecords.
//
//   kTaken     half a window was taken, or the queue ran empty, or rows that were taken went
//              unreported for kTakenReportMs: the cursor of a client that reads no more must not
//              wait for it; at most once per turn
//   kRefused   rows from an ordinal on found no room
//   kDrained   there is room again; follows each kRefused once
//   kCopiesSet the connection's messages have kFlagCopies from here on, as was asked to be told
//   kEnded     the connection is gone, with the final ordinal; the last record of the connection
//
// A notice that finds the ring full stays owed by its connection, and the connection waits in a
// queue that is served before anything else takes room in that ring. Nothing is lost, nothing
// grows.
#include "gateway/gateway.h"

#include "shared/assert.h"
#include "shared/probes.h"

namespace ims::gateway {

// `rows` more stored rows were wholly taken by the kernel.
void Gateway::rows_taken(Connection& connection, std::uint32_t rows) {
  connection.taken_ordinal += rows;
  connection.unreported_rows = static_cast<std::uint16_t>(connection.unreported_rows + rows);
  check_drained(connection);
  if (connection.unreported_rows == 0 || connection.ended_told) return;
  if (connection.queue.empty() || connection.unreported_rows >= config_.push_window / 2) {
    connection.owes_taken = true;
    return send_notices(connection);
  }
  set_deadline(connection, kTakenReportMs);
}

// Rows were taken a while ago and neither more of them nor an empty queue reported them.
void Gateway::report_taken(Connection& connection) {
  if (connection.unreported_rows == 0 || connection.ended_told || connection.owes_taken) return;
  connection.owes_taken = true;
  send_notices(connection);
}

void Gateway::refuse_rows(Connection& connection) {
  connection.refusing = true;
  connection.owes_refused = true;
  connection.drained_due = true;
  send_notices(connection);
  check_drained(connection);
}

// There is room for rows again: nothing is queued, and answers that may come leave half of the
// queue.
void Gateway::check_drained(Connection& connection) {
  if (!connection.drained_due || connection.state != State::kOnline) return;
  if (!connection.queue.empty()) return;
  if (connection.reserved_bytes > config_.send_queue_bytes / 2) return;
  if (pool_.used_bytes() > queue_memory_max_ / 8 * 7) {
    return set_deadline(connection, DeadlineWheel::kTickMs);  // others hold the memory: look again
  }
  connection.drained_due = false;
  connection.owes_drained = true;
  send_notices(connection);
}

// Who has ended says so anyway.
void Gateway::confirm_copies(Connection& connection) {
  if (connection.ended_told || connection.owes_ended) return;
  connection.owes_copies = true;
  send_notices(connection);
}

// Called when nothing more will be sent. Idempotent.
void Gateway::tell_ended(Connection& connection) {
  if (connection.ended_told || connection.owes_ended) return;
  if (connection.session.value == 0 && !connection.awaits_login) {
    connection.ended_told = true;  // no worker knows of it
    return;
  }
  connection.owes_ended = true;
  send_notices(connection);
}

void Gateway::send_notices(Connection& connection) {
  if (connection.notice_queued) return;
  Worker& worker = workers_[connection.home];
  if (worker.notices.empty() && try_notices(connection)) return;
  connection.notice_queued = true;
  worker.notices.push(connection.id);
}

// Writes what is owed, in order. False: the ring is full, the rest stays owed.
bool Gateway::try_notices(Connection& connection) {
  ByteRing& ring = *workers_[connection.home].requests;
  const auto tell = [&](RecordKind kind, std::uint64_t ordinal) {
    RecordWriter writer(ring, sizeof(SessionRecord));
    if (!writer.ok()) {
      counters_.add(Counter::kRingFullRequests);
      IMS_PROBE(ring_full, 0, connection.home);
      return false;
    }
    SessionRecord record;
    record.header.kind = kind;
    record.connection = connection.id;
    if (!connection.awaits_login) record.session = connection.session;
    record.ordinal = ordinal;
    writer.header(record);
    writer.commit();
    return true;
  };
  if (connection.owes_taken && !connection.owes_ended) {
    if (!tell(RecordKind::kTaken, connection.taken_ordinal)) return false;
    connection.owes_taken = false;
    connection.unreported_rows = 0;
  }
  if (connection.owes_refused && !connection.owes_ended) {
    // Nothing was queued since the refusal, so the next ordinal is the one that was refused.
    const std::uint64_t refused = connection.taken_ordinal + connection.queue.rows() + 1;
    if (!tell(RecordKind::kRefused, refused)) return false;
    connection.owes_refused = false;
  }
  if (connection.owes_drained && !connection.owes_ended) {
    if (!tell(RecordKind::kDrained, connection.taken_ordinal)) return false;
    connection.owes_drained = false;
  }
  if (connection.owes_copies && !connection.owes_ended) {
    if (!tell(RecordKind::kCopiesSet, connection.taken_ordinal)) return false;
    connection.owes_copies = false;
  }
  if (connection.owes_ended) {
    if (!tell(RecordKind::kEnded, connection.taken_ordinal)) return false;
    connection.owes_ended = false;
    connection.ended_told = true;
  }
  return true;
}

void Gateway::retry_notices(Worker& worker) {
  while (!worker.notices.empty()) {
    const ConnectionId id = worker.notices.pop();
    Connection* connection = table_.find(id);
    IMS_ASSERT(connection != nullptr && connection->notice_queued);  // not released before
    if (!try_notices(*connection)) return worker.notices.push_front(id);
    connection->notice_queued = false;
    release_if_told(*connection);
  }
}

}  // namespace ims::gateway
