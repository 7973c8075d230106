// Bodies that a worker made, to the targets that it names: rows, and what is relayed to groups.
// Each edition's frame is made once; for several targets as a whole, so that each gets one copy.
#include <cstring>

#include "gateway/owe.h"
#include "shared/assert.h"
#include "shared/probes.h"

namespace ims::gateway {
namespace {

// What clients of one edition and version are sent: `head`, then `body`.
struct PushFrame {
  std::int32_t version = 0;
  bool made = false;
  ByteView head;
  ByteView body;
  std::byte header[kOuterHeaderBytesMax];

  std::size_t bytes() const noexcept { return head.size() + body.size(); }
};

// `whole`: where to put the frame in one piece; null: not.
void make_frame(PushFrame& frame, Outer outer, ByteView body, std::vector<std::byte>* whole) {
  std::byte* const end =
      write_outer_header(frame.header, outer, ServerFrame::kRequest, 0, body.size());
  frame.head = {frame.header, end};
  frame.body = body;
  if (whole != nullptr) {
    whole->assign(frame.head.begin(), frame.head.end());
    whole->insert(whole->end(), body.begin(), body.end());
    frame.head = *whole;
    frame.body = {};
  }
  frame.version = outer.version;
  frame.made = true;
}

}  // namespace

IMS_INLINE void Gateway::append_push(Connection& connection, ByteView head, ByteView body, bool row,
                                     bool fanout) {
  const std::size_t bytes = head.size() + body.size();
  std::byte* const at = owe(connection, bytes);
  std::memcpy(at, head.data(), head.size());
  if (!body.empty()) std::memcpy(at + head.size(), body.data(), body.size());
  owed(connection, bytes, row, fanout);
}

// False: its fan-out goes on next turn.
bool Gateway::on_push(Worker& worker, const PushRecord& record) {
  RecordTail tail(record);
  const ByteView targets = tail.take(record.target_count * sizeof(PushTarget));
  const ByteView body = tail.take(record.body_bytes);
  const bool stored = (record.header.flags & kFlagStored) != 0;
  const bool fanout = record.target_count > 1 || (record.header.flags & kFlagToMany) != 0;

  PushFrame frames[2];  // by edition
  const std::uint64_t queued_before = queue_bytes_;
  std::size_t copied_bytes = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dropped = 0;
  bool done = true;
  while (worker.next_target < record.target_count) {
    if (copied_bytes >= kPushBytesPerTurn ||
        (fanout && fanout_targets_++ >= kFanoutTargetsPerTurnMax)) {
      done = false;
      break;
    }
    PushTarget target;
    std::memcpy(&target, targets.data() + worker.next_target * sizeof target, sizeof target);
    ++worker.next_target;
    Connection* connection = table_.find(target.connection);
    if (connection == nullptr || connection->state != State::kOnline) {
      ++dropped;
      continue;
    }
    const std::size_t edition = connection->edition == Edition::kV1 ? 0 : 1;
    PushFrame& frame = frames[edition];
    if (!frame.made || frame.version != connection->version) [[unlikely]] {
      make_frame(frame, connection->outer(), body,
                 record.target_count > 1 ? &whole_frames_[edition] : nullptr);
    }
    copied_bytes += frame.bytes();
    if (stored) {
      push_stored(*connection, target.ordinal, frame.head, frame.body, fanout);
    } else if (relayed_has_room(*connection, frame.bytes())) {
      ++delivered;
      append_push(*connection, frame.head, frame.body, false, fanout);
    } else {
      ++dropped;
    }
  }
  copied_bytes_ += copied_bytes;
  counters_.add(Counter::kPayloadBytesCopied, queue_bytes_ - queued_before);
  if (delivered != 0) counters_.add(Counter::kRelayedDelivered, delivered);
  if (dropped != 0) {
    counters_.add(stored ? Counter::kRecordsStale : Counter::kRelayedDropped, dropped);
  }
  if (done) worker.next_target = 0;
  return done;
}

// A row is queued or refused, never dropped silently: after a refusal all later rows are left out
// until the worker starts again at the first one that was refused.
void Gateway::push_stored(Connection& connection, std::uint64_t ordinal, ByteView head,
                          ByteView body, bool fanout) {
  if (connection.refusing) {
    if ((ordinal & kTargetRestart) == 0) {
      counters_.add(Counter::kRowsRefused);
      return;
    }
    connection.refusing = false;
  }
  const std::uint64_t expected = connection.taken_ordinal + connection.queue.rows() + 1;
  IMS_ASSERT((ordinal & ~kTargetRestart) == expected);
  const std::size_t bytes = head.size() + body.size();
  const std::size_t after = connection.queue.bytes() + connection.reserved_bytes + bytes;
  if (after > config_.send_queue_bytes || !queue_memory_left(bytes)) {
    counters_.add(Counter::kRowsRefused);
    IMS_PROBE(slow, connection.id.bits, 1, after);
    refuse_rows(connection);
    return;
  }
  counters_.add(Counter::kRowsPushed);
  append_push(connection, head, body, true, fanout);
}

}  // namespace ims::gateway
