// Cursors: how far each device of a user is in each timeline, in memory while the user is, and
// their way to the store.
//
//   session's feeds ──ACK with an id──▶ put_cursor: the open batch, answered when it is durable
//     ▲  │ └──moved, half a second──▶ flush_cursors ──┘
//     │  └──the session ends──▶ User::cursors, dirty ──half a second──▶ flush_user
//     └──login: what is stored────┘
//
// Once: what a session's feed says of its device is not in User::cursors as well, unless it is what
// an earlier session left and waits to be stored. It is back there when the device's last session
// ends. A device with a session counts as known, however long ago its cursor was stored.
// A device that comes back within that time finds its cursor in memory; who comes and goes often
// costs two rows in half a second, however often that is.

#include <algorithm>

#include "logic/worker.h"

namespace ims::logic {
namespace {

// A session of the device has the cursor in its feed of that timeline.
bool has_cursor(const User& user, std::string_view device, std::uint64_t timeline,
                const Session* except = nullptr) {
  return std::ranges::any_of(user.sessions, [&](const Session* session) {
    return session->has_cursors && session != except && session->device == device &&
           session->find_feed(timeline) != nullptr;
  });
}

void drop_cursor(User& user, std::string_view device, std::uint64_t timeline) {
  CursorList& all = *user.cursors;
  if (all.empty()) return;
  if (DeviceCursor* const found = find_cursor(all, device, timeline)) all.erase(found);
  if (all.empty()) user.cursors.forget_room();
}

}  // namespace

void Worker::mark_dirty(Session& session, Feed& feed) {
  feed.set_dirty(true);
  visit_soon(session);
}

// flush_cursors() comes by.
void Worker::visit_soon(Session& session) {
  if (session.in_dirty_list) return;
  session.in_dirty_list = true;
  dirty_sessions_.push_back(session.connection);
}

// The highest cursor among the user's other sessions, whatever the store has heard of it; 0: none.
std::uint64_t Worker::live_cursor(const Session& but, std::uint64_t timeline) const {
  std::uint64_t cursor = 0;
  for (const Session* session : but.user->sessions) {
    if (session == &but) continue;
    const Feed* const feed = session->find_feed(timeline);
    if (feed != nullptr) cursor = std::max(cursor, feed->passed());
  }
  return cursor;
}

// The highest cursor among the device's sessions, of which `session` is at `cursor`: an older one
// may be flushed after a newer one.
std::uint64_t Worker::device_cursor(const Session& session, std::uint64_t timeline,
                                    std::uint64_t cursor) const {
  for (const Session* other : session.user->sessions) {
    if (other == &session || other->send_only || other->device != session.device) continue;
    const Feed* const feed = other->find_feed(timeline);
    if (feed != nullptr) cursor = std::max(cursor, feed->acked());
  }
  return cursor;
}

// ---- in memory ----------------------------------------------------------------------------------

// Not used within retention: the store drops such a row, so it counts no more.
bool Worker::is_forgotten(const DeviceCursor& cursor) const {
  return cursor.row.last_used_ms < retention_cutoff_ms();
}

std::uint8_t Worker::count_devices(const User& user) const {
  auto known = std::ranges::count_if(*user.cursors, [&](const DeviceCursor& cursor) {
    return cursor.timeline == user.id().value && !is_forgotten(cursor) &&
           !has_cursor(user, cursor.device, user.id().value);
  });
  for (auto at = user.sessions.begin(); at != user.sessions.end(); ++at) {
    const bool is_first = std::none_of(user.sessions.begin(), at, [&](const Session* before) {
      return before->has_cursors && before->device == (*at)->device;
    });
    known += (*at)->has_cursors && is_first ? 1 : 0;
  }
  return static_cast<std::uint8_t>(known);
}

// For one more device than max_known_devices: those that were not seen for longest and have no
// session are forgotten, with all their cursors.
void Worker::forget_oldest_devices(User& user) {
  while (count_devices(user) >= config_.max_known_devices) {
    const DeviceCursor* oldest = nullptr;
    for (const DeviceCursor& cursor : *user.cursors) {
      if (cursor.timeline != user.id().value || is_forgotten(cursor)) continue;
      if (session_of(user, cursor.device) != nullptr) continue;
      if (oldest == nullptr || cursor.row.last_used_ms < oldest->row.last_used_ms) {
        oldest = &cursor;
      }
    }
    if (oldest == nullptr) return;
    forget_device(user, std::string(oldest->device.view()));
  }
}

// In the open batch, and in memory.
void Worker::forget_device(User& user, std::string_view device) {
  for (const DeviceCursor& cursor : *user.cursors) {
    if (cursor.device != device) continue;
    ops().erase(Table::kCursors, cursor_key(user.inbox.key(), device, cursor.timeline));
  }
  drop_cursors(*user.cursors, device);
}

// A login of the device is durable.
void Worker::device_is_stored(User& user, std::string_view device) {
  if (user.cursors == nullptr) return;
  if (DeviceCursor* inbox = find_cursor(*user.cursors, device, user.id().value)) {
    inbox->stored = true;
  }
  for (Session* session : user.sessions) {
    if (session->has_cursors && session->device == device) session->device_stored = true;
  }
}

// A login of the device failed. Where it would have made the device known, it is not: its next
// login is that of a new device again. One that goes on beside it fails, or stores the device, too.
void Worker::forget_unstored(User& user, std::string_view device) {
  if (user.cursors == nullptr) return;
  const DeviceCursor* inbox = find_cursor(*user.cursors, device, user.id().value);
  if ((inbox != nullptr && inbox->stored) || session_of(user, device) != nullptr) return;
  drop_cursors(*user.cursors, device);
}

// ---- to the store -------------------------------------------------------------------------------

void Worker::put_cursor(User& user, std::string_view device, std::uint64_t timeline,
                        std::uint64_t seq) {
  const CursorRow row{now_.wall_ms, seq};
  if (has_cursor(user, device, timeline)) {
    drop_cursor(user, device, timeline);
  } else {
    DeviceCursor& cursor = cursor_of(*user.cursors, device, timeline);
    cursor.row = row;
    cursor.dirty = false;
  }
  store_cursor(user, device, timeline, row);
}

// Into the open batch.
void Worker::store_cursor(User& user, std::string_view device, std::uint64_t timeline,
                          CursorRow row) {
  note_change(user);
  ops().put(Table::kCursors, cursor_key(user.inbox.key(), device, timeline), encode_cursor(row));
}

void Worker::flush_cursors(Session& session) {
  session.in_dirty_list = false;
  User& user = *session.user;
  if (session.seen_due && ports_.store->has_space()) {
    // Its end may be a crash's: then this is what is known, and when the run ended.
    session.seen_due = false;
    user.online_boot = identity_.boot;
    user.last_seen_ms = std::max(user.last_seen_ms, now_.wall_ms);
    touch_head(user);
  }
  for (std::size_t i = 0; i < session.feed_count(); ++i) {
    Feed& feed = session.feed(i);
    feed.settle();
    if (!feed.dirty() || !session.in_use(i)) continue;
    feed.set_dirty(false);
    const std::uint64_t timeline = session.timeline(i).id;
    put_cursor(user, session.device, timeline, device_cursor(session, timeline, feed.acked()));
  }
  if (session.handed_count() == 0) session.handed.reset();
}

// A login: from here on the session's feeds are its device's cursors.
void Worker::take_cursors(Session& session) {
  User& user = *session.user;
  session.device_stored |= std::ranges::any_of(user.sessions, [&](const Session* other) {
    return other->device_stored && other->device == session.device;
  });
  const DeviceCursor* inbox = find_cursor(*user.cursors, session.device, user.id().value);
  session.device_stored |= inbox != nullptr && inbox->stored;
  session.has_cursors = true;
  drop_taken_cursors(user);
}

// What feeds say, and is in a batch, is not kept twice.
void Worker::drop_taken_cursors(User& user) {
  CursorList& all = *user.cursors;
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const DeviceCursor& cursor) {
                             return !cursor.dirty &&
                                    has_cursor(user, cursor.device, cursor.timeline);
                           }),
            all.end());
  if (all.empty()) user.cursors.forget_room();
}

