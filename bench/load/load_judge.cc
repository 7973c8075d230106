// What is missing at the end (load.h). It took at least as long as the measured phase lasted.
#include "bench/load/load.h"

namespace ims::bench {

void Load::excuse_relayed() {
  for (std::uint32_t index = 0; index < users_.size(); ++index) {
    Outbox& outbox = users_[index].outbox;
    const std::uint32_t first = outbox.first_number();
    for (std::uint32_t i = 0, open = outbox.open(); i < open; ++i) {
      Sent* sent = outbox.find(first + i);
      if (sent == nullptr || sent->awaited == 0 || !sent->answered) continue;
      const Stream& stream = streams_.all()[sent->stream];
      if (!stream.relayed_to_away || !may_be_away(stream, *sent)) continue;
      sent->awaited = 0;
      settle(index, *sent);
    }
  }
}

// Broken, or left open by an interrupt.
void Load::miss(Rule rule, const std::string& what) {
  if (!cut_) return breach(rule, what);
  ++tally().not_verified;
}

void Load::judge() {
  for (std::uint32_t index = 0; index < users_.size(); ++index) {
    Outbox& outbox = users_[index].outbox;
    for (std::uint32_t i = 0, number = outbox.first_number(); i < outbox.open(); ++i, ++number) {
      const Sent& sent = *outbox.find(number);
      if (!sessions_change_) tally().overdue(Kind::kDelivery, sent.intended_ns, sent.awaited);
      if (!sent.answered) {
        tally().overdue(Kind::kAnswer, sent.intended_ns, 1);
        miss(Rule::kUnanswered, named(index) + ": message " + std::to_string(number));
      }
      const Stream& stream = streams_.all()[sent.stream];
      if (stream.relayed_to_away && sent.awaited != 0 && !may_be_away(stream, sent)) {
        miss(Rule::kLost, "message " + std::to_string(number) + " of " + named(index) + " to " +
                              named(stream.target));
      }
    }
  }
  if (!nobody_comes_) {
    streams_.for_lost([this](const Stream& stream, std::uint32_t user, std::uint64_t count) {
      const std::string what = "a message of " + named(stream.sender) + " to " + named(user);
      for (std::uint64_t i = 0; i < count; ++i) miss(Rule::kLost, what);
    });
  }
  for (std::uint32_t group = 0; group < streams_.groups().size() && !cut_; ++group) {
    for (std::uint32_t at = 0; at < streams_.groups()[group].size; ++at) {
      const Timeline& timeline = streams_.timeline(group, at);
      if (!timeline.has_hole()) continue;
      breach(Rule::kGap, named(streams_.member(streams_.groups()[group], at)) + ": " +
                             std::to_string(timeline.rows) + " rows of a group from " +
                             std::to_string(timeline.first) + " to " +
                             std::to_string(timeline.last));
    }
  }
}

}  // namespace ims::bench
