// What the gateway reports of a session: rows taken, refused, room again, the end. The cursors that
// follow from it are in cursors.cc.

#include <algorithm>

#include "logic/worker.h"

namespace ims::logic {
namespace {

// Room for rows on their way that an idle session keeps: a burst to many would leave kilobytes at
// each of them.
constexpr std::size_t kHandedKeptMax = 16;

}  // namespace

void Worker::handle_session_record(ByteView bytes) {
  const auto& record = record_as<SessionRecord>(bytes);
  if (record.header.kind == RecordKind::kEnded) return on_ended(record);
  Session* session = find_session(record.connection);
  if (session == nullptr || session->id != record.session || session->send_only) return;
  switch (record.header.kind) {
    case RecordKind::kTaken: return on_taken(*session, record.ordinal);
    case RecordKind::kRefused: return on_refused(*session, record.ordinal);
    default: return on_drained(*session);
  }
}

void Worker::on_taken(Session& session, std::uint64_t ordinal) {
  while (session.taken_ordinal < ordinal && session.handed_count() > 0) {
    const HandedRow row = session.handed[session.handed_head++];
    ++session.taken_ordinal;
    session.handed_bytes -= row.bytes;
    Feed& feed = session.feeds[row.feed];
    if (session.mode == AckMode::kAuto && feed.in_use && row.seq > feed.acked &&
        row.seq <= feed.handed) {
      feed.acknowledge(row.seq);
      mark_dirty(session, feed);
    }
  }
  if (session.handed_count() == 0) {
    session.handed.clear();
    session.handed_head = 0;
    if (session.handed.capacity() > kHandedKeptMax) session.handed = {};
  }
  enqueue_pump(session);
}

// The gateway has no memory for the rows from `ordinal` on: they were not handed after all. Those
// before it wait in its queue: taken is only what kTaken or kEnded says.
void Worker::on_refused(Session& session, std::uint64_t ordinal) {
  IMS_ASSERT(ordinal > session.taken_ordinal && ordinal <= session.next_ordinal);
  const std::size_t kept = std::size_t{session.handed_head} + (ordinal - 1 - session.taken_ordinal);
  counters_.add(Counter::kRowsRefused, session.handed.size() - kept);
  for (std::size_t i = session.handed.size(); i > kept; --i) {
    const HandedRow row = session.handed[i - 1];
    session.handed_bytes -= row.bytes;
    Feed& feed = session.feeds[row.feed];
    if (feed.in_use) feed.rewind(row.seq - 1, row.seq > feed.acked ? 1 : 0);
  }
  session.handed.resize(kept);
  session.next_ordinal = ordinal;
  session.refused = true;
}

void Worker::on_drained(Session& session) {
  if (!session.refused) return;
  session.refused = false;
  session.restart = true;
  enqueue_pump(session);
}

void Worker::on_ended(const SessionRecord& record) {
  const auto login = logins_.find(record.connection.bits);
  if (login != logins_.end()) login->second.gone = true;
  Session* session = find_session(record.connection);
  if (session == nullptr) return;
  if (!session->send_only) on_taken(*session, record.ordinal);
  end_session(*session);
}

void Worker::end_session(Session& session) {
  User& user = *session.user;
  if (!session.send_only) {
    for (Feed& feed : session.feeds) feed.absorb_skips();
    session.feeds[0].dirty = true;  // last used: now
    // A newer session of the device may be further already: then its cursors are the ones to keep.
    for (Session* other : user.sessions) {
      if (other == &session || other->send_only || other->device != session.device) continue;
      for (Feed& mine : session.feeds) {
        for (Feed& theirs : other->feeds) {
          if (theirs.timeline != mine.timeline || !theirs.in_use) continue;
          if (theirs.acked < mine.acked) continue;
          if (mine.dirty) mark_dirty(*other, theirs);  // it may have been told, never stored
          mine.dirty = false;
        }
      }
    }
    keep_cursors(session);
    user.last_seen_ms = now_.wall_ms;
    const bool is_last = std::none_of(
        user.sessions.begin(), user.sessions.end(),
        [&](const Session* other) { return other != &session && !other->send_only; });
    if (is_last) user.online_boot = 0;
    flush_soon(user);
  } else {
    --user.send_only_count;
  }
  user.sessions.erase(std::ranges::find(user.sessions, &session));

  for (Session* other : user.sessions) {
    if (other->send_only || session.send_only || other->device != session.device) continue;
    for (const Feed& mine : session.feeds) {
      for (Feed& theirs : other->feeds) {
        if (theirs.timeline == mine.timeline && mine.in_use && theirs.in_use &&
            mine.acked > theirs.acked) {
          theirs.advance(mine.acked);
          mark_dirty(*other, theirs);
          enqueue_pump(*other);  // as after an ACK: its window may have opened
        }
      }
    }
    if (other->waits_for == session.id) {
      const Session* older = older_session(*other);
      other->waits_for = older == nullptr ? SessionId{} : older->id;
      send_login_answer(*other);
      enqueue_pump(*other);
    }
  }
  for (std::uint32_t i = 0; i < session.feeds.size(); ++i) {
    if (session.feeds[i].hub != nullptr) leave_hub(session, i);
  }
  presence_.end_session(session);
  if (!session.send_only) presence_.touch(user);
  unpin(&user);
  sessions_.erase(sessions_.find(session.connection));
  counters_.set(Counter::kSessions, sessions_.size());
}

// A replaced session whose client takes nothing may take long to end: its successor goes on
// without it.
void Worker::end_waits() {
  std::erase_if(waiting_sessions_, [this](ConnectionId connection) {
    Session* session = find_session(connection);
    if (session == nullptr || !session->waits_for) return true;
    if (now_.mono_ms < session->wait_until_ms) return false;
    session->waits_for = {};
    send_login_answer(*session);
    enqueue_pump(*session);
    return true;
  });
}

}  // namespace ims::logic
