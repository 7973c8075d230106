// Contacts: the pairs of users whose owner this worker is, and the mirrors of other workers' pairs.
//
//   CONTACT ─▶ owner of the pair: the user with the smaller hash (shared/route.h). Everything about
//   two users is decided there, one thing after another, whoever asks.
//
//     ADD, BLOCK ── kAskContact ─▶ other's owner: exists? room?  ◀─ fact, a place reserved for 5 s
//     one batch: own contact row, own counts, own event row, outbox row
//     durable ──── kEffect ─────▶ other's owner: mirrored row, counts, event row, applied row
//     answer OK ◀─ kEffectDone ── durable there too
//
// Converges  The mirror only ever follows the pair's owner, in the order of its outbox; a crash in
//            between sends what is left again, and an applied row says what was applied already.
// Limits     kContactExchangesMax open questions, 5 s each (then UNAVAILABLE), kContactQueueMax
//            requests behind one pair's question; kContactWaitsMax changes that are durable here
//            and not yet at the other user: they hold, so their answer waits as long as that takes.
//            Above: OVERLOADED.
// Threads    The worker's. Part of it: uses its batches, caches and rings.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "logic/contact_rules.h"
#include "logic/entity.h"
#include "logic/handoff.h"
#include "logic/requester.h"

namespace ims::logic {

class Worker;
struct Load;

class Contacts {
 public:
  explicit Contacts(Worker& worker) : worker_(worker) {}

  void handle(const RequestRecord& record);
  void finish_page(Load* load);

  void on_ask(const ContactExchangeRecord& record);
  void on_answer(const ContactExchangeRecord& record);
  void expire();
  bool quiet() const noexcept { return exchanges_.empty() && waits_.empty(); }

  // The outbox row's effect is durable at the other user, or its own batch failed.
  void effect_done(std::uint64_t number);
  void effect_failed(std::uint64_t number);
  // The mirror of a pair that another worker owns, in the open batch.
  void apply(User& user, const OutboxRow& row);

  // How `user` sees `name`, pending changes included. ensure() false: the record was parked.
  bool ensure(User& user, std::span<const std::string_view> names, ByteView record);
  const ContactRow& view(const User& user, std::string_view name) const;
  void take_loaded(User& user, const Load& load);
  // True: `name` may not write to `user`. Only after ensure() where may_block() says so.
  static bool may_block(const User& user) noexcept {
    return user.blocked_count > 0 || user.counts_stale;
  }

 private:
  struct Call;
  struct Exchange {
    std::string record;  // the request that waits
    std::int64_t deadline_ms = 0;
    User* home = nullptr;  // pinned
    std::string other;
    bool answered = false;
    bool adds_contact = false;   // the other was asked for a place
    bool home_was_full = false;  // so it was not
    ContactFact fact{};
    std::vector<std::string> behind;  // requests about the same pair, in order
  };
  struct Wait {
    Requester requester;
    std::string payload;
  };
  struct Reservation {
    User* user;  // pinned
    std::int64_t until_ms;
  };

  void list(const RequestRecord& record, const Call& call);
  // False: the record was parked.
  bool change(const RequestRecord& record, const Call& call, User& home, const Exchange* exchange);
  void ask(const RequestRecord& record, User& home, std::string_view other,
           std::uint64_t other_hash, bool adds_contact, bool adds_event, bool home_was_full);
  void store(User& user, std::string_view name, const ContactRow& row, int contacts, int blocked);
  void append_event(User& user, ContactOp op, std::string_view by, UserId sender,
                    std::string_view note);
  void release_place(User& user);
  void run_exchange(std::uint64_t id);
  void run_behind(std::vector<std::string>& records);

  Worker& worker_;
  boost::unordered_flat_map<std::uint64_t, Exchange> exchanges_;
  boost::unordered_flat_map<std::uint64_t, Wait> waits_;  // by number of the outbox row
  std::deque<Reservation> reservations_;
};

}  // namespace ims::logic
