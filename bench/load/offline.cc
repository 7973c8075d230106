// offline: senders store 1:1 messages for users who are away; then those log in and are pushed all
// of it. The load is the storing; the draining has figures of its own.
//
// A recipient has one sender. It is made to exist by a send_only login, which leaves no device, so
// that its first real login is pushed everything that is kept.
#include <algorithm>

#include "bench/load/clock.h"
#include "bench/load/message_load.h"
#include "bench/load/workloads.h"

namespace ims::bench {
namespace {

class OfflineLoad final : public MessageLoad {
 public:
  explicit OfflineLoad(const Share& share)
      : MessageLoad(share,
                    {share.count_of(share.options.connections),
                     share.options.first_user + share.first_of(share.options.connections),
                     share.count_of(share.options.recipients),
                     *share.options.recipients_from + share.first_of(share.options.recipients)},
                    !(share.options.recipients_exist && share.options.no_drain)),
        senders_(share.count_of(share.options.connections)),
        recipients_(share.count_of(share.options.recipients)) {
    awaits_deliveries_ = false;
    nobody_comes_ = options_.no_drain;
    next_ = senders_;
    for (std::uint32_t i = 0; i < senders_; ++i) {
      const auto part = [&](std::uint32_t at) {
        return static_cast<std::uint32_t>(std::uint64_t{recipients_} * at / senders_);
      };
      const auto first = static_cast<std::uint32_t>(streams_.all().size());
      for (std::uint32_t to = part(i); to < part(i + 1); ++to) streams_.add(i, senders_ + to);
      add_sender(i, first, part(i + 1) - part(i));
    }
  }

 private:
  // First the recipients, all at once as they are to be gone again, then the senders.
  bool prepare() override {
    if (!options_.recipients_exist && next_ < users_.size()) {
      send_only_ = true;
      while (next_ < users_.size() && logging_in_ + leaving_ < options_.logins_in_flight) {
        log_in(next_++, now_ns());
      }
      return false;
    }
    if (logging_in_ + leaving_ != 0 && !send_only_done_) return false;
    send_only_ = false;
    send_only_done_ = true;
    return log_in_next(sender_next_, senders_);
  }

  void on_online(std::uint32_t user) override {
    if (user < senders_ || draining_) return;
    ++leaving_;
    leave(user);
  }

  void on_gone(std::uint32_t user, int error) override {
    if (user >= senders_ && !draining_ && leaving_ != 0) --leaving_;
    MessageLoad::on_gone(user, error);
  }

  void stop() override {
    MessageLoad::stop();
    explicit_acks_ = options_.explicit_acks;
  }

  bool drained() override {
    if (open_ != 0) return false;
    if (options_.no_drain) return true;
    if (!draining_) {
      draining_ = true;
      drain_begin_ns_ = now_ns();
      // What earlier runs left is pushed as well, and is no row of this one.
      for (std::uint32_t user = senders_; user < users_.size(); ++user) {
        users_[user].inbox_known = false;
      }
      next_ = senders_;
    }
    const bool all_online = log_in_next(next_, static_cast<std::uint32_t>(users_.size()));
    if (!all_online || arrived_ < due_) return false;
    drain_end_ns_ = now_ns();
    return true;
  }

  void finish() override {
    if (options_.no_drain) return;
    const std::uint64_t end_ns = drain_end_ns_ == 0 ? now_ns() : drain_end_ns_;
    const double seconds = std::max(1e-9, static_cast<double>(end_ns - drain_begin_ns_) /
                                              static_cast<double>(kNsPerSecond));
    Part& part = share_.part();
    part.figure("drained_rows", static_cast<double>(arrived_), true);
    part.figure("drained_users", recipients_, true);
    part.figure("drained_rows_per_second", static_cast<double>(arrived_) / seconds, true);
    part.figure("drained_users_per_second", recipients_ / seconds, true);
  }

  const std::uint32_t senders_;
  const std::uint32_t recipients_;
  std::uint32_t next_ = 0;         // recipient that logs in next
  std::uint32_t sender_next_ = 0;
  std::uint32_t leaving_ = 0;      // recipients
  bool send_only_done_ = false;
  bool draining_ = false;
  std::uint64_t drain_begin_ns_ = 0;
  std::uint64_t drain_end_ns_ = 0;
};

}  // namespace

std::unique_ptr<Load> make_offline_load(const Share& share) {
  return std::make_unique<OfflineLoad>(share);
}

}  // namespace ims::bench
