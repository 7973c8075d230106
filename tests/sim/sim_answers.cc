// What a client makes of the server's frames (sim_client.h).
#include <algorithm>
#include <utility>

#include "tests/sim/sim_client.h"

namespace ims::sim {

void SimClient::on_login_answer(std::uint64_t id, const ConAck& answer) {
  expect(!answered_login_, describe() + ": two login answers");
  expect(id == kConnectId, describe() + ": the login answer has another id");
  answered_login_ = true;
  expect((answer.status() == ConAck::STATUS_OK) == (answer.code() == 0), describe() + ": status");
  if (answer.code() != 0) {
    refused_ = answer.code();
    return;
  }
  expect(answer.session() != 0 && answer.max_frame_bytes() == options_.frame_bytes_max,
         describe() + ": ConAck without session or limits");
  logged_in_ = true;
  inbox_seq_ = answer.inbox_seq();
  model_.logged_in(session_, answer);
}

void SimClient::on_response(std::uint64_t id, const Response& response) {
  expect(logged_in_, describe() + ": a Response before the login answer");
  Pending pending;
  if (options_.without_ids) {
    expect(id == 0 && !fifo_.empty(), describe() + ": a Response that nobody asked for");
    pending = std::move(fifo_.front());
    fifo_.pop_front();
  } else {
    const auto it = pending_.find(id);
    expect(it != pending_.end(), describe() + ": Response to id " + std::to_string(id) +
                                     ", which was never asked or is answered");
    pending = std::move(it->second);
    pending_.erase(it);
  }
  const auto is_one_of = [&](std::initializer_list<int> codes) {
    for (const int code : codes) {
      if (response.code() == code) return;
    }
    fail(describe() + ": request of type " + std::to_string(pending.type) + " was answered code " +
         std::to_string(response.code()) + " (" + response.reason() + ")");
  };
  switch (pending.type) {
    case Request::MESSAGE:
      is_one_of({0, 4, 5, 7, 11, 12});
      if (response.code() == 0) std::erase(unanswered_, pending.token);
      model_.answered(session_, pending.token, response);
      break;
    case Request::ACK:
      if (options_.store_fails) {
        is_one_of({0, 4, 11, 12});
      } else {
        is_one_of({0, 11, 12});
      }
      if (response.code() == 0) {
        model_.answered_ack(session_, pending.timeline, pending.seq);
        acked_[pending.timeline] = std::max(acked_[pending.timeline], pending.seq);
      }
      break;
    case Request::SYNC: {
      is_one_of({0, 4, 5, 11, 12});
      SyncResult result;
      expect(result.ParseFromString(response.payload()), describe() + ": not a SyncResult");
      if (response.code() == 0) {
        model_.synced(session_, pending.timeline, pending.sync, result, pending.recalls_then);
      }
      break;
    }
    case Request::GROUP: {
      is_one_of({0, 4, 5, 6, 11, 12});
      GroupResult result;
      expect(result.ParseFromString(response.payload()), describe() + ": not a GroupResult");
      model_.answered_group(session_, pending.timeline, pending.group.op(), response);
      if (!listing_) break;
      if (response.code() != 0) {  // MEMBERS is for members
        listing_ = false;
        break;
      }
      if (pending.group.op() == GroupRequest::MEMBERS) {
        model_.listed_members(pending.timeline, result);
      } else if (pending.group.op() == GroupRequest::LIST_MINE) {
        model_.listed_groups(options_.tenant, options_.user, result);
      }
      listing_ = false;
      if (result.cursor().empty()) break;
      pending.group.set_cursor(result.cursor());
      send_group(pending.group);
      break;
    }
    case Request::CONTACT: {
      is_one_of({0, 4, 5, 6, 11, 12});
      on_contact_answer(pending, response);
      break;
    }
    case Request::PRESENCE:
      is_one_of({0, 11, 12});
      if (response.code() == 0) on_presence_answer(pending, response);
      break;
    default: fail(describe() + ": a Response to what?");
  }
}

void SimClient::on_contact_answer(const Pending& pending, const Response& response) {
  ContactResult result;
  expect(result.ParseFromString(response.payload()), describe() + ": not a ContactResult");
  expect(response.seq() == 0, describe() + ": a CONTACT answer with seq");
  if (pending.contact.op() != ContactRequest::LIST) {
    return model_.contacts().answered(pending.token, response.code(), result);
  }
  std::string last = pending.contact.cursor();
  for (const Contact& contact : result.contacts()) {
    expect(contact.user() > last, describe() + ": LIST does not ascend");
    last = contact.user();
  }
  if (!pending.final_list) return;
  listing_ = false;
  expect(response.code() == 0, describe() + ": LIST was refused though all is quiet");
  model_.contacts().listed(options_.tenant, options_.user, result);
  if (result.cursor().empty()) return;
  expect(result.cursor() == last, describe() + ": the cursor is not the page's last name");
  ContactRequest next = pending.contact;
  next.set_cursor(result.cursor());
  send_contact(next, true);
}

void SimClient::on_presence_answer(const Pending& pending, const Response& response) {
  PresenceResult result;
  expect(result.ParseFromString(response.payload()), describe() + ": not a PresenceResult");
  const auto& asked = pending.presence.users();
  for (const Presence& presence : result.presence()) {
    expect(std::count(asked.begin(), asked.end(), presence.user()) > 0,
           describe() + ": presence of " + presence.user() + ", who was not asked for");
    if (pending.presence.watch() && watching_.contains(presence.user())) {
      told_[presence.user()] = presence;
    }
  }
}

void SimClient::note(const TimelineName& timeline, std::uint64_t seq) {
  if (seq != 0) arrived_.push_back({taken_bytes_ - stream_.size(), timeline, seq});
}

void SimClient::on_push(const Request& request) {
  expect(logged_in_, describe() + ": a push before the login answer");
  expect(!options_.send_only, describe() + ": a push to a send_only session");
  if (request.type() == Request::MESSAGE) {
    Message message;
    expect(message.ParseFromString(request.payload()), describe() + ": not a Message");
    model_.pushed(session_, message);
    const bool group = !message.group().empty();
    return note({options_.tenant, group, group ? message.group() : options_.user}, message.seq());
  }
  if (request.type() == Request::CONTACT) {
    ContactEvent event;
    expect(event.ParseFromString(request.payload()), describe() + ": not a ContactEvent");
    model_.pushed(session_, event);
    return note({options_.tenant, false, options_.user}, event.seq());
  }
  if (request.type() == Request::PRESENCE) {
    PresenceResult result;
    expect(result.ParseFromString(request.payload()), describe() + ": not a PresenceResult");
    for (const Presence& presence : result.presence()) {
      expect(watched_.contains(presence.user()), describe() + ": not watched: " + presence.user());
      if (watching_.contains(presence.user())) told_[presence.user()] = presence;
    }
    return;
  }
  expect(request.type() == Request::GROUP, describe() + ": a push of another type");
  GroupEvent event;
  expect(event.ParseFromString(request.payload()), describe() + ": not a GroupEvent");
  model_.pushed(session_, event);
  note({options_.tenant, true, event.group()}, event.seq());
}

void SimClient::on_disconnect(const Disconnect& disconnect) {
  disconnect_ = disconnect.code();
  const bool allowed = disconnect_ == 1 || disconnect_ == 5 || disconnect_ == 6 ||
                       disconnect_ == 8 || disconnect_ == 11;
  expect(allowed, describe() + ": Disconnect " + std::to_string(disconnect_) + " " +
                      disconnect.reason());
}

}  // namespace ims::sim
