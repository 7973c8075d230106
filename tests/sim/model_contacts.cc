// Contacts: what was asked and answered, and whether some order explains it (model_contacts.h).
#include "tests/sim/model_contacts.h"

#include <algorithm>

namespace ims::sim {
namespace {

constexpr std::size_t kCoursesMax = 20'000;  // beyond: the pair is not judged
using Ops = ContactRequest;
enum Code { kOk = 0, kForbidden = 4, kNotFound = 5, kAlreadyExists = 6, kOffline = 7,
            kUnavailable = 12 };

}  // namespace

// ---- while the world runs -----------------------------------------------------------------------

std::uint64_t ContactModel::sent(int tenant, const std::string& from,
                                 const ContactRequest& request) {
  Op op;
  op.tenant = tenant;
  op.from = from;
  op.to = request.user();
  op.note = request.note();
  op.op = request.op();
  op.target_exists = users_.contains({tenant, op.to});
  if (op.blocks()) {
    Block& block = blocks_[{tenant, from, op.to}];
    op.sole = block.under_way++ == 0;
    block.certain = Block::Certain::kNo;
    op.block_epoch = ++block.epoch;
    block.ever |= op.op == Ops::BLOCK;
  }
  moments_.push_back({Moment::Kind::kSent, ops_.size()});
  ops_.push_back(std::move(op));
  return ops_.size() - 1;
}

void ContactModel::answered(std::uint64_t number, int code, const ContactResult& result) {
  Op& op = ops_.at(number);
  op.code = code;
  moments_.push_back({Moment::Kind::kAnswered, number});
  if (code == kOk) {
    expect(result.contacts_size() == 1 && result.contacts(0).user() == op.to,
           text(op) + ": the answer is not the one contact");
    op.result = result.contacts(0);
  }
  if (!op.blocks() || code == kUnavailable) return;
  Block& block = blocks_[{op.tenant, op.from, op.to}];
  if (block.under_way > 0) --block.under_way;
  if (code != kOk || !op.sole || block.epoch != op.block_epoch) return;
  block.certain = op.op == Ops::BLOCK ? Block::Certain::kBlocked : Block::Certain::kFree;
  ++block.epoch;
}

void ContactModel::listed(int tenant, const std::string& user, const ContactResult& page) {
  auto& list = lists_[{tenant, user}];
  for (const Contact& contact : page.contacts()) {
    expect(list.emplace(contact.user(), contact).second, "LIST has " + contact.user() + " twice");
    expect(contact.state() != Contact::NONE || contact.blocked(),
           "LIST of " + user + " has " + contact.user() + ", who is nothing");
  }
}

ContactModel::Ticket ContactModel::message_sent(int tenant, const std::string& from,
                                                const std::string& to) {
  const PairName name{tenant, to, from};
  return {name, blocks_[name].epoch};
}

void ContactModel::message_answered(const Ticket& ticket, const Response& response) const {
  const Block& block = blocks_.at(ticket.block);
  const std::string where = "a message of " + std::get<2>(ticket.block) + " to " +
                            std::get<1>(ticket.block) + " ";
  const bool unchanged = block.epoch == ticket.epoch;
  if (response.code() == kForbidden) {
    expect(block.ever, where + "is FORBIDDEN though never blocked");
    expect(!unchanged || block.certain != Block::Certain::kFree,
           where + "is FORBIDDEN though unblocked");
  } else if (response.code() == kOffline || (response.code() == kOk && !response.duplicate())) {
    expect(!unchanged || block.certain != Block::Certain::kBlocked,
           where + "is not FORBIDDEN though blocked");
  }
}

void ContactModel::restarted() {
  lossy_ = true;
  barrier();
}

// A write that failed may still come back, until the next crash.
void ContactModel::settled() {
  if (!lossy_) barrier();
}

void ContactModel::barrier() {
  moments_.push_back({Moment::Kind::kBarrier, 0});
  for (auto& [name, block] : blocks_) block.under_way = 0;
}

// ---- events -------------------------------------------------------------------------------------

std::string ContactModel::text(const Op& op) const {
  return std::to_string(op.tenant) + "@" + op.from + " " +
         ContactRequest::Op_Name(static_cast<ContactRequest::Op>(op.op)) + " " + op.to + " (" +
         op.note + ", answered " + std::to_string(op.code) + ")";
}

void ContactModel::find_events(const Truth& truth) {
  std::map<std::string, std::size_t> by_note;
  for (std::size_t i = 0; i < ops_.size(); ++i) by_note[ops_[i].note] = i;
  std::map<PairName, std::size_t> places;
  for (const auto& [name, rows] : truth) {
    if (name.group) continue;
    for (const auto& [seq, row] : rows) {
      if (!row.event) continue;
      const std::string where = name.text() + " row " + std::to_string(seq) + ": ";
      const auto found = by_note.find(row.name);
      expect(found != by_note.end(), where + "an event that nobody caused");
      Op& op = ops_[found->second];
      expect(op.tenant == name.tenant && op.to == name.name && op.from == row.from,
             where + "the event of " + text(op));
      expect(op.event == 0, where + "a second event of " + text(op));
      expect(row.kind == op.op || (op.op == Ops::ADD && row.kind == Ops::ACCEPT),
             where + "another event than that of " + text(op));
      expect(!op.blocks(), where + "an event of " + text(op));
      expect(op.code == -1 || op.code == kOk || op.code == kUnavailable,
             where + "an event though refused: " + text(op));
      op.event = row.kind;
      ++events_;
      op.place = places[{op.tenant, op.from, op.to}]++;
    }
  }
  for (const Op& op : ops_) {
    expect(op.code != kOk || op.blocks() || op.event != 0, text(op) + " has no event");
  }
}

// ---- a pair as one object -----------------------------------------------------------------------

int ContactModel::seen_by(const State& state, int actor) {
  if (state.asked == 0) return Contact::NONE;
  if (state.asked == kFriends) return Contact::FRIEND;
  return state.asked == 1 + actor ? Contact::REQUESTED : Contact::PENDING;
}

// False: the operation would be refused there, or have another event.
bool ContactModel::apply(State& state, int actor, int op, int event) {
  const int view = seen_by(state, actor);
  if (op == Ops::BLOCK) {
    state.asked = 0;
    state.blocks[static_cast<std::size_t>(actor)] = true;
    return true;
  }
  if (op == Ops::UNBLOCK) {
    return std::exchange(state.blocks[static_cast<std::size_t>(actor)], false);
  }
  if (state.blocks[static_cast<std::size_t>(1 - actor)]) return false;
  switch (event) {
    case Ops::ADD:
      if (view != Contact::NONE) return false;
      state.asked = 1 + actor;
      return true;
    case Ops::ACCEPT:
      if (view != Contact::PENDING) return false;
      state.asked = kFriends;
      return true;
    case Ops::DECLINE:
      if (view != Contact::PENDING) return false;
      state.asked = 0;
      return true;
    default:
      if (view != Contact::FRIEND && view != Contact::REQUESTED) return false;
      state.asked = 0;
      return true;
  }
}

bool ContactModel::refusal_fits(const State& state, int actor, const Op& op) const {
  const int view = seen_by(state, actor);
  const bool blocked = state.blocks[static_cast<std::size_t>(1 - actor)];
  if (op.code == kForbidden) return blocked && !op.blocks();
  if (op.code == kNotFound && !op.target_exists) return true;
  if (op.code == kAlreadyExists) {
    return op.op == Ops::ADD && (view == Contact::REQUESTED || view == Contact::FRIEND);
  }
  if (op.op == Ops::ACCEPT || op.op == Ops::DECLINE) return view != Contact::PENDING;
  if (op.op == Ops::REMOVE) return view != Contact::FRIEND && view != Contact::REQUESTED;
  return op.op == Ops::UNBLOCK && !state.blocks[static_cast<std::size_t>(actor)];
}

// In `open` from its request on, until it happens: what has no event and did happen.
bool ContactModel::waits_to_happen(const Op& op) const {
  if (op.blocks() && op.code == kOk) return true;
  const bool refused =
      op.code == kForbidden || op.code == kNotFound || op.code == kAlreadyExists;
  return refused && !lossy_;
}

// All courses that follow by what may happen now.
void ContactModel::spread(Pair& pair) const {
  std::vector<Course> todo(pair.courses.begin(), pair.courses.end());
  const auto add = [&](Course course) {
    if (pair.courses.insert(course).second) todo.push_back(std::move(course));
  };
  const auto answer_fits = [&](const Op& op, const State& state, int actor) {
    return op.code != kOk ||
           (op.result.state() == seen_by(state, actor) &&
            op.result.blocked() == state.blocks[static_cast<std::size_t>(actor)]);
  };
  while (!todo.empty() && pair.courses.size() <= kCoursesMax) {
    const Course course = std::move(todo.back());
    todo.pop_back();
    for (const int actor : {0, 1}) {
      const auto who = static_cast<std::size_t>(actor);
      if (course.events[who] == pair.events[who].size()) continue;
      const std::size_t number = pair.events[who][course.events[who]];
      const Op& op = ops_[number];
      Course next = course;
      if (!pair.sent.contains(number) || !apply(next.state, actor, op.op, op.event)) continue;
      if (!answer_fits(op, next.state, actor)) continue;
      ++next.events[who];
      add(std::move(next));
    }
    for (const std::size_t number : course.open) {
      const Op& op = ops_[number];
      Course next = course;
      const bool fits = op.code == kOk
                            ? apply(next.state, pair.actor(op), op.op, 0) &&
                                  answer_fits(op, next.state, pair.actor(op))
                            : refusal_fits(next.state, pair.actor(op), op);
      if (!fits) continue;
      next.open.erase(number);
      add(std::move(next));
    }
    for (const auto& [actor, op] : pair.licenses) {
      Course next = course;
      if (apply(next.state, actor, op, 0)) add(std::move(next));
    }
  }
}

bool ContactModel::replay(const PairName& name, Pair& pair) const {
  const auto& [tenant, first, second] = name;
  const std::string where =
      "contacts of " + std::to_string(tenant) + "@" + first + " and " + second + ": ";
  pair.courses = {Course{}};
  const auto keep = [&](auto&& holds, const std::string& what) {
    spread(pair);
    if (pair.courses.size() > kCoursesMax) return false;
    std::erase_if(pair.courses, [&](const Course& course) { return !holds(course); });
    expect(!pair.courses.empty(), where + "no order of operations explains " + what);
    return true;
  };
  const auto happened = [&](const Course& course, std::size_t number) {
    const Op& op = ops_[number];
    if (op.event != 0) return course.events[static_cast<std::size_t>(pair.actor(op))] > op.place;
    return !course.open.contains(number);
  };
  for (const Moment& moment : pair.moments) {
    if (moment.kind == Moment::Kind::kBarrier) {
      const auto all = [&](const Course& course) {
        return std::all_of(pair.sent.begin(), pair.sent.end(),
                           [&](std::size_t number) { return happened(course, number); });
      };
      if (!keep(all, "what had happened before a restart or a calm")) return false;
      pair.licenses.clear();
      continue;
    }
    const Op& op = ops_[moment.op];
    if (moment.kind == Moment::Kind::kSent) {
      pair.sent.insert(moment.op);
      if (op.blocks() && (op.code == -1 || op.code == kUnavailable)) {
        pair.licenses.insert({pair.actor(op), op.op});
      }
      if (!waits_to_happen(op)) continue;
      std::set<Course> with;
      for (Course course : pair.courses) {
        course.open.insert(moment.op);
        with.insert(std::move(course));
      }
      pair.courses = std::move(with);
      continue;
    }
    if (op.code == kUnavailable) continue;
    const auto done = [&](const Course& course) { return happened(course, moment.op); };
    if (!keep(done, text(op))) return false;
  }
  const Contact* const one = listed_as(tenant, first, second);
  const Contact* const other = listed_as(tenant, second, first);
  State state;
  if (one != nullptr) {
    state.asked = one->state() == Contact::FRIEND      ? kFriends
                  : one->state() == Contact::REQUESTED ? 1
                  : one->state() == Contact::PENDING   ? 2
                                                       : 0;
  }
  state.blocks = {one != nullptr && one->blocked(), other != nullptr && other->blocked()};
  return keep(
      [&](const Course& course) {
        return course.state == state && course.open.empty() &&
               course.events[0] == pair.events[0].size() &&
               course.events[1] == pair.events[1].size();
      },
      "the final LISTs");
}

// ---- the verdict --------------------------------------------------------------------------------

const Contact* ContactModel::listed_as(int tenant, const std::string& user,
                                       const std::string& other) const {
  const auto list = lists_.find({tenant, user});
  if (list == lists_.end()) return nullptr;
  const auto contact = list->second.find(other);
  return contact == list->second.end() ? nullptr : &contact->second;
}

void ContactModel::check_mirrors(const PairName& name) const {
  const auto& [tenant, first, second] = name;
  static const Contact kNobody;
  const Contact* const one = listed_as(tenant, first, second);
  const Contact* const other = listed_as(tenant, second, first);
  const Contact& mine = one == nullptr ? kNobody : *one;
  const Contact& theirs = other == nullptr ? kNobody : *other;
  const Contact::State mirror = mine.state() == Contact::REQUESTED ? Contact::PENDING
                                : mine.state() == Contact::PENDING ? Contact::REQUESTED
                                                                   : mine.state();
  expect(theirs.state() == mirror && (mirror == Contact::NONE || mine.note() == theirs.note()),
         "LISTs of " + std::to_string(tenant) + "@" + first + " and " + second +
             " are no mirrors: " + std::to_string(mine.state()) + " " + mine.note() + ", " +
             std::to_string(theirs.state()) + " " + theirs.note());
}

void ContactModel::finish(const Truth& truth) {
  find_events(truth);
  std::map<PairName, Pair> pairs;
  const auto name_of = [](int tenant, const std::string& one, const std::string& other) {
    return PairName{tenant, std::min(one, other), std::max(one, other)};
  };
  for (const Op& op : ops_) {
    Pair& pair = pairs[name_of(op.tenant, op.from, op.to)];
    pair.first = std::min(op.from, op.to);
    pair.second = std::max(op.from, op.to);
  }
  for (const auto& [user, list] : lists_) {
    for (const auto& [other, contact] : list) {
      expect(pairs.contains(name_of(user.first, user.second, other)),
             "LIST of " + user.second + " has " + other + ", of whom nobody spoke");
    }
  }
  for (const Moment& moment : moments_) {
    if (moment.kind == Moment::Kind::kBarrier) {
      for (auto& [name, pair] : pairs) pair.moments.push_back(moment);
    } else {
      const Op& op = ops_[moment.op];
      pairs.at(name_of(op.tenant, op.from, op.to)).moments.push_back(moment);
    }
  }
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Op& op = ops_[i];
    if (op.event == 0) continue;
    Pair& pair = pairs.at(name_of(op.tenant, op.from, op.to));
    auto& events = pair.events[static_cast<std::size_t>(pair.actor(op))];
    if (events.size() <= op.place) events.resize(op.place + 1);
    events[op.place] = i;
  }
  for (auto& [name, pair] : pairs) {
    check_mirrors(name);
    if (!replay(name, pair)) ++not_judged_;
  }
}

}  // namespace ims::sim
