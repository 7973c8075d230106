// What PROTOCOL.md promises of CONTACT: every pair of users as one object on which each operation
// happens at one moment between its request and its answer, or, unanswered, at one or never.
//
//   while the world runs   whose messages are FORBIDDEN
//   finish(truth)          each request's event is there once, or not at all; both users' LISTs are
//                          mirrors, and some order of the operations gives every answer, the events
//                          in their order and the final LISTs
//
// What an event's note says is whose it is: notes are unique.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/sim/rows.h"

namespace ims::sim {

class ContactModel {
 public:
  struct Ticket {  // of a message that was sent
    std::tuple<int, std::string, std::string> block;
    std::uint64_t epoch = 0;
  };

  void exists(int tenant, const std::string& user) { users_.insert({tenant, user}); }
  // Returns the request's number.
  std::uint64_t sent(int tenant, const std::string& from, const ContactRequest& request);
  void answered(std::uint64_t number, int code, const ContactResult& result);
  void listed(int tenant, const std::string& user, const ContactResult& page);  // the final LIST
  Ticket message_sent(int tenant, const std::string& from, const std::string& to);
  void message_answered(const Ticket& ticket, const Response& response) const;

  // What did not happen by now never will.
  void restarted();
  void settled();
  // From here on refusals may have been for changes that were lost.
  void lost_something() { lossy_ = true; }

  void finish(const Truth& truth);
  std::size_t events() const { return events_; }
  std::size_t not_judged() const { return not_judged_; }  // pairs with too many courses

 private:
  using User = std::pair<int, std::string>;
  struct Op {
    int tenant = 0;
    std::string from;
    std::string to;
    std::string note;
    int op = 0;
    bool target_exists = false;  // surely
    int code = -1;
    Contact result;
    bool sole = false;             // of BLOCK and UNBLOCK: no other was under way
    std::uint64_t block_epoch = 0;
    int event = 0;                 // the op of its event, once found
    std::size_t place = 0;         // of its event among those of its user about the other

    bool blocks() const { return op == ContactRequest::BLOCK || op == ContactRequest::UNBLOCK; }
  };
  struct Moment {
    enum class Kind { kSent, kAnswered, kBarrier };
    Kind kind;
    std::size_t op;
  };
  // Does `from`'s BLOCK of `to` stand?
  struct Block {
    enum class Certain { kFree, kBlocked, kNo };
    Certain certain = Certain::kFree;
    std::uint64_t epoch = 0;  // requests sent and certainties found
    int under_way = 0;
    bool ever = false;
  };
  struct State {
    int asked = 0;  // 1, 2: the first, the second user has asked; kFriends
    std::array<bool, 2> blocks{};
    friend auto operator<=>(const State&, const State&) = default;
  };
  static constexpr int kFriends = 3;
  // One way in which the pair's operations may have gone so far.
  struct Course {
    State state;
    std::array<std::size_t, 2> events{};  // of each user that have happened
    std::set<std::size_t> open;           // asked, not happened
    friend auto operator<=>(const Course&, const Course&) = default;
  };
  struct Pair {
    std::string first;
    std::string second;
    std::vector<Moment> moments;
    std::array<std::vector<std::size_t>, 2> events;  // ops, by seq
    std::set<std::size_t> sent;
    std::set<std::pair<int, int>> licenses;  // actor, op: may happen at any time, or not
    std::set<Course> courses;
    int actor(const Op& op) const { return op.from == first ? 0 : 1; }
  };
  using PairName = std::tuple<int, std::string, std::string>;

  void barrier();
  void find_events(const Truth& truth);
  void check_mirrors(const PairName& name) const;
  // False: there are too many courses.
  bool replay(const PairName& name, Pair& pair) const;
  void spread(Pair& pair) const;
  bool refusal_fits(const State& state, int actor, const Op& op) const;
  bool waits_to_happen(const Op& op) const;
  const Contact* listed_as(int tenant, const std::string& user, const std::string& other) const;
  static int seen_by(const State& state, int actor);
  static bool apply(State& state, int actor, int op, int event);
  std::string text(const Op& op) const;

  std::vector<Op> ops_;
  std::vector<Moment> moments_;
  std::set<User> users_;
  std::map<PairName, Block> blocks_;  // by who blocks and whom
  std::map<User, std::map<std::string, Contact>> lists_;
  bool lossy_ = false;
  std::size_t events_ = 0;
  std::size_t not_judged_ = 0;
};

}  // namespace ims::sim
