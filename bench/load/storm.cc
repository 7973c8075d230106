// storm: everybody is connected, all but a few drop without a word, those few store messages for
// the others, then everybody reconnects at once and is pushed what was missed.
//
// Return   All at once; closed loop: --window logins outstanding at a time; open loop: so many a
//          second are due (--rate). Both: what is due while so many are outstanding waits.
// Latency  A login's corrected time counts from when it was due (all at once: from the start of the
//          storm), the other from its own connect. A connect that fails, or a login that the server
//          puts off (OVERLOADED, RATE_LIMITED), is tried again after kRetryNs: no breach, but a
//          figure.
// Acks     EXPLICIT: what a dropped connection had in flight comes again.
// Ends     behind its rounds; when nothing came for --drain; when the server is gone.
#include <algorithm>
#include <vector>

#include "bench/load/arrivals.h"
#include "bench/load/clock.h"
#include "bench/load/workloads.h"

namespace ims::bench {
namespace {

constexpr std::uint64_t kRetryNs = 100 * kNsPerMillisecond;
constexpr int kConnectsPerTick = 512;
constexpr std::uint32_t kBacklogWindow = 64;  // messages of one sender under way

class StormLoad final : public Load {
 public:
  explicit StormLoad(const Share& share)
      : Load(share, {share.count_of(share.options.connections),
                     share.options.first_user + share.first_of(share.options.connections), 0, 0}),
        message_(shape(false, true)),
        arrivals_(options_.rate == 0 ? 1.0 : options_.rate / options_.processes, options_.poisson,
                  share.phases.run + share.index),
        logins_max_(options_.window == 0 ? kAllAtOnce
                                         : std::max(1u, share.count_of(options_.window))),
        open_of_(options_.senders) {
    explicit_acks_ = true;
    keeps_logins_ = true;
    sessions_change_ = true;
    all_stored_ = true;
    const auto users = static_cast<std::uint32_t>(users_.size());
    for (std::uint32_t user = options_.senders; user < users; ++user) {
      streams_.add((user - options_.senders) % options_.senders, user);
    }
  }

 private:
  enum class Stage : std::uint8_t { kDropping, kStoring, kReturning, kDraining, kOver };

  std::uint32_t dropped() const {
    return static_cast<std::uint32_t>(users_.size()) - options_.senders;
  }

  bool prepare() override {
    return log_in_next(next_, static_cast<std::uint32_t>(users_.size()));
  }

  void start(std::uint64_t) override {}

  void tick(std::uint64_t now) override {
    if (!tally().measuring || stage_ == Stage::kOver) return;
    if (!running_) drop_all();
    if (stage_ == Stage::kDropping && online_ == options_.senders) {
      stage_ = Stage::kStoring;
      stored_ = 0;
    }
    if (stage_ == Stage::kStoring) store();
    if (stage_ == Stage::kReturning) reconnect(now);
    if (stage_ == Stage::kReturning && online_ == users_.size()) {
      back_seconds_ = std::max(back_seconds_, seconds_since(storm_ns_));
      stage_ = Stage::kDraining;
    }
    if (stage_ == Stage::kDraining && arrived_ >= due_) {
      drained_seconds_ = std::max(drained_seconds_, seconds_since(storm_ns_));
      running_ = false;
      if (++rounds_ == options_.rounds) stage_ = Stage::kOver;
    }
    // Without an end of its own: patience, then the rules say what is missing.
    if (stage_ != Stage::kOver && (!has_time(heard_ns_, options_.drain_seconds) || is_dead())) {
      breach(Rule::kUnanswered, "the storm did not end: " + std::to_string(online_) + " of " +
                                    std::to_string(users_.size()) + " are back");
      stage_ = Stage::kOver;
    }
  }

  bool finished() const override { return stage_ == Stage::kOver; }
  std::uint64_t next_due_ns() const override {
    if (stage_ != Stage::kReturning || to_connect_.empty() || logging_in_ >= logins_max_) {
      return ~std::uint64_t{0};
    }
    return options_.rate == 0 ? 0 : arrivals_.due_ns();
  }

  // Those who stay are gone as well, and nobody is on the way back.
  bool is_dead() const {
    return server_is_gone() ||
           (online_ == 0 && logging_in_ == 0 && stage_ != Stage::kReturning);
  }

  void drop_all() {
    running_ = true;
    heard_ns_ = now_ns();  // nothing was asked for while it warmed up
    stage_ = Stage::kDropping;
    for (std::uint32_t user = options_.senders; user < users_.size(); ++user) drop(user);
  }

