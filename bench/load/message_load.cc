// Windows and rates (message_load.h).
#include "bench/load/message_load.h"

#include <algorithm>

namespace ims::bench {
namespace {

constexpr int kSendsPerTick = 1024;  // then what has come is looked at

}  // namespace

MessageLoad::MessageLoad(const Share& share, const Numbering& numbering, bool has_connections_b)
    : Load(share, numbering, has_connections_b),
      message_(shape(share.options.workload == Workload::kGroup, share.options.offline)),
      sender_of_(users_.size(), kNobody) {}

void MessageLoad::add_sender(std::uint32_t user, std::uint32_t stream_first, std::uint32_t count) {
  sender_of_[user] = static_cast<std::uint32_t>(senders_.size());
  senders_.push_back({.user = user,
                      .stream_first = stream_first,
                      .stream_count = count,
                      .arrivals = Arrivals(1, false, 0)});
}

void MessageLoad::start(std::uint64_t load_ns) {
  sending_ = true;
  const auto senders = static_cast<std::uint32_t>(senders_.size());
  window_ = open_max(senders);
  if (options_.rate == 0) {
    for (std::uint32_t i = 0; i < senders; ++i) pump(i);
    return;
  }
  const double rate = options_.rate / options_.processes / senders;
  const std::uint64_t seed = share_.phases.run + share_.index;
  for (std::uint32_t i = 0; i < senders; ++i) {
    Sender& sender = senders_[i];
    sender.arrivals = Arrivals(rate, options_.poisson, seed + (std::uint64_t{i} << 32));
    sender.arrivals.begin(load_ns, ((share_.index + 1.0) / options_.processes + i) / senders);
    schedule_.push({sender.arrivals.due_ns(), i});
  }
}

void MessageLoad::tick(std::uint64_t now) {
  for (int i = 0; i < kSendsPerTick && !schedule_.empty() && schedule_.top().at_ns <= now; ++i) {
    const Due due = schedule_.top();
    schedule_.pop();
    Sender& sender = senders_[due.sender];
    if (!has_room(sender)) {
      sender.held_back = true;
      continue;
    }
    send_one(sender, due.at_ns, false);
    sender.arrivals.advance();
    schedule_.push({sender.arrivals.due_ns(), due.sender});
  }
}

std::uint64_t MessageLoad::next_due_ns() const {
  return schedule_.empty() ? ~std::uint64_t{0} : schedule_.top().at_ns;
}

bool MessageLoad::has_room(const Sender& sender) const {
  return sender.open < window_ && may_send(sender.user);
}

void MessageLoad::pump(std::uint32_t index) {
  Sender& sender = senders_[index];
  if (options_.rate == 0) {
    const bool is_online = users_[sender.user].state == UserState::kOnline;
    while (is_online && sender.open < window_) send_one(sender, now_ns(), false);
    return;
  }
  if (!sender.held_back) return;
  while (sender.arrivals.due_ns() <= now_ns()) {
    if (!has_room(sender)) return;
    send_one(sender, sender.arrivals.due_ns(), true);
    sender.arrivals.advance();
  }
  sender.held_back = false;
  schedule_.push({sender.arrivals.due_ns(), index});
}

void MessageLoad::send_one(Sender& sender, std::uint64_t intended_ns, bool held_back) {
  Outgoing out;
  out.stream = sender.stream_first + sender.stream_next;
  out.intended_ns = intended_ns;
  out.held_back = held_back;
  out.awaited = awaits_deliveries_;
  if (++sender.stream_next == sender.stream_count) sender.stream_next = 0;
  ++sender.open;
  send(out, message_);
}

void MessageLoad::on_settled(std::uint32_t user, const Sent&) {
  const std::uint32_t index = sender_of_[user];
  --senders_[index].open;
  if (sending_) pump(index);
}

void MessageLoad::stop() {
  sending_ = false;
  if (options_.rate == 0) return;
  for (Sender& sender : senders_) count_unsent(sender);
}

void MessageLoad::count_unsent(Sender& sender) {
  const std::uint64_t receivers =
      awaits_deliveries_ ? receivers_of(streams_.all()[sender.stream_first]) : 0;
  const bool held_back = sender.held_back || !may_send(sender.user);
  sender.arrivals.rest(tally().end_ns, [&](std::uint64_t due_ns, std::uint64_t count) {
    count_unsent_at(due_ns, count, receivers, held_back);
  });
}

}  // namespace ims::bench