// The session ends: where the device has no other, its cursors are the user's again; what moved is
// stored soon. A group's that is where the membership began says nothing.
void Worker::keep_cursors(Session& session) {
  User& user = *session.user;
  for (std::size_t i = 0; i < session.feed_count(); ++i) {
    const Feed& feed = session.feed(i);
    if (!session.in_use(i)) continue;
    const std::uint64_t timeline = session.timeline(i).id;
    if (has_cursor(user, session.device, timeline, &session)) continue;
    if (i > 0 && !feed.dirty() && feed.acked() < session.groups[i - 1].join_seq()) continue;
    DeviceCursor& cursor = cursor_of(*user.cursors, session.device, timeline);
    cursor.row = {now_.wall_ms, feed.acked()};
    cursor.dirty |= feed.dirty();
    cursor.stored = i == 0 && session.device_stored;
  }
}

// An earlier session of the device left the cursor in memory, not in a batch yet.
bool Worker::is_kept(const Session& session, std::uint64_t timeline) const {
  User& user = *session.user;
  if (!user.in_dirty_list) return false;
  const DeviceCursor* kept = find_cursor(*user.cursors, session.device, timeline);
  return kept != nullptr && kept->dirty;
}

void Worker::flush_soon(User& user) {
  if (user.in_dirty_list) return;
  user.in_dirty_list = true;
  pin(&user);
  dirty_users_.push_back(&user);
}

void Worker::flush_users() {
  for (User* user : std::exchange(dirty_users_, {})) {
    user->in_dirty_list = false;
    flush_user(*user);
    unpin(user);
  }
}

// Where a failed batch took the user's row out of memory, or the user is none, only what is known
// for certain is written.
void Worker::flush_user(User& user) {
  const bool exists = user.state == Entity::State::kReady || user.removed;
  if (exists) touch_head(user);
  if (user.cursors == nullptr || !user.id()) return;
  for (DeviceCursor& cursor : *user.cursors) {
    if (!cursor.dirty) continue;
    cursor.dirty = false;
    store_cursor(user, cursor.device, cursor.timeline, cursor.row);
  }
  drop_taken_cursors(user);
}

// A batch of the user's failed: what of it were cursors is stored once more.
void Worker::flush_again(User& user) {
  if (user.cursors == nullptr) return;
  for (DeviceCursor& cursor : *user.cursors) cursor.dirty = true;
  flush_soon(user);
}

}  // namespace ims::logic
