// Cursors: how far each device of a user is in each timeline, in memory while the user is, and
// their way to the store.
//
//   session's feeds ──ACK with an id──▶ put_cursor: the open batch, answered when it is durable
//        │ └──moved, half a second──▶ flush_cursors ──┘
//        └──the session ends──▶ User::cursors, dirty ──half a second──▶ flush_user
//
// A device that comes back within that time finds its cursor in memory; who comes and goes often
// costs two rows in half a second, however often that is.

#include <algorithm>

#include "logic/worker.h"

namespace ims::logic {

void Worker::mark_dirty(Session& session, Feed& feed) {
  feed.dirty = true;
  if (session.in_dirty_list) return;
  session.in_dirty_list = true;
  dirty_sessions_.push_back(session.connection);
}

// The highest cursor among the user's sessions, whatever the store has heard of it; 0: none.
std::uint64_t Worker::live_cursor(const User& user, std::uint64_t timeline) const {
  std::uint64_t cursor = 0;
  for (const Session* session : user.sessions) {
    for (const Feed& feed : session->feeds) {
      if (feed.in_use && feed.timeline.id == timeline) cursor = std::max(cursor, feed.passed());
    }
  }
  return cursor;
}

// The highest cursor among the device's sessions: an older one may be flushed after a newer one.
std::uint64_t Worker::device_cursor(const Session& session, std::uint64_t timeline) const {
  std::uint64_t cursor = 0;
  for (const Session* other : session.user->sessions) {
    if (other->send_only || other->device != session.device) continue;
    for (const Feed& feed : other->feeds) {
      if (feed.in_use && feed.timeline.id == timeline) cursor = std::max(cursor, feed.acked);
    }
  }
  return cursor;
}

// ---- in memory ----------------------------------------------------------------------------------

// Not used within retention: the store drops such a row, so it counts no more.
bool Worker::is_forgotten(const DeviceCursor& cursor) const {
  return cursor.row.last_used_ms < retention_cutoff_ms();
}

std::uint8_t Worker::count_devices(const User& user) const {
  const auto known = std::ranges::count_if(*user.cursors, [&](const DeviceCursor& cursor) {
    return cursor.timeline == user.id.value && !is_forgotten(cursor);
  });
  return static_cast<std::uint8_t>(known);
}

// For one more device than max_known_devices: those that were not seen for longest and have no
// session are forgotten, with all their cursors.
void Worker::forget_oldest_devices(User& user) {
  while (count_devices(user) >= config_.max_known_devices) {
    const DeviceCursor* oldest = nullptr;
    for (const DeviceCursor& cursor : *user.cursors) {
      if (cursor.timeline != user.id.value || is_forgotten(cursor)) continue;
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
    ops().erase(Table::kCursors, cursor_key(user.inbox.key, device, cursor.timeline));
  }
  drop_cursors(*user.cursors, device);
}

// A login of the device is durable.
void Worker::device_is_stored(User& user, std::string_view device) {
  if (user.cursors == nullptr) return;
  if (DeviceCursor* inbox = find_cursor(*user.cursors, device, user.id.value)) {
    inbox->stored = true;
  }
}

// A login of the device failed. Where it would have made the device known, it is not: its next
// login is that of a new device again. One that goes on beside it fails, or stores the device, too.
void Worker::forget_unstored(User& user, std::string_view device) {
  if (user.cursors == nullptr) return;
  const DeviceCursor* inbox = find_cursor(*user.cursors, device, user.id.value);
  if ((inbox != nullptr && inbox->stored) || session_of(user, device) != nullptr) return;
  drop_cursors(*user.cursors, device);
}

// ---- to the store -------------------------------------------------------------------------------

void Worker::put_cursor(User& user, std::string_view device, std::uint64_t timeline,
                        std::uint64_t seq) {
  DeviceCursor& cursor = cursor_of(*user.cursors, device, timeline);
  cursor.row = {now_.wall_ms, seq};
  store_cursor(user, cursor);
}

// Into the open batch, as it is in memory.
void Worker::store_cursor(User& user, DeviceCursor& cursor) {
  cursor.dirty = false;
  note_change(user);
  ops().put(Table::kCursors, cursor_key(user.inbox.key, cursor.device, cursor.timeline),
            encode_cursor(cursor.row));
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
  for (Feed& feed : session.feeds) {
    if (!feed.dirty || !feed.in_use) continue;
    feed.dirty = false;
    put_cursor(user, session.device, feed.timeline.id, device_cursor(session, feed.timeline.id));
  }
}

// The session ends: what moved stays in memory, to be stored soon.
void Worker::keep_cursors(Session& session) {
  for (Feed& feed : session.feeds) {
    if (!feed.dirty || !feed.in_use) continue;
    DeviceCursor& cursor =
        cursor_of(*session.user->cursors, session.device, feed.timeline.id);
    cursor.row = {now_.wall_ms, device_cursor(session, feed.timeline.id)};
    cursor.dirty = true;
  }
}

// An earlier session of the device left the cursor in memory, not in a batch yet.
bool Worker::is_kept(const Session& session, const Feed& feed) const {
  const User& user = *session.user;
  if (!user.in_dirty_list) return false;
  const DeviceCursor* kept = find_cursor(*user.cursors, session.device, feed.timeline.id);
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
  if (user.cursors == nullptr || !user.id) return;
  for (DeviceCursor& cursor : *user.cursors) {
    if (cursor.dirty) store_cursor(user, cursor);
  }
}

// A batch of the user's failed: what of it were cursors is stored once more.
void Worker::flush_again(User& user) {
  if (user.cursors == nullptr) return;
  for (DeviceCursor& cursor : *user.cursors) cursor.dirty = true;
  flush_soon(user);
}

}  // namespace ims::logic
