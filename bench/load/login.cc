// login: every connection logs in, is answered, leaves, and does it again; closed loop over
// --connections of them, or as many a second as --rate asks for.
//
// Leaving      DISCONNECT, and the server closes; the latency is that of CONNECT to its answer,
//              from before the socket is made.
// Open loop    What is due while all connections are busy waits for the next that is free: it is
//              held back by the server, as is what is due while connects are refused.
#include <deque>

#include "bench/load/arrivals.h"
#include "bench/load/workloads.h"

namespace ims::bench {
namespace {

constexpr int kLoginsPerTick = 256;

class LoginLoad final : public Load {
 public:
  explicit LoginLoad(const Share& share)
      : Load(share, {share.count_of(share.options.connections),
                     share.options.first_user + share.first_of(share.options.connections), 0, 0}),
        arrivals_(share.options.rate == 0 ? 1.0 : share.options.rate / share.options.processes,
                  share.options.poisson, share.phases.run + share.index) {
    send_only_ = options_.send_only;
    keeps_logins_ = true;
    sessions_change_ = true;
  }

 private:
  // Each user exists and has its token before the first one is measured.
  bool prepare() override {
    const auto users = static_cast<std::uint32_t>(users_.size());
    return log_in_next(next_, users) && online_ == 0;
  }

  void start(std::uint64_t load_ns) override {
    running_ = true;
    for (std::uint32_t user = 0; user < users_.size(); ++user) free_.push_back(user);
    if (options_.rate != 0) {
      arrivals_.begin(load_ns, (share_.index + 1.0) / options_.processes);
    }
  }

  void tick(std::uint64_t now) override {
    for (int i = 0; i < kLoginsPerTick; ++i) {
      std::uint64_t intended_ns = now;
      if (options_.rate != 0) {
        intended_ns = arrivals_.due_ns();
        if (intended_ns > now) return;
      }
      if (!can_go()) {
        held_until_ns_ = now;
        return;
      }
      if (options_.rate != 0) arrivals_.advance();
      const std::uint32_t user = free_.front();
      free_.pop_front();
      log_in(user, intended_ns);
      tally().sent(0, intended_ns, now, options_.rate != 0 && intended_ns <= held_until_ns_);
    }
  }

  bool can_go() const { return !free_.empty() && may_connect(); }

  std::uint64_t next_due_ns() const override {
    if (!can_go()) return ~std::uint64_t{0};
    return options_.rate == 0 ? 0 : arrivals_.due_ns();
  }

  void stop() override {
    running_ = false;
    if (options_.rate == 0) return;
    const bool held_back = arrivals_.due_ns() <= held_until_ns_;
    arrivals_.rest(tally().end_ns, [&](std::uint64_t due_ns, std::uint64_t count) {
      tally().unsent(due_ns, count, held_back);
      tally().overdue(Kind::kLogin, due_ns, count);
    });
  }
  bool drained() override { return online_ == 0 && logging_in_ == 0; }

  void on_online(std::uint32_t user) override { leave(user); }
  void on_gone(std::uint32_t user, int error) override {
    Load::on_gone(user, error);
    if (running_) free_.push_back(user);
  }

  Arrivals arrivals_;
  std::deque<std::uint32_t> free_;
  std::uint64_t held_until_ns_ = 0;  // what was due until then was
  std::uint32_t next_ = 0;
  bool running_ = false;
};

}  // namespace

std::unique_ptr<Load> make_login_load(const Share& share) {
  return std::make_unique<LoginLoad>(share);
}

}  // namespace ims::bench
