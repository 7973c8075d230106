// A logged-in device on one connection, and how far it is in each of its timelines.
//
// In each timeline a session is LIVE or in CATCHUP, never both:
//
//                 handed == head                         window, queue or ring full
//   CATCHUP  ──────────────────────▶  LIVE  ──────────────────────────────────────▶  CATCHUP
//   reads the store as it drains      is handed rows as they are committed
//
//   acked <= handed <= head           acked: the cursor; handed: the last row given to the gateway
//                                     (or passed over: own rows, rows that retention took)
//
// Window     At most push_window rows are handed and not taken by the kernel, per session; in
//            EXPLICIT mode also at most push_window pushed and not acknowledged, per timeline.
// Bytes      Handed and not taken: at most half of send_queue_bytes; one row always fits.
// Owner      The worker that owns the user.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "logic/compact_vector.h"
#include "logic/keys.h"
#include "logic/requester.h"
#include "logic/short_text.h"
#include "shared/codes.h"
#include "shared/ids.h"

namespace ims::logic {

struct User;
struct GroupHub;
struct PresenceHub;

struct SeqRange {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

// A session's place in one timeline.
struct Feed {
  TimelineKey timeline;
  GroupHub* hub = nullptr;     // the subscription; null: the inbox, or a membership that ended
  std::uint64_t acked = 0;     // the cursor
  std::uint64_t handed = 0;
  std::uint64_t join_seq = 1;  // the first row that this user may see
  std::uint64_t end_seq = 0;   // not 0: the last one; the membership ended
  std::uint32_t unacked = 0;   // pushed rows in (acked, handed]
  std::uint32_t hub_position = 0;
  bool in_use = true;
  bool live = false;
  bool dirty = false;  // the cursor moved and is not in a batch yet
  CompactVector<SeqRange> skips;  // passed over in (acked, handed], ascending, disjoint

  // Notes that [low, high] needs no push. low == handed + 1.
  void skip(std::uint64_t low, std::uint64_t high);
  // Moves the cursor to `seq` (<= handed, > acked), then over skips that touch it.
  void acknowledge(std::uint64_t seq);
  // As acknowledge(), for any `seq`: what was not handed yet will not be.
  void advance(std::uint64_t seq);
  // The cursor passes skipped rows once all before them is acknowledged.
  void absorb_skips();
  // Where the cursor stands once absorb_skips() was called.
  std::uint64_t passed() const noexcept;
  // Forgets everything above `seq` (>= acked): it was not pushed after all.
  void rewind(std::uint64_t seq, std::uint32_t pushed_above);
};

// A row that the gateway has and the kernel has not taken.
struct HandedRow {
  std::uint64_t seq = 0;
  std::uint32_t bytes = 0;
  std::uint32_t feed = 0;
};

// The order of the members is that of their sizes: there are as many of these as devices online.
struct Session {
  ConnectionId connection;
  SessionId id;
  User* user = nullptr;  // pinned
  ShortText device;
  SessionId waits_for;        // the session that this one replaced, until it ended
  std::int64_t wait_until_ms = 0;
  std::int64_t expires_ms = 0;  // token's exp; 0: never
  std::unique_ptr<Requester> login;  // who waits for the login answer, until it left
  std::uint64_t next_ordinal = 1;
  std::uint64_t taken_ordinal = 0;
  CompactVector<Feed> feeds;  // [0] is the inbox; none for send_only
  CompactVector<HandedRow> handed;  // from handed_head on; the row of taken_ordinal + 1 first
  std::unique_ptr<std::vector<PresenceHub*>> watches;  // null: never watched anybody
  std::size_t handed_bytes = 0;
  std::uint32_t handed_head = 0;
  std::uint32_t next_feed = 0;  // round robin
  std::uint32_t keepalive_s = 0;
  AckMode mode = AckMode::kAuto;
  bool send_only = false;
  bool answered = false;      // the login answer left: pushes may follow
  bool login_durable = false;  // what the login wrote, if anything, is
  bool closing = false;       // a Disconnect was sent: no pushes; kEnded will come
  bool refused = false;       // the gateway found no room; waits for kDrained
  bool restart = false;       // the next pushed row says so
  bool reading = false;       // True exactly while a page of this session is being read elsewhere
  bool in_pump_queue = false;
  bool in_dirty_list = false;
  bool seen_due = false;      // its user was seen: stored with the next cursors

  std::size_t handed_count() const noexcept { return handed.size() - handed_head; }
};

}  // namespace ims::logic
