// ACK: moves a device's cursor, cumulative. Answered once the cursor is durable (id 0: not
// answered).
//
//   runs on   the owner of the session's user
//   asks      the group's owner where seq is above the heard head, or the group is none of the
//             session's

#include "logic/worker.h"
#include "shared/request_parts.h"

namespace ims::logic {

Feed* Worker::find_feed(Session& session, std::string_view group) {
  for (const Mine& mine : *session.user->mine) {
    if (mine.group_name != group) continue;
    for (Feed& feed : session.feeds) {
      if (feed.in_use && feed.timeline.id == mine.row.group.value &&
          &feed != &session.feeds.front()) {
        return &feed;
      }
    }
  }
  return nullptr;
}

void Worker::handle_ack(const RequestRecord& record) {
  const Requester to = requester_of(record);
  Session* session = find_session(record.connection);
  if (session == nullptr || session->id != record.session || session->feeds.empty()) {
    return refuse(to, Code::kUnsupported);
  }
  const std::string_view target = RequestParts(record).target();

  if ((record.header.flags & kFlagToGroup) == 0) {
    Feed& inbox = session->feeds[0];
    if (record.seq > session->user->inbox.durable.head) {
      return answer(to, Code::kBadRequest, "The seq is above the newest one.");
    }
    return ack_feed(*session, inbox, record.seq, to);
  }
  const ByteView bytes = bytes_of(record);
  if (!ensure_mine(*session->user, bytes)) return;
  Feed* feed = find_feed(*session, target);
  // Beyond what is known here the group's owner says why not: no member, dismissed, too high.
  if (feed == nullptr ||
      record.seq > (feed->end_seq == 0 ? feed_head(*session, *feed) : feed->end_seq)) {
    return ask_ack(record, target);
  }
  ack_feed(*session, *feed, record.seq, to);
}

void Worker::ack_feed(Session& session, Feed& feed, std::uint64_t seq, const Requester& to) {
  if (seq > feed.acked) {
    feed.advance(seq);
    enqueue_pump(session);
  }
  if ((to.flags & kFlagNoAnswer) != 0) {
    if (feed.dirty) mark_dirty(session, feed);
    return;
  }
  if (!feed.dirty && !is_kept(session, feed)) {
    // Durable already, or in a batch that is not yet: then the answer waits for that one.
    if (open_ == nullptr && in_flight_.empty() && committed_.empty()) {
      return answer(to, Code::kOk, {}, 0, 0);
    }
  } else {
    feed.dirty = false;
    put_cursor(*session.user, session.device, feed.timeline.id,
               device_cursor(session, feed.timeline.id));
    ++open_batch().messages;
  }
  Effect& effect = add_effect(Effect::Kind::kAnswer, session.user);
  wait_for_batch(effect, to);
}

}  // namespace ims::logic
