// mix: a day of chat, compressed. Users come and go; whoever is there writes to contacts, stored or
// relayed, and to groups whose sizes are heavy-tailed: the k-th largest has 1/k of the largest.
//
//   sessions   exponential lengths, mean --session; away so that --online of the users are there
//   messages   by --rate over all; the sender is any user who is online, the target one of its
//              kContacts contacts or one of its groups (--group-share); three sizes of payload
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
#include "bench/load/workloads.h"

namespace ims::bench {
namespace {

constexpr std::uint32_t kContacts = 6;
constexpr std::uint32_t kGroupSizeMax = 1000;
constexpr int kSendsPerTick = 1024;
constexpr int kTriesForOnline = 16;
constexpr std::uint64_t kSweepNs = kNsPerSecond;
enum Kind3 : std::uint8_t { kStored, kRelayed, kGroupMessage };

class MixLoad final : public Load {
 public:
  explicit MixLoad(const Share& share)
      : Load(share, {share.count_of(share.options.connections),
                     share.options.first_user + share.first_of(share.options.connections), 0, 0}),
        random_(share.phases.run + share.index),
        arrivals_(share.options.rate / share.options.processes, share.options.poisson,
                  share.phases.run + share.index),
        away_mean_(options_.session_seconds * (1 - options_.online_share) / options_.online_share),
        groups_of_(users_.size()) {
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
    for (int i = 0; i < kSendsPerTick && arrivals_.due_ns() <= now; ++i) {
      write(arrivals_.due_ns());
      arrivals_.advance();
    }
    if (now < sweep_ns_) return;
    sweep_ns_ = now + kSweepNs;
    excuse_relayed();
  }

  std::uint64_t next_due_ns() const override {
    const std::uint64_t change_ns = changes_.empty() ? ~std::uint64_t{0} : changes_.top().at_ns;
    return std::min(change_ns, arrivals_.due_ns());
  }

  void stop() override {
    running_ = false;
    next_ = 0;
  }

  bool drained() override {
    for (std::uint32_t user = 0; user < users() && online_ + logging_in_ < users(); ++user) {
      if (logging_in_ >= options_.logins_in_flight) break;
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
      leave(change.user);
    } else if (user.state == UserState::kAway) {
      ++sessions_;
      log_in(change.user, change.at_ns);
    }
  }

  void on_online(std::uint32_t user) override {
    if (running_) changes_.push({now_ns() + length_ns(options_.session_seconds), user});
  }

  void on_gone(std::uint32_t user, int error) override {
    Load::on_gone(user, error);
    if (running_) changes_.push({now_ns() + length_ns(away_mean_), user});
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

  void write(std::uint64_t due_ns) {
    std::uint32_t user = any(users());
    for (int i = 0; i < kTriesForOnline && users_[user].state != UserState::kOnline; ++i) {
      user = any(users());
    }
    if (users_[user].state != UserState::kOnline) return;
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
    send({stream, due_ns, false, true}, templates_[kind * 3u + size]);
  }

  std::mt19937_64 random_;
  Arrivals arrivals_;
  const double away_mean_;
  std::vector<std::vector<std::uint32_t>> groups_of_;  // by user: its streams to groups
  std::vector<MessageTemplate> templates_;             // three sizes of each kind
  std::priority_queue<Change, std::vector<Change>, std::greater<>> changes_;
  std::uint64_t sweep_ns_ = 0;
  std::uint64_t sessions_ = 0;
  std::uint32_t next_ = 0;
  bool running_ = false;
};

}  // namespace

std::unique_ptr<Load> make_mix_load(const Share& share) { return std::make_unique<MixLoad>(share); }

}  // namespace ims::bench
