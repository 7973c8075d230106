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
#include <utility>
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

struct SeqRange {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

// How far a session is in one timeline: a word while acked == handed, which it is of nearly all;
// else the word is the address of a Lag, which settle() gives back.
class Feed {
 public:
  Feed() noexcept = default;
  explicit Feed(std::uint64_t cursor) { start(cursor); }
  Feed(Feed&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  Feed& operator=(Feed&& other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~Feed() { delete lag(); }

  std::uint64_t acked() const noexcept {  // the cursor
    return lag() == nullptr ? low_bits() : lag()->acked;
  }
  std::uint64_t handed() const noexcept { return lag() == nullptr ? low_bits() : lag()->handed; }
  std::uint32_t unacked() const noexcept {  // pushed rows in (acked, handed]
    return lag() == nullptr ? 0 : lag()->unacked;
  }
  std::size_t skip_count() const noexcept { return lag() == nullptr ? 0 : lag()->skips.size(); }
  bool live() const noexcept { return (word_ & kLive) != 0; }
  bool dirty() const noexcept { return (word_ & kDirty) != 0; }  // moved, not in a batch yet
  void set_live(bool on) noexcept { set(kLive, on); }
  void set_dirty(bool on) noexcept { set(kDirty, on); }

  // All up to `cursor` is handed and acknowledged.
  void start(std::uint64_t cursor);
  // `seq` > handed is pushed; what is between is passed over.
  void push(std::uint64_t seq);
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
  // Gives the Lag back where nothing lags. Not at once: the next row would make it anew.
  void settle() noexcept;

 private:
  struct Lag {
    std::uint64_t acked = 0;
    std::uint64_t handed = 0;
    std::uint32_t unacked = 0;
    CompactVector<SeqRange> skips;  // passed over in (acked, handed], ascending, disjoint
  };
  // A seq or an address in the low 48 bits. A seq that needs more has a Lag for ever.
  static constexpr std::uint64_t kLowBits = (std::uint64_t{1} << 48) - 1;
  static constexpr std::uint64_t kLagging = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kLive = std::uint64_t{1} << 62;
  static constexpr std::uint64_t kDirty = std::uint64_t{1} << 61;

  std::uint64_t low_bits() const noexcept { return word_ & kLowBits; }
  Lag* lag() const noexcept {
    return (word_ & kLagging) == 0 ? nullptr : reinterpret_cast<Lag*>(low_bits());
  }
  void set(std::uint64_t bit, bool on) noexcept { word_ = on ? word_ | bit : word_ & ~bit; }
  Lag& open();
  void absorb(Lag& lag);

  std::uint64_t word_ = 0;
};
static_assert(sizeof(Feed) == 8);

// In a group's timeline: of a member, who hears of new rows through the hub, or of who was one and
// still reads up to the end. Neither: not in use, the user joined anew.
class GroupFeed {
 public:
  GroupFeed(std::uint64_t cursor, std::uint64_t join_seq) : feed(cursor), join_seq_(join_seq) {}
  GroupFeed(GroupFeed&& other) noexcept
      : feed(std::move(other.feed)),
        hub_position(other.hub_position),
        link_(std::exchange(other.link_, 0)),
        join_seq_(other.join_seq_) {}
  GroupFeed& operator=(GroupFeed&& other) noexcept {
    feed = std::move(other.feed);
    hub_position = other.hub_position;
    std::swap(link_, other.link_);
    join_seq_ = other.join_seq_;
    return *this;
  }
  ~GroupFeed() { delete end(); }

  bool in_use() const noexcept { return link_ != 0; }
  GroupHub* hub() const noexcept {  // null: no member
    return (link_ & kEnded) != 0 ? nullptr : reinterpret_cast<GroupHub*>(link_);
  }
  std::uint64_t join_seq() const noexcept { return join_seq_; }  // the first row that they may see
  std::uint64_t end_seq() const noexcept {  // not 0: the last one; the membership ended
    return end() == nullptr ? 0 : end()->seq;
  }
  TimelineKey end_timeline() const noexcept { return end()->timeline; }
  void set_hub(GroupHub& hub) noexcept { link_ = reinterpret_cast<std::uintptr_t>(&hub); }
  void set_end(TimelineKey timeline, std::uint64_t end_seq) {
    auto* const made = new End{timeline, end_seq};
    set_unused();
    link_ = reinterpret_cast<std::uintptr_t>(made) | kEnded;
  }
  void set_unused() noexcept {
    delete end();
    link_ = 0;
  }

  Feed feed;
  std::uint32_t hub_position = 0;

 private:
  struct End {
    TimelineKey timeline;
    std::uint64_t seq;
  };
  static constexpr std::uintptr_t kEnded = 1;  // an address is even

  End* end() const noexcept {
    return (link_ & kEnded) == 0 ? nullptr : reinterpret_cast<End*>(link_ & ~kEnded);
  }

  std::uintptr_t link_ = 0;
  std::uint64_t join_seq_;
};
static_assert(sizeof(GroupFeed) == 32, "there is one per group of a session");

// A row that the gateway has and the kernel has not taken.
struct HandedRow {
  std::uint64_t seq = 0;
  std::uint32_t bytes = 0;
  std::uint32_t feed = 0;
};

// Those of a session.
struct HandedRows {
  CompactVector<HandedRow> rows;  // from head on; the row of taken_ordinal() + 1 first
  std::uint32_t head = 0;
  std::uint32_t bytes = 0;  // below 4 GiB: half of send_queue_bytes, and one row
};

// What a session needs until its login answer left.
struct LoginWait {
  Requester requester;
  SessionId waits_for;  // the session that this one replaced, until it ended
  std::int64_t wait_until_ms = 0;
  std::uint32_t keepalive_s = 0;
  std::vector<SessionId> unconfirmed = {};  // whose gateways have not heard of this device
};

// The order of the members is that of their sizes: there are as many of these as devices online.
struct Session {
  ConnectionId connection;
  SessionId id;
  User* user = nullptr;  // pinned
  ShortText device;
  std::unique_ptr<LoginWait> login;  // null exactly when answered
  std::int64_t expires_ms = 0;       // token's exp; 0: never
  std::uint64_t next_ordinal = 1;
  Feed inbox;                          // unused where send_only
  CompactVector<GroupFeed> groups;     // none for send_only
  std::unique_ptr<HandedRows> handed;  // null: none, for some time
  std::uint32_t next_feed = 0;         // round robin
  AckMode mode = AckMode::kAuto;
  bool send_only : 1 = false;
  bool answered : 1 = false;       // the login answer left: pushes may follow
  bool login_durable : 1 = false;  // what the login wrote, if anything, is
  bool closing : 1 = false;        // a Disconnect was sent: no pushes; kEnded will come
  bool refused : 1 = false;        // the gateway found no room; waits for kDrained
  bool restart : 1 = false;        // the next pushed row says so
  bool reading : 1 = false;        // exactly while a page of it is being read elsewhere
  bool in_pump_queue : 1 = false;
  bool in_dirty_list : 1 = false;
  bool seen_due : 1 = false;       // its user was seen: stored with the next cursors
  bool has_cursors : 1 = false;    // its device's cursors are those of its feeds (cursors.cc)
  bool device_stored : 1 = false;  // the store has had the device's inbox cursor
  bool watches : 1 = false;        // whom: presence.h

  std::size_t handed_count() const noexcept {
    return handed == nullptr ? 0 : handed->rows.size() - handed->head;
  }
  std::uint64_t taken_ordinal() const noexcept { return next_ordinal - 1 - handed_count(); }
  // Has its user, of so many devices, one that is not its own?
  bool copies_due(std::uint8_t devices) const noexcept { return devices > (send_only ? 0 : 1); }
  // The session that it replaced has not ended, or messages of others are not copied to it yet.
  bool waits() const noexcept {
    return login != nullptr && (login->waits_for || !login->unconfirmed.empty());
  }

  // Feeds by index: 0 is the inbox. None for send_only.
  std::size_t feed_count() const noexcept { return send_only ? 0 : 1 + groups.size(); }
  Feed& feed(std::size_t index) noexcept {
    return index == 0 ? inbox : groups[index - 1].feed;
  }
  const Feed& feed(std::size_t index) const noexcept {
    return index == 0 ? inbox : groups[index - 1].feed;
  }
  bool in_use(std::size_t index) const noexcept { return index == 0 || groups[index - 1].in_use(); }
  std::uint64_t end_seq(std::size_t index) const noexcept {
    return index == 0 ? 0 : groups[index - 1].end_seq();
  }
  TimelineKey timeline(std::size_t index) const noexcept;
  // The feed in use of that timeline; null: none.
  Feed* find_feed(std::uint64_t timeline) noexcept;
  const Feed* find_feed(std::uint64_t timeline) const noexcept {
    return const_cast<Session*>(this)->find_feed(timeline);
  }
};
static_assert(sizeof(Session) <= 96, "one of the allocator's classes; one per device online");

}  // namespace ims::logic
