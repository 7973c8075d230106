// mix: a day of chat, compressed. Users come and go; whoever is there writes to contacts, stored or
// relayed, and to groups whose sizes are heavy-tailed: the k-th largest has 1/k of the largest.
//
//   sessions   exponential lengths, mean --session; away so that --online of the users are there
//   messages   open loop: by --rate over all, the sender is any user who is online; closed loop:
//              whoever is online has --window of them outstanding, each until it is answered;
//              both: any user who is online and has less outstanding
//   targets    one of its kContacts contacts or of its groups (--group-share); three sizes
//   groups     always stored: each member is given every row, at its next login if it is away
//   1:1        stored (--stored-share), or relayed: OFFLINE where the other is away
//
// Checked    As everywhere; a relayed message is due if its receiver was there from before it was
//            sent until it came. At the end everybody logs in and is given what is left.
// Latency    Of deliveries to users who were there all the time.
#include <algorithm>
#include <queue>
#include <random>
#include <vector>

#include "bench/load/arrivals.h"
#include "bench/load/clock.h"
#include "bench/load/ready_set.h"
#include "bench/load/workloads.h"

namespace ims::bench {
namespace {

constexpr std::uint32_t kContacts = 6;
constexpr std::uint32_t kGroupSizeMax = 1000;
constexpr int kSendsPerTick = 1024;
constexpr int kTriesForRoom = 16;
constexpr std::uint64_t kSweepNs = kNsPerSecond;
constexpr std::uint64_t kRetryNs = 100 * kNsPerMillisecond;  // of a connection that was lost
enum Kind3 : std::uint8_t { kStored, kRelayed, kGroupMessage };

double rate_of(const LoadOptions& options) {
  return options.rate == 0 ? 1.0 : options.rate / options.processes;
}

class MixLoad final : public Load {
 public:
  explicit MixLoad(const Share& share)
      : Load(share, {share.count_of(share.options.connections),
                     share.options.first_user + share.first_of(share.options.connections), 0, 0}),
        random_(share.phases.run + share.index),
        arrivals_(rate_of(share.options), share.options.poisson, share.phases.run + share.index),
        away_mean_(options_.session_seconds * (1 - options_.online_share) / options_.online_share),
        window_(open_max(static_cast<std::uint32_t>(users_.size()))),
        groups_of_(users_.size()),
        open_of_(users_.size()),
        ready_(static_cast<std::uint32_t>(users_.size())) {
    keeps_logins_ = true;
    sessions_change_ = true;
    all_stored_ = true;
    make_templates();
    add_contacts();
    add_groups();
  }

 private:
  struct Change {
    std::uint64_t at_ns;
    std::uint32_t user;
    bool operator>(const Change& other) const { return at_ns > other.at_ns; }
  };

  std::uint32_t users() const { return static_cast<std::uint32_t>(users_.size()); }
  std::uint32_t any(std::uint32_t count) {
    return std::uniform_int_distribution<std::uint32_t>(0, count - 1)(random_);
  }
  double share() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  std::uint64_t length_ns(double mean_seconds) {
    return ns_of(std::exponential_distribution<double>(1.0)(random_) * mean_seconds);
  }

  // ---- who writes to whom ----

