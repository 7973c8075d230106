// ACK: moves a device's cursor, cumulative. Answered once the cursor is durable (id 0: not
// answered).
//
//   runs on   the owner of the session's user
//   asks      the group's owner where seq is above the heard head, or the group is none of the
//             session's

#include "logic/worker.h"
#include "shared/request_parts.h"

namespace ims::logic {

// The index of the session's feed of that group; 0: none.
std::size_t Worker::find_group_feed(const Session& session, std::string_view group) {
  for (const Mine& mine : *session.user->mine) {
    if (mine.group_name() != group) continue;
    for (std::size_t i = 1; i < session.feed_count(); ++i) {
      if (session.in_use(i) && session.timeline(i).id == mine.group().value) return i;
    }
  }
  return 0;
}

void Worker::handle_ack(const RequestRecord& record) {
  const Requester to = requester_of(record);
  Session* session = find_session(record.connection);
  if (session == nullptr || session->id != record.session || session->send_only) {
    return refuse(to, Code::kUnsupported);
  }
  const std::string_view target = RequestParts(record).target();

  if ((record.header.flags & kFlagToGroup) == 0) {
    if (record.seq > session->user->inbox.head()) {
      return answer(to, Code::kBadRequest, "The seq is above the newest one.");
    }
    return ack_feed(*session, 0, record.seq, to);
  }
  const ByteView bytes = bytes_of(record);
  if (!ensure_mine(*session->user, bytes)) return;
  const std::size_t feed = find_group_feed(*session, target);
  // Beyond what is known here the group's owner says why not: no member, dismissed, too high.
  if (feed == 0 || record.seq > feed_head(*session, feed)) return ask_ack(record, target);
  ack_feed(*session, feed, record.seq, to);
}

void Worker::ack_feed(Session& session, std::size_t feed_index, std::uint64_t seq,
                      const Requester& to) {
  Feed& feed = session.feed(feed_index);
  const std::uint64_t timeline = session.timeline(feed_index).id;
  if (seq > feed.acked()) {
    feed.advance(seq);
    enqueue_pump(session);
  }
  if ((to.flags & kFlagNoAnswer) != 0) {
    if (feed.dirty()) mark_dirty(session, feed);
    return;
  }
  if (!feed.dirty() && !is_kept(session, timeline)) {
    // Durable already, or in a batch that is not yet: then the answer waits for that one.
    if (open_ == nullptr && in_flight_.empty() && committed_.empty()) {
      return answer(to, Code::kOk, {}, 0, 0);
    }
  } else {
    feed.set_dirty(false);
    put_cursor(*session.user, session.device, timeline,
               device_cursor(session, timeline, feed.acked()));
    visit_soon(session);  // what lagged is settled then
    ++open_batch().messages;
  }
  Effect& effect = add_effect(Effect::Kind::kAnswer, session.user);
  wait_for_batch(effect, to);
}

}  // namespace ims::logic