  void store() {
    const std::uint64_t wanted = std::uint64_t{dropped()} * options_.backlog;
    for (std::uint32_t sender = 0; sender < options_.senders && stored_ < wanted; ++sender) {
      while (open_of_[sender] < kBacklogWindow && stored_ < wanted) {
        const auto stream = static_cast<std::uint32_t>(stored_ % dropped());
        if (stream % options_.senders != sender) break;
        ++stored_;
        ++open_of_[sender];
        send({stream, now_ns(), false, false, false}, message_);
      }
    }
    if (stored_ < wanted || open_ != 0) return;
    stage_ = Stage::kReturning;
    storm_ns_ = now_ns();
    for (std::uint32_t user = options_.senders; user < users_.size(); ++user) {
      to_connect_.push_back(user);
    }
    if (options_.rate != 0) arrivals_.begin(storm_ns_, (share_.index + 1.0) / options_.processes);
  }

  void reconnect(std::uint64_t now) {
    if (!failed_.empty() && now >= retry_ns_) {
      again_.insert(again_.end(), failed_.begin(), failed_.end());
      failed_.clear();
    }
    for (int i = 0; i < kConnectsPerTick; ++i) {
      const bool is_again = !again_.empty();
      if (!is_again && (to_connect_.empty() || due_ns(now) > now)) {
        const bool none_asked = logging_in_ == 0 && !to_connect_.empty();
        if (none_asked) heard_ns_ = now;  // a slow rate is no silence
        return;
      }
      if (logging_in_ >= logins_max_) {
        held_until_ns_ = now;
        return;
      }
      std::vector<std::uint32_t>& from = is_again ? again_ : to_connect_;
      const std::uint32_t user = from.back();
      from.pop_back();
      log_in(user, is_again ? users_[user].login_intended_ns : take_due(now));
    }
  }

  std::uint64_t due_ns(std::uint64_t now) const {
    if (options_.rate != 0) return arrivals_.due_ns();
    return options_.window != 0 ? now : storm_ns_;
  }
  std::uint64_t take_due(std::uint64_t now) {
    const std::uint64_t due = due_ns(now);
    if (options_.rate == 0) return due;
    arrivals_.advance();
    tally().went(due, now, due <= held_until_ns_);
    return due;
  }

  void on_settled(std::uint32_t user, const Sent&) override { --open_of_[user]; }

  bool login_may_fail(Code code) const override {
    return code == Code::kOverloaded || code == Code::kRateLimited;
  }

  void on_gone(std::uint32_t user, int error) override {
    if (stage_ == Stage::kReturning && user >= options_.senders && error != 0) {
      if (failed_.empty()) retry_ns_ = now_ns() + kRetryNs;
      failed_.push_back(user);
      ++failures_;
      return;
    }
    Load::on_gone(user, error);
  }

  double seconds_since(std::uint64_t ns) const {
    return static_cast<double>(now_ns() - ns) / static_cast<double>(kNsPerSecond);
  }

  void finish() override {
    Part& part = share_.part();
    part.figure("all_back_seconds", back_seconds_, false);
    part.figure("all_drained_seconds", drained_seconds_, false);
    part.figure("drained_rows", static_cast<double>(arrived_), true);
    part.figure("reconnects_failed", static_cast<double>(failures_), true);
  }

  static constexpr std::uint32_t kAllAtOnce = ~std::uint32_t{0};

  MessageTemplate message_;
  Arrivals arrivals_;                      // of those who return
  const std::uint32_t logins_max_;         // outstanding at once
  std::uint64_t held_until_ns_ = 0;        // what was due until then was
  std::vector<std::uint32_t> open_of_;     // by sender
  std::vector<std::uint32_t> to_connect_;
  std::vector<std::uint32_t> failed_;
  std::vector<std::uint32_t> again_;       // failed a while ago
  std::uint64_t retry_ns_ = 0;
  std::uint32_t next_ = 0;
  Stage stage_ = Stage::kDropping;
  bool running_ = false;
  std::uint64_t stored_ = 0;
  std::uint64_t storm_ns_ = 0;
  std::uint32_t rounds_ = 0;
  double back_seconds_ = 0;
  double drained_seconds_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace

std::unique_ptr<Load> make_storm_load(const Share& share) {
  return std::make_unique<StormLoad>(share);
}

}  // namespace ims::bench
