// One process of the generator: its users, what they send and are sent, and the rules that all of
// it has to keep. What users do is a workload's (pair.cc, group.cc ...), which derives from this.
//
//   prepare() until true   log in, make groups; not measured
//   start()                at the time that the parent says, the same in all processes
//   tick() each turn       sends what is due; the measured phase lies in there
//   stop()                 nothing more is sent; what is due still comes: drained(), or patience;
//                          an interrupt leaves it kInterruptedDrainNs, and what is missing then is
//                          not verified, and not lost
//   finish()               figures of its own
//
// Checked  Every answer belongs to an open message of its connection, comes once and is OK; every
//          message is delivered once, to whom it was for, from whom it was, byte by byte, in its
//          sender's order; none is missing at the end; seqs of an inbox are dense, those of a group
//          too with the rows that the member wrote itself; answer and delivery agree about the seq.
//          Breaches are counted in the tally under their rule.
// Threads  One.
// Errors   std::runtime_error: the load could not be put on: no connection, a refused login or
//          group before the load. From start() on such things are breaches.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/clock.h"
#include "bench/load/options.h"
#include "bench/load/outbox.h"
#include "bench/load/phases.h"
#include "bench/load/sockets.h"
#include "bench/load/streams.h"
#include "bench/load/wire.h"
#include "shared/limits.h"

namespace ims::bench {

// What one process has to do of a run.
struct Share {
  const LoadOptions& options;
  Phases& phases;
  std::uint32_t index = 0;

  Part& part() const { return phases.part(index); }
  // Its part of something that is spread over the processes, and where that begins.
  std::uint32_t count_of(std::uint32_t all) const;
  std::uint32_t first_of(std::uint32_t all) const;
};

// How many users it has, and which; the first `users_a` are numbered from `number_a` on.
struct Numbering {
  std::uint32_t users_a = 0;
  std::uint32_t number_a = 0;
  std::uint32_t users_b = 0;
  std::uint32_t number_b = 0;
};

class Load : private SocketsListener {
 public:
  Load(const Share& share, const Numbering& numbering, bool has_connections_b = true);
  virtual ~Load() = default;

  void run();

 protected:
  enum class UserState : std::uint8_t { kAway, kConnecting, kLoggingIn, kOnline, kLeaving };
  struct User {
    UserState state = UserState::kAway;
    bool ack_due = false;
    bool was_seen = false;             // logged in before
    bool inbox_known = false;          // whence its rows come one after the other
    std::uint64_t login_intended_ns = 0;
    std::uint64_t login_started_ns = 0;
    std::uint64_t changed_ns = 0;      // when it last came, or began to leave
    std::uint64_t inbox_before = 0;    // newest row at its first login: not of this run
    std::uint64_t inbox_last = 0;      // newest row that it was pushed
    std::uint64_t acked = 0;           // its cursor at the last login
    std::uint32_t floor_answers = 0;
    Outbox outbox;
  };

  // ---- a workload's own ----
  virtual bool prepare() = 0;
  virtual void start(std::uint64_t now_ns) = 0;
  virtual void tick(std::uint64_t now_ns) = 0;
  virtual std::uint64_t next_due_ns() const { return ~std::uint64_t{0}; }
  virtual bool finished() const { return false; }  // ends the measured phase early
  virtual void stop() {}
  virtual bool drained() { return open_ == 0 && arrived_ >= due_; }
  virtual bool comes_back() const { return false; }  // drained() logs in who is away
  virtual void finish() {}
  virtual void on_online(std::uint32_t) {}
  virtual void on_gone(std::uint32_t user, int error);  // a breach, unless overridden
  virtual void on_settled(std::uint32_t, const Sent&) {}
  virtual void on_answered(std::uint32_t) {}  // a message of this user, whatever the code
  virtual bool login_may_fail(Code) const { return false; }
  // Of a message to a user who comes and goes: OFFLINE is right, or a delivery that never comes.
  virtual bool may_be_away(const Stream&, const Sent&) const { return false; }
  // False: the receiver was away meanwhile, so that its delivery took as long as that.
  virtual bool is_timed(std::uint32_t, const Sent&) const { return true; }

