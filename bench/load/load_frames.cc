// What comes back: every frame against the rules (load.h).
#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "bench/load/load.h"

namespace ims::bench {
namespace {

std::string place_text(const Content& content) {
  return "message " + std::to_string(content.number);
}

}  // namespace

void Load::on_frame(std::uint32_t index, ByteView frame) {
  const UserState state = users_[index].state;
  const bool login = state == UserState::kLoggingIn;
  const Seen seen = see_frame(options_.floor, edition_, frame, login);
  if (seen.kind != Seen::Kind::kOther) heard_ns_ = now_ns();
  switch (seen.kind) {
    case Seen::Kind::kAnswer:
      if (login) return on_login_answer(index, seen);
      if (options_.floor || seen.id >= kMessageIdFirst) return on_answer(index, seen);
      return on_request_answer(index, seen);
    case Seen::Kind::kMessage:
      return on_message(index, seen);
    case Seen::Kind::kGroupEvent:
      return on_group_event(index, seen);
    case Seen::Kind::kOther:
      return;
    case Seen::Kind::kFarewell:
      if (!started_) throw std::runtime_error("the server said: " + std::string(seen.reason));
      return breach(Rule::kDisconnected, named(index) + " was told: " + std::string(seen.reason));
    case Seen::Kind::kBroken:
      return breach(Rule::kProtocol, "a frame to " + named(index) + " does not decode");
  }
}

void Load::settle(std::uint32_t sender, Sent& sent) {
  if (!sent.settled()) return;
  --open_;
  const Sent done = sent;
  users_[sender].outbox.drop_settled();
  on_settled(sender, done);
}

void Load::on_answer(std::uint32_t index, const Seen& seen) {
  User& user = users_[index];
  const std::uint32_t number =
      options_.floor ? user.floor_answers++
                     : user.outbox.first_number() +
                           (static_cast<std::uint32_t>(seen.id - kMessageIdFirst -
                                                       user.outbox.first_number()) &
                            kNumberMask);
  Sent* sent = user.outbox.find(number);
  if (sent == nullptr) {
    const std::uint32_t first = user.outbox.first_number();
    const std::uint32_t behind = (first - number) & kNumberMask;
    const bool was_sent = behind != 0 && behind <= first;
    return breach(was_sent ? Rule::kAnswerTwice : Rule::kAnswerUnknown,
                  named(index) + ": id " + std::to_string(seen.id) + " is not open");
  }
  if (sent->answered) {
    return breach(Rule::kAnswerTwice, named(index) + ": message " + std::to_string(number));
  }
  sent->answered = true;
  tally().answered(seen.code, sent->intended_ns, sent->sent_ns, now_ns());
  const Stream& stream = streams_.all()[sent->stream];
  if (seen.code != Code::kOk) {
    if (seen.code != Code::kOffline || !may_be_away(stream, *sent)) {
      breach(Rule::kRefused, named(index) + ": message " + std::to_string(number) + ": code " +
                                 std::to_string(static_cast<int>(seen.code)) + " " +
                                 std::string(seen.reason));
    }
    if (!stream.relayed_to_away) {
      due_ -= receivers_of(stream);
      streams_.refuse(sent->stream, sent->place);
    }
    sent->awaited = 0;
  } else if (is_stored(stream) != (seen.seq != 0)) {
    breach(Rule::kSeq, named(index) + ": answered seq " + std::to_string(seen.seq));
  } else if (seen.seq != 0) {
    if (sent->seq != 0 && sent->seq != seen.seq) {
      breach(Rule::kSeq, named(index) + ": answered seq " + std::to_string(seen.seq) +
                             ", delivered as " + std::to_string(sent->seq));
    }
    sent->seq = seen.seq;
    if (stream.to_group) {
      const Group& group = streams_.groups()[stream.target];
      const std::uint32_t at = streams_.position(group, index);
      streams_.timeline(stream.target, at).add(seen.seq);
    }
  } else if (may_be_away(stream, *sent)) {
    sent->awaited = 0;  // it may come, and may not
  }
  settle(index, *sent);
  on_answered(index);
}

// ---- deliveries --------------------------------------------------------------------------------

bool Load::is_from(const Seen& seen, const Stream& stream) const {
  if (options_.floor) return true;
  if (seen.from != UserName(number_of(stream.sender)).view()) return false;
  return stream.to_group ? seen.group == name_of_group(stream.target).view() : seen.group.empty();
}

// Its messages have seqs, in answers and deliveries; others have none.
bool Load::is_stored(const Stream& stream) const {
  return !stream.relayed_to_away && (options_.offline || all_stored_);
}

// Rows of an inbox come one after the other; false: again, which EXPLICIT allows at a login.
bool Load::take_inbox_seq(std::uint32_t index, std::uint64_t seq) {
  User& user = users_[index];
  if (explicit_acks_ && !user.ack_due) {
    user.ack_due = true;
    ack_due_.push_back(index);
  }
  if (seq == user.inbox_last + 1) {
    user.inbox_last = seq;
    return true;
  }
  if (seq <= user.inbox_last) {
    if (explicit_acks_ && seq > user.acked) {
      ++repeated_;
      return false;
    }
    breach(Rule::kSeq, named(index) + ": seq " + std::to_string(seq) + " behind " +
                           std::to_string(user.inbox_last));
    return true;
  }
  breach(Rule::kGap, named(index) + ": seq " + std::to_string(seq) + " follows " +
                         std::to_string(user.inbox_last));
  user.inbox_last = seq;
  return true;
}

void Load::take_group_seq(std::uint32_t group, std::uint32_t index, std::uint64_t seq) {
  const std::uint32_t at = streams_.position(streams_.groups()[group], index);
  if (at == Streams::kNowhere) {
    return breach(Rule::kWrongRecipient, named(index) + " is no member of group " +
                                             std::to_string(group));
  }
  Timeline& timeline = streams_.timeline(group, at);
  if (seq <= timeline.pushed) {
    breach(Rule::kSeq, named(index) + ": group row " + std::to_string(seq) + " behind " +
                           std::to_string(timeline.pushed));
  }
  timeline.pushed = std::max(timeline.pushed, seq);
  timeline.add(seq);
}

void Load::on_group_event(std::uint32_t index, const Seen& seen) {
  const GroupName of_run(share_.phases.run, 0);
  const std::string_view run = of_run.view().substr(0, 9);
  if (seen.group.size() != kGroupNameBytes || seen.group.substr(0, 9) != run) return;
  std::uint32_t number = 0;
  std::from_chars(seen.group.data() + 9, seen.group.data() + seen.group.size(), number);
  const std::uint32_t first = share_.index * kGroupsPerProcess;
  if (number >= first && number - first < streams_.groups().size()) {
    // The owner caused all events; a later session of its may be pushed them, and they are counted.
    if (sessions_change_ && streams_.groups()[number - first].start == index) return;
    return take_group_seq(number - first, index, seen.seq);
  }
  breach(Rule::kWrongRecipient, named(index) + ": an event of " + std::string(seen.group));
}

// A row that an earlier run or another program left: its seq alone is of interest.
void Load::on_foreign(std::uint32_t index, const Seen& seen) {
  if (seen.seq != 0 && seen.group.empty()) take_inbox_seq(index, seen.seq);
}

void Load::on_message(std::uint32_t index, const Seen& seen) {
  User& user = users_[index];
  Content content;
  const ContentCheck check = read_content(seen.payload, content);
  if (check != ContentCheck::kOk) {
    const bool old = seen.seq != 0 && seen.group.empty() && seen.seq <= user.inbox_before;
    on_foreign(index, seen);
    if (!old) breach(Rule::kContent, "to " + named(index) + ": not what was ever sent");
    return;
  }
  if (content.run != share_.phases.run) return on_foreign(index, seen);
  if (content.stream >= streams_.all().size()) {
    on_foreign(index, seen);
    return breach(Rule::kWrongRecipient, named(index) + ": a message of another process");
  }
  const Stream& stream = streams_.all()[content.stream];
  const std::string_view kind = stream.to_group ? " of a group" : "";
  const std::uint32_t slot = streams_.slot(stream, index);
  const bool own = stream.to_group && index == stream.sender && sessions_change_;
  if ((slot == Streams::kNowhere && !own) || !is_from(seen, stream)) {
    on_foreign(index, seen);
    return breach(Rule::kWrongRecipient, named(index) + " was given " + place_text(content) +
                                             std::string(kind) + " of " + named(stream.sender) +
                                             " from '" + std::string(seen.from) + "'");
  }
  if (own) return;  // of a session before: counted when it was answered
  if (is_stored(stream) != (seen.seq != 0)) {
    breach(Rule::kSeq, named(index) + " was pushed seq " + std::to_string(seen.seq));
  }
  if (seen.seq != 0) {
    if (stream.to_group) {
      take_group_seq(stream.target, index, seen.seq);
    } else if (!take_inbox_seq(index, seen.seq)) {
      return;
    }
  }
  switch (streams_.arrive(stream, slot, content.place)) {
    case Arrival::kNext:
    case Arrival::kAhead:
      break;
    case Arrival::kLate:
      breach(Rule::kOrder, named(index) + ": " + place_text(content) + " of " +
                               named(stream.sender) + " behind a later one");
      break;
    case Arrival::kTwice:
      return breach(Rule::kDuplicate, named(index) + ": " + place_text(content) + " of " +
                                          named(stream.sender) + " again");
    case Arrival::kBehind: {
      const Sent* sent = users_[stream.sender].outbox.find(content.number);
      const bool late = sent != nullptr && sent->awaited != 0;
      return breach(late ? Rule::kOrder : Rule::kDuplicate,
                    named(index) + ": " + place_text(content) + " of " + named(stream.sender));
    }
  }
  if (!stream.relayed_to_away) ++arrived_;
  if (content.number % options_.verify_every == 0 && !pattern_matches(seen.payload, content)) {
    breach(Rule::kContent, named(index) + ": " + place_text(content) + " of " +
                               named(stream.sender) + " differs from what was sent");
  }
  Sent* sent = users_[stream.sender].outbox.find(content.number);
  if (sent == nullptr || sent->awaited == 0) {
    return tally().delivered(seen.payload.size(), 0, 0, now_ns());
  }
  if (seen.seq != 0) {
    if (sent->seq != 0 && sent->seq != seen.seq) {
      breach(Rule::kSeq, named(index) + ": pushed as seq " + std::to_string(seen.seq) +
                             ", elsewhere " + std::to_string(sent->seq));
    }
    sent->seq = seen.seq;
  }
  const bool timed = is_timed(index, *sent);
  tally().delivered(seen.payload.size(), timed ? sent->intended_ns : 0,
                    timed ? sent->sent_ns : 0, now_ns());
  --sent->awaited;
  settle(stream.sender, *sent);
}

}  // namespace ims::bench
