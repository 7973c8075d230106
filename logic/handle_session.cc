// What the gateway reports of a session: rows taken, refused, room again, the end. The cursors that
// follow from it are in cursors.cc.

#include <algorithm>

#include "logic/worker.h"

namespace ims::logic {
namespace {

// Room for rows on their way that a session keeps until its cursors are flushed: a burst to many
// would leave kilobytes at each of them.
constexpr std::size_t kHandedKeptMax = 16;

}  // namespace

void Worker::handle_session_record(ByteView bytes) {
  const auto& record = record_as<SessionRecord>(bytes);
  if (record.header.kind == RecordKind::kEnded) return on_ended(record);
  Session* session = find_session(record.connection);
  if (session == nullptr || session->id != record.session) return;
  if (record.header.kind == RecordKind::kCopiesSet) {
    return on_copies_set(*session->user, session->id);
  }
  if (session->send_only) return;
  switch (record.header.kind) {
    case RecordKind::kTaken: return on_taken(*session, record.ordinal);
    case RecordKind::kRefused: return on_refused(*session, record.ordinal);
    default: return on_drained(*session);
  }
}

void Worker::on_taken(Session& session, std::uint64_t ordinal) {
  if (session.handed != nullptr) {
    HandedRows& handed = *session.handed;
    while (session.taken_ordinal() < ordinal && handed.head < handed.rows.size()) {
      const HandedRow row = handed.rows[handed.head++];
      handed.bytes -= row.bytes;
      Feed& feed = session.feed(row.feed);
      if (session.mode == AckMode::kAuto && session.in_use(row.feed) && row.seq > feed.acked() &&
          row.seq <= feed.handed()) {
        feed.acknowledge(row.seq);
        mark_dirty(session, feed);
      }
    }
    if (handed.head == handed.rows.size()) {
      handed.rows.clear();
      handed.head = 0;
      if (handed.rows.capacity() > kHandedKeptMax) handed.rows = {};
      visit_soon(session);  // and the rest goes
    }
  }
  enqueue_pump(session);
}

// The gateway has no memory for the rows from `ordinal` on: they were not handed after all. Those
// before it wait in its queue: taken is only what kTaken or kEnded says.
void Worker::on_refused(Session& session, std::uint64_t ordinal) {
  IMS_ASSERT(ordinal > session.taken_ordinal() && ordinal <= session.next_ordinal);
  session.refused = true;
  if (session.handed == nullptr) return;  // then ordinal is the next one
  HandedRows& handed = *session.handed;
  const std::size_t kept = std::size_t{handed.head} + (ordinal - 1 - session.taken_ordinal());
  counters_.add(Counter::kRowsRefused, handed.rows.size() - kept);
  for (std::size_t i = handed.rows.size(); i > kept; --i) {
    const HandedRow row = handed.rows[i - 1];
    handed.bytes -= row.bytes;
    Feed& feed = session.feed(row.feed);
    if (session.in_use(row.feed)) feed.rewind(row.seq - 1, row.seq > feed.acked() ? 1 : 0);
  }
  handed.rows.resize(kept);
  session.next_ordinal = ordinal;
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
    for (std::size_t i = 0; i < session.feed_count(); ++i) session.feed(i).absorb_skips();
    session.inbox.set_dirty(true);  // last used: now
    // A newer session of the device may be further already: then its cursors are the ones to keep.
    for (Session* other : user.sessions) {
      if (other == &session || other->send_only || other->device != session.device) continue;
      for (std::size_t i = 0; i < session.feed_count(); ++i) {
        Feed& mine = session.feed(i);
        Feed* const theirs = other->find_feed(session.timeline(i).id);
        if (theirs == nullptr || theirs->acked() < mine.acked()) continue;
        if (mine.dirty()) mark_dirty(*other, *theirs);  // it may have been told, never stored
        mine.set_dirty(false);
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
  user.sessions.erase(&session);
  on_copies_set(user, session.id);

  for (Session* other : user.sessions) {
    if (other->send_only || session.send_only || other->device != session.device) continue;
    for (std::size_t i = 0; i < session.feed_count(); ++i) {
      const std::uint64_t acked = session.feed(i).acked();
      Feed* const theirs = other->find_feed(session.timeline(i).id);
      if (theirs == nullptr || !session.in_use(i) || acked <= theirs->acked()) continue;
      theirs->advance(acked);
      mark_dirty(*other, *theirs);
      enqueue_pump(*other);  // as after an ACK: its window may have opened
    }
    if (other->waits() && other->login->waits_for == session.id) {
      const Session* older = older_session(*other);
      other->login->waits_for = older == nullptr ? SessionId{} : older->id;
      send_login_answer(*other);
      enqueue_pump(*other);
    }
  }
  for (std::uint32_t i = 1; i < session.feed_count(); ++i) {
    if (session.groups[i - 1].hub() != nullptr) leave_hub(session, i);
  }
  presence_.end_session(session);
  if (!session.send_only) presence_.touch(user);
  unpin(&user);
  sessions_.erase(sessions_.find(session.connection));
  counters_.set(Counter::kSessions, sessions_.size());
}

// A replaced session whose client takes nothing may take long to end: its successor goes on
// without it. So does a new device without a gateway that says nothing for a second.
void Worker::end_waits() {
  std::erase_if(waiting_sessions_, [this](ConnectionId connection) {
    Session* session = find_session(connection);
    if (session == nullptr || !session->waits()) return true;
    if (now_.mono_ms < session->login->wait_until_ms) return false;
    session->login->waits_for = {};
    session->login->unconfirmed.clear();
    send_login_answer(*session);
    enqueue_pump(*session);
    return true;
  });
}

}  // namespace ims::logic
