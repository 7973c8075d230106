// What PROTOCOL.md promises, as a model that hears everything clients send and everything the
// server handed to the network, and at the end compares it with what the store holds.
//
//   while the world runs   content of a row never differs between two who saw it; answers fit
//                          requests
//   finish(truth)          the rows themselves: dense, in order, none twice, none lost, none
//                          altered; what every device was pushed: nothing skipped, nothing twice,
//                          nothing of others
//
// Shares no code with logic/ or gateway/: it reads messages with libprotobuf alone.
// Errors  Failure is thrown at the first rule that is broken; it names the rule and where.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ims.pb.h"
#include "tests/sim/model_contacts.h"
#include "tests/sim/rows.h"

namespace ims::sim {

class Model {
 public:
  // `trace`: is told what the model hears, for replays; may be empty.
  Model(std::uint32_t push_window, std::function<void(const std::string&)> trace)
      : push_window_(push_window), trace_(std::move(trace)) {}

  struct Session {
    int tenant = 0;
    std::string user;
    std::string device;
    bool explicit_mode = false;
    bool send_only = false;
    bool copies_due = false;  // its user had another device already when it connected
    std::set<std::pair<TimelineName, int>> group_ops;  // it asked for these
    std::map<TimelineName, std::set<std::uint64_t>> own;  // it was answered these seqs
  };
  struct Message {
    int sender = 0;  // session that first sent it
    TimelineName to;
    bool offline = false;
    int type = 0;
    std::string client_id;
    std::string payload;
    std::vector<int> attempts;  // sessions, in order
    int refused = 0;            // attempts that were answered, not OK
    int unavailable = 0;        // of them UNAVAILABLE
    bool stored = false;        // answered OK with a seq
    bool fresh_ok = false;      // ... without `duplicate`
    int fresh_session = -1;     // ... to this session
    std::size_t sessions_then = SIZE_MAX;  // opened when that OK came
    bool copy_may_be_lost = false;
    // Attempts under way, by session; null: of two at once.
    std::map<int, std::optional<ContactModel::Ticket>> tickets;
    std::uint64_t seq = 0;
    std::int64_t time_ms = 0;
    std::uint64_t recalls_seq = 0;  // a RECALL of this row of the same timeline
    std::uint64_t recalls_token = 0;  // which was known for this message when it was composed
  };

  // ---- what clients do ----
  int open_session(const Session& session);
  const Session& session(int number) const { return sessions_[static_cast<std::size_t>(number)]; }
  // Returns the message's token, which its payload begins with (token_bytes).
  std::uint64_t compose(int session, const TimelineName& to, bool offline, int type,
                        const std::string& client_id, std::size_t padding);
  std::uint64_t compose_recall(int session, const TimelineName& to, std::uint64_t seq,
                               const std::string& client_id);
  const Message& message(std::uint64_t token) const { return messages_.at(token); }
  void sent(int session, std::uint64_t token);
  void sent_group(int session, const TimelineName& group, int op);
  void sent_ack(int session, const TimelineName& timeline, std::uint64_t seq);
  ContactModel& contacts() { return contacts_; }
  const ContactModel& contacts() const { return contacts_; }

  // ---- what the kernel took for clients ----
  void logged_in(int session, const ConAck& answer);
  void answered(int session, std::uint64_t token, const Response& response);
  void answered_group(int session, const TimelineName& group, int op, const Response& response);
  void answered_ack(int session, const TimelineName& timeline, std::uint64_t seq);
  void pushed(int session, const ims::Message& message);
  void pushed(int session, const GroupEvent& event);
  void pushed(int session, const ContactEvent& event);
  // `recalls_then`: recalls_done() when it was asked.
  void synced(int session, const TimelineName& timeline, const SyncRequest& request,
              const SyncResult& result, std::size_t recalls_then);
  std::size_t recalls_done() const { return recalled_.size(); }
  void listed_members(const TimelineName& group, const GroupResult& result);
  void listed_groups(int tenant, const std::string& user, const GroupResult& result);

  // ---- what happens to the server ----
  void crashed(bool after_failed_write);
  // Of what was not durable by now something may be gone: a crash, a failed write.
  void lost_something();
  // All is quiet: what follows from what was answered has happened.
  void settled() {
    unsettled_.clear();
    contacts_.settled();
  }
  // Cursors that were not acknowledged may have been lost: a crash, a failed write, a clock that
  // leapt.
  void hiccup() { log_all({Entry::Kind::kHiccup, -1, {}, 0}); }
  // All is quiet and the session is open: it has everything that there is now, or that there will
  // be in the end.
  using Heads = std::map<TimelineName, std::uint64_t>;  // the newest row of each timeline
  void complete(int session, std::size_t heads) {
    log(session, {Entry::Kind::kComplete, session, {}, heads});
  }
  void complete(int session) { complete(session, kFinalHeads); }
  std::size_t note_heads(Heads heads) {
    heads_.push_back(std::move(heads));
    return heads_.size() - 1;
  }
  // All is quiet, every device was complete and has ended: nothing is owed any more.
  void all_delivered() { log_all({Entry::Kind::kDelivered, -1, {}, 0}); }