  // ---- what it is made of ----
  void log_in(std::uint32_t user, std::uint64_t intended_ns);
  void leave(std::uint32_t user);  // cleanly; on_gone() with 0 when the server has closed
  void drop(std::uint32_t user) { sockets_.close(user); }  // on_gone() with kEndedHere
  void excuse_relayed();           // messages that await a delivery which need not come
  bool log_in_next(std::uint32_t& next, std::uint32_t end);  // true: all below `end` are online
  struct Outgoing {
    std::uint32_t stream = 0;
    std::uint64_t intended_ns = 0;
    bool held_back = false;  // by the server: its lateness is not the generator's
    bool awaited = true;     // its deliveries are timed, and it is open until they came
    bool paced = true;       // by the window or the rate
  };
  void send(const Outgoing& out, MessageTemplate& message);
  // Of one of so many senders: how many may be open. Whether one is online, and what it sent before
  // is read by the server.
  std::uint32_t open_max(std::uint32_t senders) const;
  bool may_send(std::uint32_t user) const;
  // At the end of an open loop: messages that were due and did not go, by their age.
  void count_unsent_at(std::uint64_t due_ns, std::uint64_t count, std::uint64_t receivers,
                       bool held_back);
  void send_request(std::uint32_t user, std::uint64_t id, RequestType type,
                    std::string_view payload);
  bool make_groups();  // a step of it; true: all of streams_ are made. Owners are online.
  void breach(Rule rule, const std::string& what) { tally().violation(rule, what); }

  Tally& tally() { return share_.part().tally; }
  std::uint32_t number_of(std::uint32_t user) const;
  GroupName name_of_group(std::uint32_t group) const;
  std::string named(std::uint32_t user) const {
    return std::string(UserName(number_of(user)).view());
  }
  static constexpr std::uint32_t kGroupsPerProcess = 15'000;  // GroupName has six digits
  static constexpr std::uint32_t kOpenMax = 2'000'000;  // messages of a process, without a window
  static constexpr std::uint32_t kOpenLeast = 64;       // of them for each sender
  static constexpr std::size_t kUnsentBytesMax = 256 * kKiB;  // of a connection, in an open loop
  std::uint32_t receivers_of(const Stream& stream) const;
  MessageShape shape(bool to_group, bool offline) const;
  std::uint64_t now_ns() const { return sockets_.now_ns(); }
  bool has_time(std::uint64_t since_ns, double seconds) const;
  // A connect was refused: a little later again. All that are tried are, and nobody is online.
  bool may_connect() const;
  bool server_is_gone() const;

  const Share share_;
  const LoadOptions& options_;
  const Edition edition_;
  std::vector<User> users_;
  Streams streams_;
  std::uint32_t online_ = 0;
  std::uint32_t logging_in_ = 0;
  std::uint64_t open_ = 0;          // messages that are not settled
  std::uint64_t due_ = 0;           // deliveries that have to come, and have
  std::uint64_t arrived_ = 0;
  std::uint64_t repeated_ = 0;      // rows pushed again at a login, as EXPLICIT allows
  bool send_only_ = false;
  bool explicit_acks_ = false;
  bool sessions_change_ = false;    // users come and go within the load
  bool all_stored_ = false;         // but to users who come and go, where a stream says so
  bool nobody_comes_ = false;       // what is stored is left there
  bool keeps_logins_ = false;       // frames of CONNECT are made once per user
  std::uint64_t heard_ns_ = 0;      // when a frame last came that was asked for or is due
  std::uint64_t refused_ns_ = 0;        // when a connect last failed; 0: the last one did not
  std::uint64_t refused_since_ns_ = 0;  // when that began
  Sockets sockets_;

 private:
  static constexpr std::uint64_t kInterruptedDrainNs = kNsPerSecond;

  void on_open(std::uint32_t index) final;
  void on_frame(std::uint32_t index, ByteView frame) final;
  void on_end(std::uint32_t index, int error) final;

  void load_until_end();
  void drain();
  bool was_interrupted(std::uint64_t ago_ns) const;
  bool nothing_can_come() const;
  void judge();
  void miss(Rule rule, const std::string& what);
  std::string login_frame(std::uint32_t user);
  void on_login_answer(std::uint32_t index, const Seen& seen);
  void on_answer(std::uint32_t index, const Seen& seen);
  void on_message(std::uint32_t index, const Seen& seen);
  void on_group_event(std::uint32_t index, const Seen& seen);
  void ask_for_group(std::uint32_t group);
  void dismiss_groups();
  void on_request_answer(std::uint32_t index, const Seen& seen);
  void on_foreign(std::uint32_t index, const Seen& seen);
  bool take_inbox_seq(std::uint32_t index, std::uint64_t seq);
  void take_group_seq(std::uint32_t group, std::uint32_t index, std::uint64_t seq);
  bool is_from(const Seen& seen, const Stream& stream) const;
  bool is_stored(const Stream& stream) const;
  void settle(std::uint32_t sender, Sent& sent);
  void send_acks();

  const Numbering numbering_;
  bool started_ = false;
  bool cut_ = false;  // the drain was: what is missing may have been to come
  std::vector<std::string> login_frames_;  // by user, where they are kept
  std::vector<std::uint32_t> ack_due_;
  std::vector<std::uint32_t> group_members_made_;  // by group
  std::uint32_t groups_asked_ = 0;
  std::uint32_t groups_made_ = 0;
  std::uint32_t groups_dismissed_ = 0;
  bool dismissing_ = false;
};

}  // namespace ims::bench
