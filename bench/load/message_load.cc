// Windows and rates (message_load.h).
#include "bench/load/message_load.h"

#include <algorithm>

namespace ims::bench {
namespace {

constexpr int kSendsPerTick = 1024;  // then what has come is looked at

double rate_of(const LoadOptions& options) {
  return options.rate == 0 ? 1.0 : options.rate / options.processes;
}

}  // namespace

MessageLoad::MessageLoad(const Share& share, const Numbering& numbering, bool has_connections_b)
    : Load(share, numbering, has_connections_b),
      message_(shape(share.options.workload == Workload::kGroup, share.options.offline)),
      arrivals_(rate_of(share.options), share.options.poisson, share.phases.run + share.index),
      sender_of_(users_.size(), kNobody) {}

void MessageLoad::add_sender(std::uint32_t user, std::uint32_t stream_first, std::uint32_t count) {
  sender_of_[user] = static_cast<std::uint32_t>(senders_.size());
  Sender sender;
  sender.user = user;
  sender.stream_first = stream_first;
  sender.stream_count = count;
  senders_.push_back(std::move(sender));
}

void MessageLoad::start(std::uint64_t load_ns) {
  sending_ = true;
  if (options_.rate != 0) {
    arrivals_.begin(load_ns, (share_.index + 1.0) / options_.processes);
    return;
  }
  for (Sender& sender : senders_) pump(sender);
}

void MessageLoad::tick(std::uint64_t now) {
  if (options_.rate == 0) return;
  for (int i = 0; i < kSendsPerTick && arrivals_.due_ns() <= now; ++i) {
    offer(senders_[turn_of_], arrivals_.due_ns());
    arrivals_.advance();
    if (++turn_of_ == senders_.size()) turn_of_ = 0;
  }
}

std::uint64_t MessageLoad::next_due_ns() const {
  return options_.rate == 0 ? ~std::uint64_t{0} : arrivals_.due_ns();
}

void MessageLoad::offer(Sender& sender, std::uint64_t due_ns) {
  if (options_.window == 0 || sender.open < options_.window) {
    return send_one(sender, due_ns, false);
  }
  sender.waiting.push_back(due_ns);
  ++held_back_;
}

void MessageLoad::pump(Sender& sender) {
  if (options_.rate == 0) {
    while (sender.open < options_.window) {
      const std::uint32_t before = sender.open;
      send_one(sender, now_ns(), false);
      if (sender.open == before) return;  // it is not connected any more
    }
    return;
  }
  while (sender.waiting_at < sender.waiting.size() &&
         (options_.window == 0 || sender.open < options_.window)) {
    send_one(sender, sender.waiting[sender.waiting_at++], true);
  }
  if (sender.waiting_at == sender.waiting.size()) {
    sender.waiting.clear();
    sender.waiting_at = 0;
  }
}

void MessageLoad::send_one(Sender& sender, std::uint64_t intended_ns, bool held_back) {
  if (users_[sender.user].state != UserState::kOnline) return;  // a breach, counted when it ended
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
  Sender& sender = senders_[sender_of_[user]];
  --sender.open;
  if (sending_) pump(sender);
}

void MessageLoad::finish() {
  if (held_back_ != 0) {
    share_.part().figure("held_back_by_window", static_cast<double>(held_back_), true);
  }
}

}  // namespace ims::bench
