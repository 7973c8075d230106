// CONTACT at the owner of the pair: what is asked, whether it may be, what changes (contacts.h).
#include <algorithm>

#include "logic/contacts.h"
#include "logic/find_entity.h"
#include "logic/worker.h"
#include "shared/limits.h"
#include "shared/payload.h"
#include "shared/request_parts.h"
#include "shared/results.h"
#include "shared/route.h"

namespace ims::logic {
namespace {

std::string contact_result(std::string_view user, const ContactRow& row) {
  Buffer result;
  append_contact(result, {user, row.state, row.blocked, row.note});
  return std::string(as_text(result));
}

}  // namespace

// A request as its handlers read it.
struct Contacts::Call {
  ContactRequestView request;
  ContactOp op{};
  std::string_view from;
  std::string_view target;
  bool from_is_home = false;

  explicit Call(const RequestRecord& record) {
    const RequestParts parts(record);
    from = parts.from();
    target = parts.target();
    const DecodeStatus status = decode_contact_request(parts.payload(), request);
    IMS_ASSERT(status == DecodeStatus::kOk);  // the gateway checked it
    op = static_cast<ContactOp>(request.op);
    from_is_home = first_is_home(record.sender_hash, from, record.target_hash, target);
  }
  std::string_view home() const noexcept { return from_is_home ? from : target; }
  std::string_view other() const noexcept { return from_is_home ? target : from; }
};

void Contacts::handle(const RequestRecord& record) {
  const Call call(record);
  if (call.op == ContactOp::kList) return list(record, call);
  const std::uint64_t home_hash = call.from_is_home ? record.sender_hash : record.target_hash;
  User& home = worker_.user_entry(record.tenant, home_hash, call.home());
  if (!worker_.ensure_loaded(home, bytes_of(record))) return;
  const Requester to = Worker::requester_of(record);
  const Exchange* own = nullptr;
  for (auto& [id, exchange] : exchanges_) {
    if (exchange.home != &home || exchange.other != call.other()) continue;
    if (id == record.before_seq) {
      own = &exchange;
      continue;
    }
    if (exchange.behind.size() >= kContactQueueMax) return worker_.refuse(to, Code::kOverloaded);
    return exchange.behind.emplace_back(as_text(bytes_of(record))), void();
  }
  if (home.state == Entity::State::kAbsent) {
    worker_.refuse(to, Code::kNotFound);
  } else if (!change(record, call, home, own)) {
    return;
  }
  const auto done = exchanges_.find(record.before_seq);
  if (record.before_seq == 0 || done == exchanges_.end() || own == nullptr) return;
  std::vector<std::string> behind = std::move(done->second.behind);
  worker_.unpin(done->second.home);
  exchanges_.erase(done);
  run_behind(behind);
}

bool Contacts::change(const RequestRecord& record, const Call& call, User& home,
                      const Exchange* exchange) {
  const Requester to = Worker::requester_of(record);
  const std::string_view other = call.other();
  if (!ensure(home, {&other, 1}, bytes_of(record))) return false;
  const ContactRow before = view(home, other);
  const ContactRow mine = call.from_is_home ? before : before.mirrored();
  ContactStep step = contact_step(call.op, mine, call.request.note);
  if (step.code != Code::kOk) return worker_.answer(to, step.code, step.reason), true;

  const ContactRow after = call.from_is_home ? step.next : step.next.mirrored();
  const ContactRow other_before = before.mirrored();
  const ContactRow other_after = after.mirrored();
  const int home_contacts = int{after.listed()} - int{before.listed()};
  const int other_contacts = int{other_after.listed()} - int{other_before.listed()};
  const bool asks_for_room = step.event == ContactOp::kAdd;  // other events are always stored
  const bool home_is_told = !call.from_is_home && step.event != ContactOp::kList;
  const bool home_is_full = home_contacts > 0 && home.contact_count + home.contacts_reserved() >=
                                                     worker_.config_.max_contacts;
  if (!exchange && (call.op == ContactOp::kAdd || call.op == ContactOp::kBlock)) {
    const bool is_full = home_is_full && call.from_is_home;  // a place would be for nothing
    ask(record, home, other, call.from_is_home ? record.target_hash : record.sender_hash,
        other_contacts > 0 && !is_full, asks_for_room && call.from_is_home, is_full);
    return true;
  }
  if (exchange && exchange->fact == ContactFact::kAbsent) {
    return worker_.refuse(to, Code::kNotFound), true;
  }
  if (exchange && exchange->fact == ContactFact::kInboxFull && asks_for_room) {
    return worker_.answer(to, Code::kQueueFull, "The recipient's queue is full."), true;
  }
  const bool other_is_full =
      exchange && exchange->fact == ContactFact::kAtContactLimit && other_contacts > 0;
  const bool has_no_place = exchange && other_contacts > 0 && !exchange->adds_contact;
  if (home_is_full || other_is_full || (has_no_place && exchange->home_was_full)) {
    return worker_.answer(to, Code::kQueueFull, "One of you has too many contacts."), true;
  }
  // What it asked with was pending, and its batch has failed since.
  if (has_no_place) return worker_.refuse(to, Code::kUnavailable), true;
  if (home_is_told && asks_for_room &&
      home.inbox.row_count() >= worker_.config_.max_timeline_rows) {
    if (!worker_.ensure_fresh(home, home.inbox, bytes_of(record))) return false;
    if (home.inbox.row_count() >= worker_.config_.max_timeline_rows) {
      return worker_.answer(to, Code::kQueueFull, "The recipient's queue is full."), true;
    }
  }
  if (!worker_.ports_.store->has_space()) return worker_.refuse(to, Code::kUnavailable), true;
  if (worker_.outbox_size() >= kOutboxMax || waits_.size() >= kContactWaitsMax) {
    return worker_.refuse(to, Code::kOverloaded), true;
  }

  store(home, other, after, home_contacts, int{after.blocked} - int{before.blocked});
  OutboxRow row;
  row.kind = OutboxRow::Kind::kContact;
  row.tenant = home.tenant;
  row.user_name = other;
  row.other_name = home.name;
  row.contact = other_after;
  row.contacts_change = static_cast<std::int8_t>(other_contacts);
  row.blocked_change =
      static_cast<std::int8_t>(int{other_after.blocked} - int{other_before.blocked});
  if (call.from_is_home) {
    row.event = step.event;
    row.event_note = call.request.note;
    row.event_sender = record.sender;
  } else if (home_is_told) {
    append_event(home, step.event, call.from, record.sender, call.request.note);
  }
  const std::uint64_t number = worker_.add_outbox(home, row);
  waits_[number] = {to, contact_result(call.target, step.next)};
  return true;
}

// One contact row and what follows from it, in the open batch. An empty row is erased.
void Contacts::store(User& user, std::string_view name, const ContactRow& row, int contacts,
                     int blocked) {
  const std::string key = contact_key(user.inbox.key(), name);
  if (row.empty()) {
    worker_.ops().erase(Table::kMeta, key);
  } else {
    worker_.ops().put(Table::kMeta, key, encode_contact(row));
  }
  user.contact_count = static_cast<std::uint32_t>(static_cast<int>(user.contact_count) + contacts);
  user.blocked_count = static_cast<std::uint32_t>(static_cast<int>(user.blocked_count) + blocked);
  user.contacts()[std::string(name)] = row;
  user.extra().contacts_batch = worker_.open_->number;
  worker_.touch_head(user);
  if (row.state != ContactState::kFriend) worker_.presence_.end_between(user, name);
}

void Contacts::append_event(User& user, ContactOp op, std::string_view by, UserId sender,
                            std::string_view note) {
  ContactEventFields fields{op, by, note, 0, 0};
  fields.seq = worker_.append_row(user, user.inbox, fields.time_ms);
  const RowSlot slot =
      worker_.put_row(user, user.inbox, fields.seq, fields.time_ms, {}, sender,
                      RowKind::kContactEvent, push_contact_event_bytes(fields));
  write_push_contact_event(slot.body, fields);
}

// The mirror: the pair's owner has decided. A user that an operator removed keeps its rows.
void Contacts::apply(User& user, const OutboxRow& row) {
  store(user, row.other_name, row.contact, row.contacts_change, row.blocked_change);
  if (row.contacts_change > 0) release_place(user);
  if (row.event != ContactOp::kList) {
    append_event(user, row.event, row.other_name, row.event_sender, row.event_note);
  }
}

void Contacts::effect_done(std::uint64_t number) {
  const auto wait = waits_.find(number);
  if (wait == waits_.end()) return;
  worker_.answer(wait->second.requester, Code::kOk, {}, 0, 0, wait->second.payload);
  waits_.erase(wait);
}

void Contacts::effect_failed(std::uint64_t number) {
  const auto wait = waits_.find(number);
  if (wait == waits_.end()) return;
  worker_.refuse_failed(wait->second.requester);
  waits_.erase(wait);
}

// ---- LIST ---------------------------------------------------------------------------------------

void Contacts::list(const RequestRecord& record, const Call& call) {
  User& user = worker_.user_entry(record.tenant, record.target_hash, call.target);
  if (!worker_.ensure_loaded(user, bytes_of(record))) return;
  const Requester to = Worker::requester_of(record);
  if (user.state == Entity::State::kAbsent) return worker_.refuse(to, Code::kNotFound);
  Load* load = worker_.make_load(Load::Kind::kNamePage, Load::Reason::kContactsPage, &user);
  load->requester = to;
  load->listed_contacts = true;
  const std::string prefix = contact_key(user.inbox.key(), "");
  load->scan_from = prefix + std::string(call.request.cursor);
  if (!call.request.cursor.empty()) load->scan_from.push_back('\0');  // names hold no NUL
  load->scan_to = prefix_end(prefix);
  const std::uint32_t limit = call.request.limit;
  load->rows_max = limit == 0 ? kPageRowsDefault : std::min(limit, kPageRowsMax);
  worker_.start_load(load);
}

void Contacts::finish_page(Load* load) {
  if (load->status != StoreStatus::kOk) {
    return worker_.refuse(load->requester, Code::kUnavailable);
  }
  const std::size_t bytes_max =
      worker_.config_.max_frame_bytes - kContactTailBytesMax - kSmallAnswerBytes;
  Buffer& result = worker_.result_;
  result.clear();
  std::string last;
  bool more = load->more;
  for (const Load::Page& found : load->page) {
    const std::size_t name_bytes = static_cast<unsigned char>(found.value[0]);
    const std::string_view name = std::string_view(found.value).substr(1, name_bytes);
    const auto row = decode_contact(std::string_view(found.value).substr(1 + name_bytes));
    if (!row) continue;
    const std::size_t before = result.size();
    append_contact(result, {name, row->state, row->blocked, row->note});
    if (result.size() > bytes_max) {
      result.resize(before);
      more = true;
      break;
    }
    last = name;
  }
  append_contact_tail(result, more ? std::string_view(last) : std::string_view());
  worker_.answer(load->requester, Code::kOk, {}, 0, 0, as_text(result));
}

}  // namespace ims::logic
