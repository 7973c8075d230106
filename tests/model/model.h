// PROTOCOL.md sections 5 and 6 as plain code: one request at a time, nothing stored, no threads.
// Written from that page alone; shares no code with logic/ or gateway/.
//
//   model.set_now(ms);
//   Response answer = model.handle(session, request);    what the server must answer
//   for (auto& [session, pushes] : model.take_pushes())  what every session must be sent by it
//
// It assumes that between two operations all is quiet and over 2 s pass, so that what PROTOCOL.md
// lets take a moment (cursors, presence, LIST_MINE, own-device copies) has happened. Where it
// leaves a choice, a comment here says `Choice:` and which one the model takes.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ims.pb.h"
#include "shared/codes.h"
#include "tests/model/rules.h"

namespace ims::model {

struct Limits {
  std::uint64_t max_timeline_rows = 1'000'000;
  std::size_t max_contacts = 5000;
  std::size_t max_group_members = 100'000;
  std::size_t max_groups_per_user = 1000;
  std::size_t max_devices = 8;
  std::size_t max_known_devices = 32;
  std::size_t max_send_only = 32;
  std::size_t max_watches = 1000;
  std::size_t push_window = 256;
  std::size_t max_message_bytes = 64'512;
  std::int64_t dedupe_window_ms = 600'000;
  std::int64_t recall_window_ms = 120'000;
};

struct Row {
  Request::RequestType type = Request::MESSAGE;  // says which of the three it is
  Message message;
  GroupEvent group;
  ContactEvent contact;
  int cause = -1;  // the session that caused it
};
using Timeline = std::vector<Row>;  // seq 1 first

struct Who {
  int tenant = 0;
  std::string user;
  std::string device;
  bool explicit_mode = false;
  bool send_only = false;
};

// Of one operation, to one session. A timeline is named by its group, the inbox by "".
struct Pushes {
  std::map<std::string, std::vector<Row>> rows;
  std::vector<Message> relayed;
  std::map<std::string, Presence> presence;
  int disconnect = -1;
};

class Model {
 public:
  explicit Model(const Limits& limits) : limits_(limits) {}

  void set_now(std::int64_t ms) { now_ms_ = ms; }
  // With a valid token. Sessions are numbered by the caller and never twice.
  ConAck log_in(int session, const Who& who);
  void log_out(int session);
  void restart();  // ends all sessions
  // `made_id`: the id that the server gave to a group of CREATE without one.
  Response handle(int session, const Request& request, const std::string& made_id = {});
  std::map<int, Pushes> take_pushes();

  // Of the last answer: it may as well be a refusal with this code. kOk: no.
  Code or_else() const { return or_else_; }
  // Copies written: a world without a common clock waits until it sees them.
  bool copied() const { return copied_; }

 private:
  friend class Generator;  // draws what is possible
  friend class Differential;
  static constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();
  struct Device {
    std::map<std::string, std::uint64_t> cursors;
    std::int64_t seen_ms = 0;
  };
  struct Stay {  // what a user is pushed of a group: from its joining to its leaving
    std::uint64_t from = 1;
    std::uint64_t to = kNoEnd;
  };
  struct User {
    Timeline inbox;
    std::map<std::string, Contact> contacts;
    std::map<std::string, Device> devices;  // known: logged in without send_only
    std::map<std::string, Stay> stays;
    std::int64_t last_seen_ms = 0;  // -1: ended by a restart, some time between two operations
  };
  struct Membership {
    GroupRequest::Role role = GroupRequest::MEMBER;
    bool muted = false;
    std::uint64_t from = 0;
  };
  struct Group {
    std::string id;
    std::string name;
    bool open = false;
    bool dismissed = false;
    std::map<std::string, Membership> members;
    Timeline rows;
  };
  struct Sent {
    Message message;
    Response answer;
  };
  struct Tenant {
    std::map<std::string, User> users;
    std::map<std::string, Group> groups;
    std::map<std::tuple<std::string, bool, std::string, std::string>, Sent> sent;
  };
  struct Session {
    Who who;
    std::map<std::string, std::uint64_t> pushed;             // the last row, or passed over
    std::map<std::string, std::set<std::uint64_t>> unacked;  // EXPLICIT
    std::map<std::string, std::string> watches;              // user: devices as last told
  };

  // model.cc
  Timeline& rows_of(const Who& who, const std::string& group);
  std::uint64_t append(Tenant& tenant, const std::string& user, const std::string& group, Row row);
  void publish();
  void pump(int session, const std::string& group);
  void pass_own(int session, const std::string& group);
  Presence look(int tenant, const std::string& user) const;
  static std::string devices_text(const Presence& presence);
  // messages.cc
  Response message(int session, const Request& request);
  Response relay(int session, const Message& message);
  Code recall(Timeline& rows, const std::string& sender, std::uint64_t seq);
  Response ack(int session, const Request& request);
  Response sync(int session, const Request& request);
  // people.cc
  Response contact(int session, const Request& request);
  Response list_contacts(const User& user, const ContactRequest& request);
  Response presence(int session, const Request& request);
  // groups.cc
  Response group(int session, const Request& request, const std::string& made_id);
  Response create(int session, const GroupRequest& request, const std::string& id,
                  const std::vector<std::string>& users);
  Response invite(int session, const GroupRequest& request, Group& group,
                  const std::vector<std::string>& users);
  Response act(int session, const GroupRequest& request, Group& group,
               const std::vector<std::string>& users);
  Response changed(int session, const GroupRequest& request, Group& group,
                   const std::vector<std::string>& users);
  Response list_groups(const Who& who, const GroupRequest& request);
  bool may_be_added(Tenant& tenant, const std::string& actor, const std::string& user);
  static std::size_t group_count(const Tenant& tenant, const std::string& user);

  const Limits limits_;
  std::int64_t now_ms_ = 0;
  std::map<int, Tenant> tenants_;
  std::map<int, Session> sessions_;
  std::map<int, Pushes> pushes_;
  std::vector<std::tuple<Tenant*, std::string, std::string>> touched_;  // user, group
  bool copied_ = false;
  Code or_else_ = Code::kOk;
};

}  // namespace ims::model
