// What the simulation's model knows of a row, and how it says that a rule is broken.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "ims.pb.h"

namespace ims::sim {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A user's inbox or a group's timeline, of one tenant.
struct TimelineName {
  int tenant = 0;
  bool group = false;
  std::string name;
  friend auto operator<=>(const TimelineName&, const TimelineName&) = default;
  std::string text() const;
};

// What a row says, less its seq.
struct Row {
  bool event = false;
  int kind = 0;  // Message.type, or GroupEvent.op
  std::string from;
  std::string device;
  std::string client_id;
  std::string payload;
  std::vector<std::string> users;
  std::string name;
  int role = 0;
  std::int64_t time_ms = 0;
  std::string to;              // of a message: a user
  std::uint64_t peer_seq = 0;  // of an own-device copy: the seq in the recipient's inbox
  friend bool operator==(const Row&, const Row&) = default;

  // A message that was recalled: its text is gone, its seq stays.
  bool recalled() const { return !event && kind == Message::RECALL && payload.empty(); }
  Row without_text() const {
    Row row = *this;
    row.kind = Message::RECALL;
    row.payload.clear();
    return row;
  }

  static Row of(const Message& message);
  static Row of(const GroupEvent& event);
  static Row of(const ContactEvent& event);  // the note is its name
};

// The rows of each timeline by seq, as the store has them in the end.
using Truth = std::map<TimelineName, std::map<std::uint64_t, Row>>;

[[noreturn]] void fail(const std::string& what);
void expect(bool holds, const std::string& what);

}  // namespace ims::sim
