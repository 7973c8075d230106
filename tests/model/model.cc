// Sessions, timelines and cursors (PROTOCOL.md section 5, Rows and cursors; section 8).
#include "tests/model/model.h"

#include <algorithm>

namespace ims::model {

Response Model::handle(int session, const Request& request, const std::string& made_id) {
  copied_ = false;
  or_else_ = Code::kOk;
  const auto serve = [&] {
    switch (request.type()) {
      case Request::MESSAGE:
        return message(session, request);
      case Request::CONTACT:
        return contact(session, request);
      case Request::GROUP:
        return group(session, request, made_id);
      case Request::ACK:
        return ack(session, request);
      case Request::SYNC:
        return sync(session, request);
      case Request::PRESENCE:
        return presence(session, request);
      default:
        return refuse(Code::kUnsupported);
    }
  };
  const Response response = serve();
  publish();
  return response;
}

// ---- sessions -----------------------------------------------------------------------------------

ConAck Model::log_in(int id, const Who& who) {
  User& user = tenants_[who.tenant].users[who.user];  // exists from now on
  ConAck ack;
  int replaced = -1;
  std::size_t devices = 0;
  std::size_t senders = 0;
  for (const auto& [other, session] : sessions_) {
    if (session.who.tenant != who.tenant || session.who.user != who.user) continue;
    if (session.who.send_only) {
      ++senders;
    } else if (session.who.device == who.device) {
      replaced = other;
    } else {
      ++devices;
    }
  }
  if (who.send_only ? senders >= limits_.max_send_only : devices >= limits_.max_devices) {
    ack.set_status(ConAck::STATUS_FAIL);
    ack.set_code(static_cast<int>(who.send_only ? Code::kRateLimited : Code::kForbidden));
    return ack;
  }
  if (replaced >= 0 && !who.send_only) {
    pushes_[replaced].disconnect = static_cast<int>(DisconnectCode::kReplaced);
    log_out(replaced);
  }
  if (!who.send_only && !user.devices.contains(who.device)) {
    Device fresh;  // starts where the most advanced one is, in each timeline
    for (const auto& [name, device] : user.devices) {
      for (const auto& [line, cursor] : device.cursors) {
        fresh.cursors[line] = std::max(fresh.cursors[line], cursor);
      }
    }
    if (user.devices.size() >= limits_.max_known_devices) {
      auto oldest = user.devices.end();
      for (auto it = user.devices.begin(); it != user.devices.end(); ++it) {
        const bool online = std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& s) {
          return s.second.who.tenant == who.tenant && s.second.who.user == who.user &&
                 !s.second.who.send_only && s.second.who.device == it->first;
        });
        if (online) continue;
        if (oldest == user.devices.end() || it->second.seen_ms < oldest->second.seen_ms)
          oldest = it;
      }
      user.devices.erase(oldest);
    }
    user.devices[who.device] = fresh;
  }
  sessions_[id].who = who;
  ack.set_inbox_seq(user.inbox.size());
  ack.set_first_seq(1);  // nothing is as old as `retention`
  if (who.send_only) return ack;
  ack.set_acked_seq(user.devices[who.device].cursors[""]);
  pump(id, "");
  for (const auto& [line, stay] : user.stays) pump(id, line);
  return ack;
}

void Model::log_out(int id) {
  Session& session = sessions_.at(id);
  User& user = tenants_[session.who.tenant].users[session.who.user];
  if (!session.who.send_only) {
    pass_own(id, "");
    for (const auto& [line, stay] : user.stays) pass_own(id, line);
    user.devices[session.who.device].seen_ms = now_ms_;
    user.last_seen_ms = now_ms_;
  }
  sessions_.erase(id);
}

void Model::restart() {
  while (!sessions_.empty()) {
    const Who who = sessions_.begin()->second.who;
    log_out(sessions_.begin()->first);
    if (!who.send_only) tenants_[who.tenant].users[who.user].last_seen_ms = -1;
  }
}

// ---- timelines ----------------------------------------------------------------------------------

Timeline& Model::rows_of(const Who& who, const std::string& group) {
  Tenant& tenant = tenants_[who.tenant];
  return group.empty() ? tenant.users[who.user].inbox : tenant.groups[group].rows;
}

std::uint64_t Model::append(Tenant& tenant, const std::string& user, const std::string& group,
                            Row row) {
  Timeline& rows = group.empty() ? tenant.users[user].inbox : tenant.groups[group].rows;
  const std::uint64_t seq = rows.size() + 1;
  row.message.set_seq(seq);
  row.group.set_seq(seq);
  row.contact.set_seq(seq);
  for (const auto set : {&row}) {
    set->message.set_time_ms(now_ms_);
    set->group.set_time_ms(now_ms_);
    set->contact.set_time_ms(now_ms_);
  }
  rows.push_back(std::move(row));
  touched_.emplace_back(&tenant, user, group);
  return seq;
}

void Model::publish() {
  for (const auto& [tenant, user, group] : touched_) {
    for (const auto& [id, session] : sessions_) {
      if (&tenants_[session.who.tenant] != tenant) continue;
      if (group.empty() ? session.who.user == user
                        : tenant->users[session.who.user].stays.contains(group)) {
        pump(id, group);
      }
    }
  }
  touched_.clear();
}

// Pushes what the session may be pushed of this timeline now.
void Model::pump(int id, const std::string& line) {
  Session& session = sessions_.at(id);
  const Who& who = session.who;
  if (who.send_only) return;
  User& user = tenants_[who.tenant].users[who.user];
  const Stay stay = line.empty() ? Stay{} : user.stays.at(line);
  const Timeline& rows = rows_of(who, line);
  std::uint64_t& cursor = user.devices[who.device].cursors[line];
  std::uint64_t& pushed = session.pushed[line];
  std::set<std::uint64_t>& unacked = session.unacked[line];
  cursor = std::max(cursor, stay.from - 1);
  unacked.erase(unacked.begin(), unacked.upper_bound(cursor));
  for (pushed = std::max(pushed, cursor); pushed < std::min(rows.size(), stay.to); ++pushed) {
    const Row& row = rows[pushed];
    if (row.cause == id) continue;
    if (who.explicit_mode && unacked.size() >= limits_.push_window) break;
    unacked.insert(pushed + 1);
    pushes_[id].rows[line].push_back(row);
  }
  if (!who.explicit_mode) cursor = pushed;
  pass_own(id, line);
}

// Choice: the cursor passes own rows at once; it may do so as late as the session's end.
void Model::pass_own(int id, const std::string& line) {
  const Session& session = sessions_.at(id);
  const Timeline& rows = rows_of(session.who, line);
  Device& device = tenants_[session.who.tenant].users[session.who.user].devices[session.who.device];
  const auto pushed = session.pushed.find(line);
  if (pushed == session.pushed.end()) return;
  std::uint64_t& cursor = device.cursors[line];
  while (cursor < pushed->second && rows[cursor].cause == id) ++cursor;
}

}  // namespace ims::model
