// What must be equal (compare.h).
#include "tests/model/compare.h"

#include <algorithm>

namespace ims::model {
namespace {

std::string differs(const std::string& what, const std::string& expected, const std::string& got) {
  return expected == got ? ""
                         : what + "\n    expected " + expected + "\n    got      " + got + "\n";
}

// time_ms of what the Response does not tell: of an own-device copy, which is a row of its own, and
// of a ContactEvent.
void forget_times(Message& message) {
  if (message.peer_seq() != 0) message.clear_time_ms();
}

std::string presence_text(Presence presence, const Presence& expected, bool exact_times) {
  std::sort(presence.mutable_devices()->begin(), presence.mutable_devices()->end());
  // A session that a restart ended, ended some time between two operations.
  const bool known = exact_times && expected.last_seen_ms() >= 0;
  if (!known && !presence.online() && presence.last_seen_ms() != 0) presence.set_last_seen_ms(-1);
  return presence.ShortDebugString();
}

// The order of a PresenceResult's users is nowhere said.
std::string compare_presence(const std::map<std::string, Presence>& expected,
                             const std::map<std::string, Presence>& got, bool exact_times) {
  std::string found;
  for (const auto& [user, presence] : expected) {
    const Presence* came = find(got, user);
    found += differs("presence of " + user, presence_text(presence, presence, exact_times),
                     came == nullptr ? "nothing" : presence_text(*came, presence, exact_times));
  }
  for (const auto& [user, presence] : got) {
    if (!expected.contains(user)) found += "presence of " + user + " that is not due\n";
  }
  return found;
}

std::map<std::string, Presence> by_user(const PresenceResult& result) {
  std::map<std::string, Presence> presence;
  for (const Presence& one : result.presence()) presence[one.user()] = one;
  return presence;
}

template <typename Result>
std::string result_text(const std::string& payload, bool exact_times) {
  Result result;
  if (!result.ParseFromString(payload)) return "<does not decode>";
  if constexpr (std::is_same_v<Result, SyncResult>) {
    if (!exact_times) {
      for (Message& message : *result.mutable_messages()) forget_times(message);
      for (ContactEvent& event : *result.mutable_contact_events()) event.clear_time_ms();
    }
  }
  if constexpr (std::is_same_v<Result, ContactResult>) {
    // PROTOCOL.md says of the note only that it goes to the other: it is shown while one is asked.
    for (Contact& contact : *result.mutable_contacts()) {
      if (contact.state() != Contact::PENDING) contact.clear_note();
    }
  }
  return result.ShortDebugString();
}

}  // namespace

std::string row_text(Row row, bool exact_times) {
  if (!exact_times) {
    forget_times(row.message);
    row.contact.clear_time_ms();
  }
  switch (row.type) {
    case Request::MESSAGE:
      return "MESSAGE " + row.message.ShortDebugString();
    case Request::GROUP:
      return "GROUP " + row.group.ShortDebugString();
    default:
      return "CONTACT " + row.contact.ShortDebugString();
  }
}

std::string compare_pushes(const Pushes& expected, const WireClient& got, bool exact_times) {
  std::string found;
  static const std::vector<Row> none;
  const auto compare_rows = [&](const std::string& line) {
    const std::vector<Row>* due = find(expected.rows, line);
    const std::vector<Row>* came = find(got.rows, line);
    if (due == nullptr) due = &none;
    if (came == nullptr) came = &none;
    for (std::size_t i = 0; i < std::max(due->size(), came->size()); ++i) {
      found += differs("row " + std::to_string(i) + " of " + (line.empty() ? "the inbox" : line),
                       i < due->size() ? row_text((*due)[i], exact_times) : "nothing",
                       i < came->size() ? row_text((*came)[i], exact_times) : "nothing");
    }
  };
  for (const auto& [line, rows] : expected.rows) compare_rows(line);
  for (const auto& [line, rows] : got.rows) {
    if (!expected.rows.contains(line)) compare_rows(line);
  }
  // At a login: the inbox starts first.
  if (expected.rows.contains("") && !got.rows_order.empty() && !got.rows_order[0].empty()) {
    found += "a group's rows come before the inbox's\n";
  }
  for (std::size_t i = 0; i < std::max(expected.relayed.size(), got.relayed.size()); ++i) {
    found +=
        differs("relayed message",
                i < expected.relayed.size() ? expected.relayed[i].ShortDebugString() : "nothing",
                i < got.relayed.size() ? got.relayed[i].ShortDebugString() : "nothing");
  }
  if (exact_times) {  // else one that is late may come with the next operation
    std::map<std::string, Presence> presence;  // changes within a second may be one push
    for (const PresenceResult& result : got.presence) {
      for (const auto& [user, one] : by_user(result)) presence[user] = one;
    }
    found += compare_presence(expected.presence, presence, exact_times);
  }
  found +=
      differs("Disconnect", std::to_string(expected.disconnect), std::to_string(got.disconnect));
  return found;
}

std::string compare_response(const Request& request, const Response& expected, const Response& got,
                             bool exact_times) {
  const std::string code = differs("code (" + got.reason() + ")", std::to_string(expected.code()),
                                   std::to_string(got.code()));
  if (!code.empty()) return code;
  if (got.code() != 0) {
    return differs("reason of a refusal", "a sentence", got.reason().empty() ? "" : "a sentence") +
           differs("seq of a refusal", "0", std::to_string(got.seq())) +
           differs("duplicate of a refusal", "0", std::to_string(got.duplicate()));
  }
  std::string found =
      differs("seq", std::to_string(expected.seq()), std::to_string(got.seq())) +
      differs("duplicate", std::to_string(expected.duplicate()), std::to_string(got.duplicate()));
  // Of requests that store and relay nothing PROTOCOL.md names no time.
  if (expected.time_ms() != 0) {
    found += differs("time_ms", std::to_string(expected.time_ms()), std::to_string(got.time_ms()));
  }
  const auto compare = [&]<typename Result>(Result) {
    found += differs("result", result_text<Result>(expected.payload(), exact_times),
                     result_text<Result>(got.payload(), exact_times));
  };
  switch (request.type()) {
    case Request::CONTACT:
      compare(ContactResult());
      break;
    case Request::GROUP:
      compare(GroupResult());
      break;
    case Request::SYNC:
      compare(SyncResult());
      break;
    case Request::PRESENCE: {
      PresenceResult due;
      PresenceResult came;
      if (!due.ParseFromString(expected.payload()) || !came.ParseFromString(got.payload())) {
        return found + "not a PresenceResult\n";
      }
      found += differs("number of users", std::to_string(due.presence_size()),
                       std::to_string(came.presence_size()));
      found += compare_presence(by_user(due), by_user(came), exact_times);
      break;
    }
    default:
      found += differs("payload", expected.payload(), got.payload());
  }
  return found;
}

std::string compare_login(const ConAck& expected, const ConAck& got) {
  std::string found =
      differs("login's code (" + got.reason() + ")", std::to_string(expected.code()),
              std::to_string(got.code())) +
      differs("login's status", std::to_string(expected.status()), std::to_string(got.status()));
  if (!found.empty() || got.code() != 0) return found;
  return differs("inbox_seq", std::to_string(expected.inbox_seq()),
                 std::to_string(got.inbox_seq())) +
         differs("acked_seq", std::to_string(expected.acked_seq()),
                 std::to_string(got.acked_seq())) +
         differs("first_seq", std::to_string(expected.first_seq()),
                 std::to_string(got.first_seq())) +
         differs("session and epoch", "1", got.session() != 0 && !got.epoch().empty() ? "1" : "0");
}

}  // namespace ims::model