  bool has_members(const TimelineName& group) const { return members_.contains(group); }
  void finish(const Truth& truth);
  // The tokens of all messages so far: from kFirstToken on, so many.
  static constexpr std::uint64_t kFirstToken = 1'000'000;
  std::size_t composed() const { return messages_.size(); }
  std::size_t rows_seen() const { return seen_.size(); }
  std::size_t copies() const { return copies_; }  // that had to be there
  std::size_t recalls() const { return recalls_; }  // rows that lost their text

 private:
  static constexpr std::size_t kFinalHeads = SIZE_MAX;
  struct Entry {
    enum class Kind { kOpen, kLogin, kPush, kAckSent, kAckOk, kHiccup, kComplete, kDelivered };
    Kind kind;
    int session;
    TimelineName timeline;
    std::uint64_t seq;
  };
  struct Span {
    std::uint64_t join = 0;
    std::uint64_t end = 0;  // 0: still a member
  };
  struct Group {
    std::map<std::string, std::vector<Span>> spans;
    std::map<std::string, int> roles;
    std::set<std::string> muted;
    bool open = false;
    bool dismissed = false;
  };
  using User = std::pair<int, std::string>;
  using RowPlace = std::pair<TimelineName, std::uint64_t>;

  TimelineName timeline_of(int session, const ims::Message& message) const;
  void see(const TimelineName& timeline, std::uint64_t seq, const Row& row);
  void log(int session, Entry entry);
  void tell(int session, const TimelineName& timeline, const char* what, std::uint64_t number,
            std::int64_t more = 0) const;
  void log_all(const Entry& entry);
  void check_rows(const Truth& truth);
  void check_messages(const Truth& truth) const;
  void check_copies(const Truth& truth);
  void check_recalls(const Truth& truth);
  std::uint64_t token_at(const TimelineName& timeline, std::uint64_t seq, const Row& row) const;
  void replay_group(const TimelineName& name, const std::map<std::uint64_t, Row>& rows);
  void replay_event(Group& group, const std::string& where, std::uint64_t seq, const Row& row);
  void check_user(const User& user, const std::vector<Entry>& entries);
  bool visible(const TimelineName& timeline, const std::string& user, std::uint64_t seq) const {
    return join_of(timeline, user, seq) != 0;
  }
  std::uint64_t join_of(const TimelineName& timeline, const std::string& user,
                        std::uint64_t seq) const;
  bool owned_by(const TimelineName& timeline, std::uint64_t seq, int session) const;
  std::uint64_t limit_of(const TimelineName& timeline, const std::string& user,
                         std::uint64_t& join, std::uint64_t head_max = UINT64_MAX) const;

  const std::uint32_t push_window_;
  const std::function<void(const std::string&)> trace_;
  ContactModel contacts_;
  std::vector<Session> sessions_;
  std::map<std::uint64_t, Message> messages_;
  std::map<RowPlace, Row> seen_;
  std::set<RowPlace> seen_recalled_;
  std::map<RowPlace, std::uint64_t> tokens_;                 // of answered messages
  std::map<RowPlace, std::size_t> recalled_;                 // its RECALL was answered OK, the nth
  std::map<RowPlace, std::set<std::uint64_t>> recalls_sent_;  // tokens of the RECALLs
  std::set<std::tuple<TimelineName, std::string, std::uint64_t>> synced_rows_;  // group, user, seq
  std::vector<std::tuple<TimelineName, std::uint64_t, std::string, int, std::int64_t>> events_ok_;
  std::set<std::pair<int, std::uint64_t>> relayed_;                   // session, token
  std::map<std::tuple<int, int, TimelineName>, std::uint64_t> relay_order_;
  std::map<TimelineName, std::map<std::string, std::pair<int, bool>>> members_;
  std::map<User, std::set<std::string>> groups_of_;
  std::map<User, std::vector<Entry>> logs_;
  std::map<User, std::set<std::string>> known_devices_;  // surely
  std::size_t copies_ = 0;
  std::size_t recalls_ = 0;
  std::set<std::uint64_t> unsettled_;                    // messages sent since all was quiet
  std::vector<Heads> heads_;
  std::string epoch_;
  bool failed_write_may_return_ = false;

  const Truth* truth_ = nullptr;
  std::map<TimelineName, Group> groups_;
};

std::string token_bytes(std::uint64_t token);
std::uint64_t token_of(const std::string& payload);  // 0: none

}  // namespace ims::sim
