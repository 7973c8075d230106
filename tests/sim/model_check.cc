// The model's verdict, with the whole truth at hand (model.h).
#include <algorithm>

#include "tests/sim/model.h"

namespace ims::sim {

void Model::finish(const Truth& truth) {
  truth_ = &truth;
  check_rows(truth);
  check_messages(truth);
  check_copies(truth);
  check_recalls(truth);
  contacts_.finish(truth);
  for (const auto& [name, rows] : truth) {
    if (name.group) replay_group(name, rows);
  }
  for (const auto& [name, group] : groups_) {
    expect(members_.contains(name) == !group.roles.empty(),
           "MEMBERS of " + name.text() + " was refused to all members, or given to others");
  }
  for (const auto& [name, members] : members_) {
    const Group& group = groups_[name];
    std::map<std::string, std::pair<int, bool>> expected;
    for (const auto& [user, role] : group.roles) {
      expected[user] = {role, group.muted.contains(user)};
    }
    expect(members == expected, "MEMBERS of " + name.text() + " differs from its events");
  }
  for (const auto& [user, listed] : groups_of_) {
    std::set<std::string> expected;
    for (const auto& [name, group] : groups_) {
      if (name.tenant == user.first && group.roles.contains(user.second))
        expected.insert(name.name);
    }
    const auto text = [](const std::set<std::string>& names) {
      std::string all;
      for (const std::string& name : names) all += " " + name;
      return all;
    };
    expect(listed == expected, "LIST_MINE of " + std::to_string(user.first) + "@" + user.second +
                                   " has" + text(listed) + ", events say" + text(expected));
  }
  for (const auto& [timeline, user, seq] : synced_rows_) {
    expect(visible(timeline, user, seq),
           "SYNC gave " + user + " row " + std::to_string(seq) + " of " + timeline.text());
  }
  for (const auto& [user, entries] : logs_) check_user(user, entries);
}

// ---- rows ---------------------------------------------------------------------------------------

void Model::check_rows(const Truth& truth) {
  for (const auto& [name, rows] : truth) {
    std::uint64_t next = 1;
    std::int64_t time_ms = 0;
    for (const auto& [seq, row] : rows) {
      const std::string where = name.text() + " row " + std::to_string(seq) + ": ";
      expect(seq == next++, where + "the row before it is missing");
      expect(row.time_ms >= time_ms, where + "time_ms went back");
      time_ms = row.time_ms;
    }
  }
  const auto find = [&](const TimelineName& name, std::uint64_t seq) -> const Row& {
    const std::string where = name.text() + " row " + std::to_string(seq);
    const auto rows = truth.find(name);
    expect(rows != truth.end(), where + ": it was acknowledged or seen and its timeline is gone");
    const auto row = rows->second.find(seq);
    expect(row != rows->second.end(), where + ": it was acknowledged or seen and is gone");
    return row->second;
  };
  for (const auto& [place, row] : seen_) {
    const Row& now = find(place.first, place.second);
    expect(now == row || (now.recalled() && row.without_text() == now),
           place.first.text() + " row " + std::to_string(place.second) + " is not what was seen");
    expect(now.recalled() || !seen_recalled_.contains(place),
           place.first.text() + " row " + std::to_string(place.second) + " has its text again");
  }
  for (const auto& [token, message] : messages_) {
    if (!message.stored) continue;
    const Row& row = find(message.to, message.seq);
    expect(!row.event && (row.recalled() || token_of(row.payload) == token) &&
               row.time_ms == message.time_ms,
           "message " + std::to_string(token) + " was answered with another row's seq or time_ms");
  }
  for (const auto& [group, seq, user, op, time_ms] : events_ok_) {
    const Row& row = find(group, seq);
    expect(row.event && row.from == user && row.kind == op && row.time_ms == time_ms,
           group.text() + " row " + std::to_string(seq) + " is not the answered request's event");
  }
}

void Model::check_messages(const Truth& truth) const {
  std::set<std::uint64_t> stored;
  for (const auto& [name, rows] : truth) {
    std::map<int, std::size_t> order;  // by sending session
    for (const auto& [seq, row] : rows) {
      if (row.event || row.peer_seq != 0) continue;
      const std::uint64_t token = token_at(name, seq, row);
      if (token == 0 && row.recalled()) continue;  // its text was never seen, nor answered
      const std::string where = name.text() + " row " + std::to_string(seq) + ", message " +
                                std::to_string(token) + ": ";
      const auto it = messages_.find(token);
      expect(it != messages_.end(), where + "nobody sent it");
      const Message& message = it->second;
      expect(stored.insert(token).second, where + "stored twice");
      expect(message.offline, where + "a relayed message was stored");
      expect(message.to == name && row.to == (name.group ? "" : name.name),
             where + "it was sent to " + message.to.text());
      bool sender_found = false;
      for (const int attempt : message.attempts) {
        const Session& sender = session(attempt);
        sender_found |= sender.user == row.from && sender.device == row.device;
      }
      expect(sender_found, where + "`from` or `device` is not the sender's");
      const bool text_is_right =
          row.recalled() || (row.payload == message.payload && row.kind == message.type);
      expect(text_is_right && row.client_id == message.client_id, where + "altered");
      const int attempts = static_cast<int>(message.attempts.size());
      const bool all_refused = message.refused == attempts;
      expect(!all_refused || (message.unavailable > 0 && failed_write_may_return_),
             where + "it was refused");
      if (attempts != 1) continue;
      std::size_t& last = order[message.attempts[0]];
      expect(token > last, where + "out of its sender's order");
      last = token;
    }
  }
}

// Own-device copies: in the sender's inbox, once at most, of a message that was stored, and surely
// where another device was known and nothing went wrong in between.
void Model::check_copies(const Truth& truth) {
  std::set<std::uint64_t> copied;
  for (const auto& [name, rows] : truth) {
    std::map<std::string, std::uint64_t> order;  // by recipient
    for (const auto& [seq, row] : rows) {
      if (row.peer_seq == 0) continue;
      const std::uint64_t token = token_of(row.payload);
      const std::string where = name.text() + " row " + std::to_string(seq) + ", copy of message " +
                                std::to_string(token) + ": ";
      expect(!name.group && row.from == name.name && row.to != name.name,
             where + "not from the inbox's user to another");
      const auto peer = truth.find({name.tenant, false, row.to});
      expect(peer != truth.end() && peer->second.contains(row.peer_seq),
             where + "the message is not there");
      expect(!row.recalled(), where + "the sender's own copy was recalled");
      Row message = peer->second.at(row.peer_seq);
      if (message.recalled()) {
        message.kind = messages_.at(token).type;
        message.payload = messages_.at(token).payload;
      }
      message.peer_seq = row.peer_seq;
      message.time_ms = row.time_ms;
      expect(message == row, where + "it differs from the message");
      expect(copied.insert(token).second, where + "there are two");
      const auto last = order.try_emplace(row.to, 0).first;
      expect(row.peer_seq > last->second, where + "out of the recipient's order");
      last->second = row.peer_seq;
      const Message& sent = messages_.at(token);
      const std::size_t opened = std::min(sent.sessions_then, sessions_.size());
      const auto end = sessions_.begin() + static_cast<std::ptrdiff_t>(opened);
      const auto has_other = [&, &sender = name](int attempt) {
        return std::any_of(sessions_.begin(), end, [&](const Session& other) {
          return other.tenant == sender.tenant && other.user == sender.name && !other.send_only &&
                 (session(attempt).send_only || other.device != session(attempt).device);
        });
      };
      const bool other_device =
          std::any_of(sent.attempts.begin(), sent.attempts.end(), has_other);
      expect(other_device, where + "there is no device to have it");
    }
  }
  for (const auto& [token, message] : messages_) {
    if (!message.fresh_ok || message.to.group || message.copy_may_be_lost) continue;
    const Session& sender = session(message.fresh_session);
    if (!sender.copies_due || message.to.name == sender.user) continue;
    ++copies_;
    expect(copied.contains(token), "message " + std::to_string(token) + " of " + sender.user + "/" +
                                       sender.device + " has no copy for the other devices");
  }
}

// Each RECALL names an earlier message of its sender in its timeline, which lost its text to it;
// no other did.
void Model::check_recalls(const Truth& truth) {
  for (const auto& [name, rows] : truth) {
    std::set<std::uint64_t> named;
    for (const auto& [seq, row] : rows) {
      if (row.event || row.peer_seq != 0 || row.kind != ims::Message::RECALL || row.recalled())
        continue;
      const std::string where = name.text() + " row " + std::to_string(seq) + ", a RECALL: ";
      const std::uint64_t target = messages_.at(token_of(row.payload)).recalls_seq;
      const auto found = rows.find(target);
      expect(found != rows.end() && target < seq, where + "of a row that is not there");
      expect(found->second.from == row.from, where + "of a row of " + found->second.from);
      expect(found->second.recalled(), where + "its row still has its text");
      expect(named.insert(target).second, where + "its row was recalled twice");
      ++recalls_;
    }
    for (const auto& [seq, row] : rows) {
      expect(!row.recalled() || named.contains(seq),
             name.text() + " row " + std::to_string(seq) + " lost its text to no RECALL");
    }
  }
}

// The message of a row; 0: it was recalled before anybody saw it or was told its seq.
std::uint64_t Model::token_at(const TimelineName& timeline, std::uint64_t seq,
                              const Row& row) const {
  if (!row.recalled()) return token_of(row.payload);
  const auto answered = tokens_.find({timeline, seq});
  if (answered != tokens_.end()) return answered->second;
  const auto seen = seen_.find({timeline, seq});
  return seen == seen_.end() || seen->second.recalled() ? 0 : token_of(seen->second.payload);
}

// That session may have caused the row.
bool Model::owned_by(const TimelineName& timeline, std::uint64_t seq, int number) const {
  const Row& row = truth_->at(timeline).at(seq);
  const Session& who = session(number);
  if (row.from != who.user) return false;
  if (row.event) return who.group_ops.contains({timeline, row.kind});
  const std::uint64_t token = token_at(timeline, seq, row);
  if (token == 0) return true;  // who knows
  const std::vector<int>& attempts = messages_.at(token).attempts;
  return std::find(attempts.begin(), attempts.end(), number) != attempts.end();
}

// ---- what a user's devices were pushed ----------------------------------------------------------

void Model::check_user(const User& user, const std::vector<Entry>& entries) {
  struct Place {
    std::uint64_t passed = 0;   // the cursor is at most here, own rows apart
    std::uint64_t durable = 0;  // it is at least here, for ever
    std::uint64_t known = 0;    // it is at least here, unless the server forgot
  };
  struct Feed {
    bool begun = false;
    std::uint64_t last = 0;
    std::uint64_t acked = 0;
    std::vector<std::uint64_t> unacked;
  };
  std::map<std::string, std::map<TimelineName, Place>> devices;
  std::map<std::pair<int, TimelineName>, Feed> feeds;
  // What was known and durable of the device's cursors when the session connected.
  std::map<int, std::map<TimelineName, Place>> floors;
  std::vector<int> sessions;  // whose own rows their cursors pass
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    const Session& who = sessions_[i];
    if (User{who.tenant, who.user} == user && !who.send_only)
      sessions.push_back(static_cast<int>(i));
  }
  // Rows in (after, before) that no session of `device` (null: of any) caused itself.
  const auto check_gap = [&](const TimelineName& timeline, std::uint64_t after,
                             std::uint64_t before, const std::string* device,
                             const std::string& where) {
    for (std::uint64_t seq = after + 1; seq < before; ++seq) {
      const bool own = std::any_of(sessions.begin(), sessions.end(), [&](int number) {
        return (device == nullptr || session(number).device == *device) &&
               owned_by(timeline, seq, number);
      });
      expect(own, where + "row " + std::to_string(seq) + " was skipped");
    }
  };
  for (const Entry& entry : entries) {
    if (entry.kind == Entry::Kind::kHiccup || entry.kind == Entry::Kind::kDelivered) {
      if (entry.kind == Entry::Kind::kHiccup) {
        for (auto& [number, floor] : floors) {
          for (auto& [timeline, place] : floor) place.known = place.durable;
        }
      }
      for (auto& [device, places] : devices) {
        for (auto& [timeline, place] : places) {
          std::uint64_t join = 0;
          place.known = entry.kind == Entry::Kind::kHiccup
                            ? place.durable
                            : limit_of(timeline, user.second, join);
          if (entry.kind == Entry::Kind::kDelivered) place.passed = place.known;
        }
      }
      continue;
    }
    const Session& who = session(entry.session);
    const std::string where = who.user + "/" + who.device + " session " +
                              std::to_string(entry.session) + " " + entry.timeline.text() + ": ";
    if (entry.kind == Entry::Kind::kOpen) {
      const auto device = devices.find(who.device);
      if (device != devices.end()) floors[entry.session] = device->second;
      continue;
    }
    const bool first_login = entry.kind == Entry::Kind::kLogin && !devices.contains(who.device);
    auto& places = devices[who.device];
    if (first_login) {
      for (const auto& [other, theirs] : devices) {
        if (other == who.device) continue;
        for (const auto& [timeline, place] : theirs) {
          places[timeline].passed = std::max(places[timeline].passed, place.passed);
        }
      }
    }
    Place& place = places[entry.timeline];
    Feed& feed = feeds[{entry.session, entry.timeline}];
    const std::uint64_t floor = floors[entry.session][entry.timeline].known;
    switch (entry.kind) {
      case Entry::Kind::kLogin:
        expect(entry.seq >= floor, where + "the cursor went back to " + std::to_string(entry.seq) +
                                       " from " + std::to_string(floor));
        check_gap(entry.timeline, place.passed, entry.seq + 1,
                  nullptr, where + "acked_seq " + std::to_string(entry.seq) + ": ");
        place.passed = std::max(place.passed, entry.seq);
        place.known = std::max(place.known, entry.seq);
        break;
      case Entry::Kind::kPush: {
        const std::string row = where + "push of row " + std::to_string(entry.seq) + ": ";
        const std::uint64_t join = join_of(entry.timeline, user.second, entry.seq);
        expect(join != 0, row + "it is not this user's to see");
        expect(!who.send_only, row + "on a send_only session");
        const auto own = who.own.find(entry.timeline);
        expect(own == who.own.end() || !own->second.contains(entry.seq),
               row + "the session caused it itself");
        const Row& seen = truth_->at(entry.timeline).at(entry.seq);
        expect(seen.peer_seq == 0 ||
                   messages_.at(token_of(seen.payload)).fresh_session != entry.session,
               row + "a copy of the session's own message");
        if (feed.begun) {
          expect(entry.seq > feed.last, row + "after row " + std::to_string(feed.last));
          check_gap(entry.timeline, std::max({feed.last, place.passed, join - 1}), entry.seq,
                    &who.device, row);
        } else {
          expect(entry.seq > floor, row + "the cursor was at " + std::to_string(floor));
          check_gap(entry.timeline, std::max(place.passed, join - 1), entry.seq, nullptr, row);
        }
        feed.begun = true;
        feed.last = entry.seq;
        if (!who.explicit_mode) {
          place.passed = std::max(place.passed, entry.seq);
          break;
        }
        feed.unacked.push_back(entry.seq);
        // An older session's cursor counts too, with the rows that it caused itself; and rows of an
        // earlier membership do not.
        std::uint64_t cursor = std::max({feed.acked, place.passed, join - 1});
        while (cursor + 1 < entry.seq &&
               std::any_of(sessions.begin(), sessions.end(), [&](int number) {
                 return number != entry.session && session(number).device == who.device &&
                        owned_by(entry.timeline, cursor + 1, number);
               })) {
          ++cursor;
        }
        std::erase_if(feed.unacked, [&](std::uint64_t seq) { return seq <= cursor; });
        expect(feed.unacked.size() <= push_window_, row + "beyond the push window");
        break;
      }
      case Entry::Kind::kAckSent:
        feed.acked = std::max(feed.acked, entry.seq);
        place.passed = std::max(place.passed, entry.seq);
        break;
      case Entry::Kind::kAckOk:
        place.durable = std::max(place.durable, entry.seq);
        place.known = std::max(place.known, entry.seq);
        break;
      case Entry::Kind::kComplete:
        for (const auto& [timeline, rows] : *truth_) {
          if (timeline.tenant != user.first) continue;
          if (!timeline.group && timeline.name != user.second) continue;
          std::uint64_t join = 0;
          std::uint64_t head = UINT64_MAX;
          if (entry.seq != kFinalHeads) {
            const Heads& heads = heads_[entry.seq];
            const auto found = heads.find(timeline);
            head = found == heads.end() ? 0 : found->second;
          }
          const std::uint64_t limit = limit_of(timeline, user.second, join, head);
          const std::uint64_t passed =
              std::max({feeds[{entry.session, timeline}].last, places[timeline].passed, join - 1});
          check_gap(timeline, passed, limit + 1, nullptr,
                    where + "all is quiet, yet in " + timeline.text() + " ");
          places[timeline].passed = std::max(places[timeline].passed, limit);
        }
        break;
      default: break;  // kOpen, kHiccup, kDelivered: nothing to compare
    }
  }
}

}  // namespace ims::sim