  void make_templates() {
    const std::uint32_t bytes = options_.payload_bytes;
    const auto least = static_cast<std::uint32_t>(kContentBytesMin);
    for (const Kind3 kind : {kStored, kRelayed, kGroupMessage}) {
      MessageShape each = shape(kind == kGroupMessage, kind != kRelayed);
      for (const std::uint32_t size : {bytes / 3, bytes, bytes * 4}) {
        each.payload_bytes = std::clamp(size, least, 48'000u);
        templates_.emplace_back(each);
      }
    }
  }

  // 2 * kContacts streams in a row for each user: stored ones, then relayed ones.
  void add_contacts() {
    for (std::uint32_t user = 0; user < users(); ++user) {
      for (const bool relayed : {false, true}) {
        for (std::uint32_t i = 0; i < kContacts; ++i) {
          const std::uint32_t other = (user + 1 + any(users() - 1)) % users();
          streams_.add(user, other, relayed);
        }
      }
    }
  }

  void add_groups() {
    const std::uint32_t wanted =
        options_.groups == 0 ? users() / 5 : share_.count_of(options_.groups);
    const std::uint32_t largest = std::min({users() / 2, kGroupSizeMax});
    for (std::uint32_t rank = 1; rank <= wanted; ++rank) {
      const std::uint32_t size = std::max(3u, largest / rank);
      if (size > users()) return;
      const std::uint32_t group = streams_.add_group(any(users()), size);
      for (std::uint32_t at = 0; at < size; ++at) {
        const std::uint32_t user = streams_.member(streams_.groups()[group], at);
        groups_of_[user].push_back(streams_.add_to_group(user, group));
      }
    }
  }

  // ---- phases ----

  bool prepare() override { return log_in_next(next_, users()) && make_groups(); }

  void start(std::uint64_t load_ns) override {
    running_ = true;
    arrivals_.begin(load_ns, (share_.index + 1.0) / options_.processes);
    sweep_ns_ = load_ns + kSweepNs;
    for (std::uint32_t user = 0; user < users(); ++user) go_on(user);
    if (away_mean_ <= 0) return;
    for (std::uint32_t user = 0; user < users(); ++user) {
      const bool stays = share() < options_.online_share;
      changes_.push({load_ns + (stays ? length_ns(options_.session_seconds) : 0), user});
    }
  }

  void tick(std::uint64_t now) override {
    while (!changes_.empty() && changes_.top().at_ns <= now) {
      const Change change = changes_.top();
      changes_.pop();
      this->change(change);
    }
    for (int i = 0; i < kSendsPerTick && is_open_loop() && arrivals_.due_ns() <= now; ++i) {
      const std::uint32_t user = any_ready();
      if (user == ReadySet::kNobody) {
        held_until_ns_ = now;
        break;
      }
      write(user, arrivals_.due_ns(), arrivals_.due_ns() <= held_until_ns_);
      arrivals_.advance();
    }
    if (now < sweep_ns_) return;
    sweep_ns_ = now + kSweepNs;
    excuse_relayed();
  }

  std::uint64_t next_due_ns() const override {
    const std::uint64_t change_ns = changes_.empty() ? ~std::uint64_t{0} : changes_.top().at_ns;
    const bool waits = is_open_loop() && arrivals_.due_ns() > held_until_ns_;
    return std::min(change_ns, waits ? arrivals_.due_ns() : ~std::uint64_t{0});
  }

  void stop() override {
    running_ = false;
    next_ = 0;
    if (!is_open_loop()) return;
    const bool held_back = arrivals_.due_ns() <= held_until_ns_;
    arrivals_.rest(tally().end_ns, [&](std::uint64_t due_ns, std::uint64_t count) {
      count_unsent_at(due_ns, count, 1, held_back);
    });
  }

  bool comes_back() const override { return true; }
  bool drained() override {
    for (std::uint32_t user = 0; user < users() && online_ + logging_in_ < users(); ++user) {
      if (logging_in_ >= options_.logins_in_flight || !may_connect()) break;
      if (users_[user].state == UserState::kAway) log_in(user, now_ns());
    }
    excuse_relayed();
    return online_ == users() && open_ == 0 && arrived_ >= due_;
  }

  void finish() override {
    share_.part().figure("sessions", static_cast<double>(sessions_), true);
  }

  // ---- sessions ----

  void change(const Change& change) {
    const User& user = users_[change.user];
    if (user.state == UserState::kOnline) {
      ready_.remove(change.user);
      leave(change.user);
    } else if (user.state == UserState::kAway) {
      ++sessions_;
      log_in(change.user, change.at_ns);
    }
  }

  void on_online(std::uint32_t user) override {
    if (!running_) return;
    if (away_mean_ > 0) changes_.push({now_ns() + length_ns(options_.session_seconds), user});
    go_on(user);
  }

  void on_gone(std::uint32_t user, int error) override {
    ready_.remove(user);
    open_of_[user] = 0;  // what a connection was not answered before it ended, it never is
    Load::on_gone(user, error);
    const std::uint64_t least_ns = error == 0 ? 0 : kRetryNs;
    if (running_) changes_.push({now_ns() + std::max(least_ns, length_ns(away_mean_)), user});
  }

  void on_answered(std::uint32_t user) override {
    if (open_of_[user] != 0) --open_of_[user];
    if (running_ && users_[user].state == UserState::kOnline) go_on(user);
  }

  bool steady(std::uint32_t user, const Sent& sent) const {
    return users_[user].state == UserState::kOnline && users_[user].changed_ns < sent.sent_ns;
  }
  bool may_be_away(const Stream& stream, const Sent& sent) const override {
    return stream.relayed_to_away && !steady(stream.target, sent);
  }
  bool is_timed(std::uint32_t user, const Sent& sent) const override {
    return steady(user, sent);
  }

  // ---- messages ----

  bool is_open_loop() const { return options_.rate != 0; }

  // Who has room again is one of those who may be next, or sends at once.
  void go_on(std::uint32_t user) {
    if (is_open_loop()) {
      if (open_of_[user] < window_) ready_.add(user);
      return;
    }
    while (open_of_[user] < window_) write(user, now_ns(), false);
  }

  // One of those whose connections take more; a few tries are enough where most do.
  std::uint32_t any_ready() {
    for (int i = 0; i < kTriesForRoom && !ready_.empty(); ++i) {
      const std::uint32_t user = ready_.at(any(ready_.size()));
      if (may_send(user)) return user;
    }
    return ReadySet::kNobody;
  }

  void write(std::uint32_t user, std::uint64_t due_ns, bool held_back) {
    if (++open_of_[user] >= window_) ready_.remove(user);
    const double draw = share();
    const std::size_t size = draw < 0.5 ? 0 : draw < 0.9 ? 1 : 2;
    Kind3 kind = kGroupMessage;
    std::uint32_t stream = 0;
    if (!groups_of_[user].empty() && share() < options_.group_share) {
      const std::vector<std::uint32_t>& groups = groups_of_[user];
      stream = groups[any(static_cast<std::uint32_t>(groups.size()))];
    } else {
      kind = share() < options_.stored_share ? kStored : kRelayed;
      stream = 2 * kContacts * user + (kind == kRelayed ? kContacts : 0) + any(kContacts);
    }
    send({stream, due_ns, held_back, true}, templates_[kind * 3u + size]);
  }

  std::mt19937_64 random_;
  Arrivals arrivals_;
  const double away_mean_;
  const std::uint32_t window_;
  std::vector<std::vector<std::uint32_t>> groups_of_;  // by user: its streams to groups
  std::vector<MessageTemplate> templates_;             // three sizes of each kind
  std::priority_queue<Change, std::vector<Change>, std::greater<>> changes_;
  std::vector<std::uint32_t> open_of_;  // by user: not answered
  ReadySet ready_;                      // open loop: online, with room in the window
  std::uint64_t held_until_ns_ = 0;     // what was due until then was
  std::uint64_t sweep_ns_ = 0;
  std::uint64_t sessions_ = 0;
  std::uint32_t next_ = 0;
  bool running_ = false;
};

}  // namespace

std::unique_ptr<Load> make_mix_load(const Share& share) { return std::make_unique<MixLoad>(share); }

}  // namespace ims::bench
