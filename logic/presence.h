// Who is there: asked once, or watched. Friends alone, and oneself.
//
//   who asks (PRESENCE)                      who is asked about, at that user's owner
//     contact rows: which are friends
//     kAskPresence, per owner ─────────────▶ sessions, last_seen; `watch`: this worker is told
//     the answer, once all came  ◀────────── kPresenceAnswer
//     a push to each watching session ◀───── kPresence, when the set of devices changed
//     the last watch here ended ── kUnwatch ▶
//
// Coalesced  A device that came is told after kPresenceSettleMs, one that went after
//            kPresenceGoneMs: who reconnects meanwhile makes no noise, and neither does one who is
//            replaced, since it is sets of devices that are compared.
// Limits     max_watches a session; kPresenceExchangesMax open questions, 5 s each (UNAVAILABLE).
//            A watched user costs one Subject at its owner and one Hub at each worker that watches;
//            a change costs one record per such worker, and one push per watching session. Nothing
//            is stored. A push that finds a slow reader's queue full is dropped like any relayed
//            message.
// Threads    The worker's. Part of it: uses its caches and rings.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "logic/entity.h"
#include "logic/handoff.h"
#include "logic/requester.h"
#include "logic/session.h"

namespace ims::logic {

class Worker;

// A user that sessions of this worker watch.
struct PresenceHub {
  TenantId tenant;
  std::uint64_t hash = 0;
  std::string name;
  std::vector<Session*> sessions;
};

class Presence {
 public:
  explicit Presence(Worker& worker) : worker_(worker) {}

  void handle(const RequestRecord& record);
  void on_ask(const PresenceRecord& record);
  void on_answer(const PresenceRecord& record);
  void on_change(const PresenceRecord& record);
  void on_unwatch(const PresenceRecord& record);

  // A session of the user began or ended.
  void touch(const User& user);
  // The session ends: it watches nobody any more.
  void end_session(Session& session);
  // `user` and `name` are no friends: none of user's sessions watches `name`.
  void end_between(const User& user, std::string_view name);
  void tick();
  bool quiet() const noexcept { return exchanges_.empty(); }
  std::int64_t next_due_ms() const noexcept { return next_due_ms_; }

 private:
  struct Exchange {
    Requester requester;
    std::int64_t deadline_ms = 0;
    std::uint32_t answers_due = 0;
    TenantId tenant;
    std::string list;     // what came, as in the records
    std::string changes;  // of anybody's, told while answers were due: newer than what came
  };
  // A user of this worker that somebody watches. Pinned.
  struct Subject {
    User* user = nullptr;
    std::vector<WorkerIndex> watchers;
    std::string told;               // what they know, presence_text.h
    std::int64_t due_ms = 0;        // look again then; 0: nothing changed
    bool waits_for_return = false;  // until due_ms
    bool uneven = false;            // who came meanwhile was answered something else than `told`
  };
  using Watches = std::vector<PresenceHub*>;
  using HubKey = std::pair<std::uint64_t, std::string>;  // name hash, tenant and name

  void ask(const RequestRecord& record, const User& user, bool watch,
           std::span<const std::string_view> names);
  void finish(std::uint64_t id);
  bool watch(Session& session, std::span<const std::string_view> names);
  void unwatch(Session& session, PresenceHub& hub);
  void drop_hub(PresenceHub& hub);
  std::string text_of(const User& user) const;
  bool tell(Subject& subject, const std::string& text);
  static HubKey key_of(TenantId tenant, std::uint64_t hash, std::string_view name);

  Worker& worker_;
  boost::unordered_flat_map<std::uint64_t, Exchange> exchanges_;
  std::map<HubKey, std::unique_ptr<PresenceHub>> hubs_;
  boost::unordered_flat_map<const User*, Subject> subjects_;
  // Of sessions that watch somebody, and have Session::watches.
  boost::unordered_flat_map<const Session*, Watches> watches_;
  std::int64_t next_due_ms_ = INT64_MAX;
};

}  // namespace ims::logic
