// What the owner of a pair asks the other user's owner, and the cache of contact rows (contacts.h).
#include <algorithm>
#include <utility>

#include "logic/contacts.h"
#include "logic/find_entity.h"
#include "logic/worker.h"
#include "shared/limits.h"

namespace ims::logic {

// ---- the question -------------------------------------------------------------------------------

void Contacts::ask(const RequestRecord& record, User& home, std::string_view other,
                   std::uint64_t other_hash, bool adds_contact, bool adds_event,
                   bool home_was_full) {
  if (exchanges_.size() >= kContactExchangesMax) {
    return worker_.refuse(Worker::requester_of(record), Code::kOverloaded);
  }
  const std::uint64_t id = ++worker_.exchange_counter_;
  Exchange& exchange = exchanges_[id];
  exchange.record = as_text(bytes_of(record));
  exchange.deadline_ms = worker_.now_.mono_ms + kExchangeTimeoutMs;
  exchange.home = &home;
  exchange.other = other;
  exchange.adds_contact = adds_contact;
  exchange.home_was_full = home_was_full;
  worker_.pin(&home);
  ContactExchangeRecord question;
  question.exchange = id;
  question.user_hash = other_hash;
  question.tenant = home.tenant;
  question.worker = worker_.ports_.index;
  question.user_bytes = static_cast<std::uint8_t>(other.size());
  question.adds_contact = adds_contact;
  question.adds_event = adds_event;
  // No room: the exchange runs into its deadline and the client tries again.
  worker_.send_handoff(worker_of(other_hash, worker_.worker_count_), question,
                       HandoffKind::kAskContact, {other});
}

void Contacts::on_ask(const ContactExchangeRecord& record) {
  const ByteView bytes = bytes_of(record);
  RecordTail tail(record);
  const std::string_view name = tail.take_text(record.user_bytes);
  User& user = worker_.user_entry(record.tenant, record.user_hash, name);
  if (!worker_.ensure_loaded(user, bytes)) return;
  ContactExchangeRecord answer = record;
  answer.worker = worker_.ports_.index;
  answer.user_bytes = 0;
  answer.fact = ContactFact::kFree;
  if (user.state != Entity::State::kReady) {
    answer.fact = ContactFact::kAbsent;
  } else {
    if (!ensure(user, {}, bytes)) return;  // the counts
    const auto full = [&] {
      return user.inbox.row_count() >= worker_.config_.max_timeline_rows;
    };
    if (record.adds_event && full() && !worker_.ensure_fresh(user, user.inbox, bytes)) return;
    if (record.adds_event && full()) {
      answer.fact = ContactFact::kInboxFull;
    } else if (record.adds_contact) {
      if (user.contact_count + user.contacts_reserved() >= worker_.config_.max_contacts) {
        answer.fact = ContactFact::kAtContactLimit;
      } else {
        ++user.extra().contacts_reserved;
        worker_.pin(&user);
        reservations_.push_back({&user, worker_.now_.mono_ms + kExchangeTimeoutMs});
      }
    }
  }
  worker_.send_handoff(record.worker, answer, HandoffKind::kContactAnswer, {});
}

void Contacts::on_answer(const ContactExchangeRecord& record) {
  const auto it = exchanges_.find(record.exchange);
  if (it == exchanges_.end()) return;  // too late
  it->second.fact = record.fact;
  run_exchange(record.exchange);
}

// The request is handled once more and finds the fact. Where it has to park, the exchange stays
// until the replay is done with it.
void Contacts::run_exchange(std::uint64_t id) {
  const auto it = exchanges_.find(id);
  std::string record = it->second.record;
  User* home = it->second.home;
  reinterpret_cast<RequestRecord*>(record.data())->before_seq = id;  // CONTACT has no other use
  it->second.answered = true;  // from here on it ends with its request
  it->second.deadline_ms = worker_.now_.mono_ms + kExchangeTimeoutMs;
  worker_.pin(home);
  Entity* const outer = std::exchange(worker_.replaying_, home);  // in front of what waits for it
  handle(*reinterpret_cast<const RequestRecord*>(record.data()));
  worker_.replaying_ = outer;
  worker_.replay(*home);
  worker_.unpin(home);
}

void Contacts::run_behind(std::vector<std::string>& records) {
  for (const std::string& record : records) worker_.dispatch(as_bytes(record));
}

void Contacts::expire() {
  const std::int64_t now_ms = worker_.now_.mono_ms;
  for (auto it = exchanges_.begin(); it != exchanges_.end();) {
    if (now_ms < it->second.deadline_ms) {
      ++it;
      continue;
    }
    Exchange exchange = std::move(it->second);
    exchanges_.erase(it);
    if (!exchange.answered) {
      worker_.refuse(Worker::requester_of(record_as<RequestRecord>(as_bytes(exchange.record))),
                     Code::kUnavailable);
    }
    worker_.unpin(exchange.home);
    run_behind(exchange.behind);
    it = exchanges_.begin();  // those behind may have begun others
  }
  while (!reservations_.empty() && now_ms >= reservations_.front().until_ms) {
    User& user = *reservations_.front().user;
    --user.extra().contacts_reserved;
    user.trim_extra();
    worker_.unpin(&user);
    reservations_.pop_front();
  }
}

void Contacts::release_place(User& user) {
  const auto reserved =
      std::find_if(reservations_.begin(), reservations_.end(),
                   [&](const Reservation& reservation) { return reservation.user == &user; });
  if (reserved == reservations_.end()) return;
  --user.extra().contacts_reserved;
  user.trim_extra();
  worker_.unpin(&user);
  reservations_.erase(reserved);
}

// ---- the cache ----------------------------------------------------------------------------------

// Rows that are not in the cache are as the store has them: changes that are pending are never
// dropped from it. Absent ones cost a look at a filter.
bool Contacts::ensure(User& user, std::span<const std::string_view> names, ByteView record) {
  if (worker_.must_wait(user, record)) return false;
  if (user.counts_stale) {
    Load* load = worker_.make_load(Load::Kind::kEntity, Load::Reason::kReplay, &user);
    user.reading = true;
    worker_.start_load_quiet(load);
    if (!user.reading) return ensure(user, names, record);  // it was in memory
    worker_.park(user, record);
    return false;
  }
  if (names.empty()) return true;
  User::ContactMap& contacts = user.contacts();
  if (contacts.size() > kContactsCachedMax && worker_.replaying_ != &user &&
      !worker_.batch_is_pending(user.extra().contacts_batch)) {
    contacts.clear();
  }
  Load* load = nullptr;
  for (const std::string_view name : names) {
    if (contacts.contains(std::string(name))) continue;
    const std::string key = contact_key(user.inbox.key(), name);
    std::string value;
    const StoreStatus status =
        worker_.ports_.store->get(Table::kMeta, key, &value, ReadTier::kCacheOnly);
    if (status == StoreStatus::kOk || status == StoreStatus::kNotFound) {
      ContactRow row;
      if (status == StoreStatus::kOk) row = decode_contact(value).value_or(ContactRow{});
      contacts.try_emplace(std::string(name), row);
      continue;
    }
    if (load == nullptr) {
      load = worker_.make_load(Load::Kind::kGets, Load::Reason::kReplay, &user);
    }
    load->gets.push_back({Table::kMeta, key, {}, {}});
  }
  if (load == nullptr) return true;
  user.reading = true;
  worker_.park(user, record);
  worker_.start_load(load);
  return false;
}

void Contacts::take_loaded(User& user, const Load& load) {
  if (load.load_kind == Load::Kind::kEntity) {
    const auto row = decode_user(load.entity_value);
    if (row) {
      user.contact_count = row->contacts;
      user.blocked_count = row->blocked;
    }
    user.counts_stale = false;
    return;
  }
  User::ContactMap& contacts = user.contacts();
  for (const ReadJob::Get& get : load.gets) {
    if (get.table != Table::kMeta) continue;
    ContactRow row;
    if (get.status == StoreStatus::kOk) row = decode_contact(get.value).value_or(ContactRow{});
    contacts.try_emplace(std::string(name_of_member_key(get.key)), row);
  }
}

const ContactRow& Contacts::view(const User& user, std::string_view name) const {
  static const ContactRow kNone;
  const User::ContactMap* contacts = user.known_contacts();
  if (contacts == nullptr) return kNone;
  const auto it = contacts->find(std::string(name));
  return it == contacts->end() ? kNone : it->second;
}

}  // namespace ims::logic
