// CONTACT and PRESENCE (PROTOCOL.md section 6).
#include <algorithm>

#include "tests/model/model.h"

namespace ims::model {

Response Model::contact(int id, const Request& request) {
  ContactRequest ask;
  if (!ask.ParseFromString(request.payload())) return refuse(Code::kBadRequest);
  if (!ContactRequest::Op_IsValid(ask.op())) return refuse(Code::kUnsupported);
  if (bad_options(request) || !is_label(ask.note()) || !is_cursor(ask.cursor()))
    return refuse(Code::kBadRequest);
  const Who& who = sessions_.at(id).who;
  Tenant& tenant = tenants_[who.tenant];
  if (ask.op() == ContactRequest::LIST) return list_contacts(tenant.users[who.user], ask);
  if (!is_name(ask.user()) || ask.user() == who.user) return refuse(Code::kBadRequest);
  if (!tenant.users.contains(ask.user())) return refuse(Code::kNotFound);

  auto& mine = tenant.users[who.user].contacts;
  auto& theirs = tenant.users[ask.user()].contacts;
  const Contact* old = find(mine, ask.user());
  const Contact* peer = find(theirs, who.user);
  const Contact::State state = old == nullptr ? Contact::NONE : old->state();
  const bool is_request = ask.op() != ContactRequest::BLOCK && ask.op() != ContactRequest::UNBLOCK;
  if (is_request && peer != nullptr && peer->blocked()) return refuse(Code::kForbidden);

  Contact::State next = Contact::NONE;  // mine
  ContactEvent event;
  event.set_op(ask.op());
  switch (ask.op()) {
    case ContactRequest::ADD:
      if (state == Contact::REQUESTED || state == Contact::FRIEND) {
        return refuse(Code::kAlreadyExists);
      }
      next = state == Contact::PENDING ? Contact::FRIEND : Contact::REQUESTED;
      if (state == Contact::PENDING) event.set_op(ContactRequest::ACCEPT);
      if ((old == nullptr && mine.size() >= limits_.max_contacts) ||
          (peer == nullptr && theirs.size() >= limits_.max_contacts) ||
          (next == Contact::REQUESTED &&
           tenant.users[ask.user()].inbox.size() >= limits_.max_timeline_rows)) {
        return refuse(Code::kQueueFull);
      }
      break;
    case ContactRequest::ACCEPT:
    case ContactRequest::DECLINE:
      if (state != Contact::PENDING) return refuse(Code::kNotFound);
      next = ask.op() == ContactRequest::ACCEPT ? Contact::FRIEND : Contact::NONE;
      break;
    case ContactRequest::REMOVE:
      if (state != Contact::FRIEND && state != Contact::REQUESTED) return refuse(Code::kNotFound);
      break;
    case ContactRequest::BLOCK:
      if (old == nullptr && mine.size() >= limits_.max_contacts) return refuse(Code::kQueueFull);
      mine[ask.user()].set_blocked(true);
      break;
    default:  // UNBLOCK
      if (old == nullptr || !old->blocked()) return refuse(Code::kNotFound);
      next = state;  // asked in spite of the block, say
      mine[ask.user()].set_blocked(false);
  }
  const auto set = [&](auto& contacts, const std::string& name, Contact::State to) {
    Contact& contact = contacts[name];
    contact.set_user(name);
    contact.set_state(to);
    if (ask.op() == ContactRequest::ADD) contact.set_note(ask.note());
    if (to == Contact::NONE && !contact.blocked()) contacts.erase(name);
  };
  set(mine, ask.user(), next);
  set(theirs, who.user,
      next == Contact::REQUESTED ? Contact::PENDING
      : next == Contact::PENDING ? Contact::REQUESTED
                                 : next);
  if (next != Contact::FRIEND) {  // they watch each other no longer
    for (auto& [other, session] : sessions_) {
      if (session.who.tenant != who.tenant) continue;
      if (session.who.user == who.user) session.watches.erase(ask.user());
      if (session.who.user == ask.user()) session.watches.erase(who.user);
    }
  }
  if (is_request) {
    event.set_user(who.user);
    event.set_note(ask.note());
    append(tenant, ask.user(), "", {Request::CONTACT, {}, {}, event, id});
  }
  ContactResult result;
  const Contact* now = find(mine, ask.user());
  if (now != nullptr) {
    *result.add_contacts() = *now;
  } else {
    result.add_contacts()->set_user(ask.user());
  }
  return answer(result);
}

Response Model::list_contacts(const User& user, const ContactRequest& request) {
  ContactResult result;
  auto it = user.contacts.upper_bound(request.cursor());
  for (std::uint32_t left = page_limit(request.limit()); it != user.contacts.end(); ++it, --left) {
    if (left == 0) {
      result.set_cursor(std::prev(it)->first);
      break;
    }
    *result.add_contacts() = it->second;
  }
  return answer(result);
}

Presence Model::look(int tenant, const std::string& user) const {
  Presence presence;
  presence.set_user(user);
  std::set<std::string> devices;
  for (const auto& [id, session] : sessions_) {
    if (session.who.tenant == tenant && session.who.user == user && !session.who.send_only) {
      devices.insert(session.who.device);
    }
  }
  for (const std::string& device : devices) presence.add_devices(device);
  presence.set_online(!devices.empty());
  if (devices.empty()) presence.set_last_seen_ms(tenants_.at(tenant).users.at(user).last_seen_ms);
  return presence;
}

Response Model::presence(int id, const Request& request) {
  Session& session = sessions_.at(id);
  if (session.who.send_only) return refuse(Code::kUnsupported);
  PresenceRequest ask;
  if (!ask.ParseFromString(request.payload())) return refuse(Code::kBadRequest);
  const bool names = std::all_of(ask.users().begin(), ask.users().end(), is_name);
  if (bad_options(request) || ask.users_size() > 500 || !names) return refuse(Code::kBadRequest);
  const Tenant& tenant = tenants_[session.who.tenant];
  const User& user = tenant.users.at(session.who.user);
  std::set<std::string> friends;
  for (const std::string& name : ask.users()) {
    const Contact* contact = find(user.contacts, name);
    const bool is_friend = contact != nullptr && contact->state() == Contact::FRIEND;
    if (is_friend || name == session.who.user) friends.insert(name);
  }
  std::map<std::string, std::string> watches = session.watches;
  PresenceResult result;
  for (const std::string& name : friends) {
    *result.add_presence() = look(session.who.tenant, name);
    watches[name] = devices_text(*result.presence().rbegin());
  }
  if (!ask.watch()) {
    for (const std::string& name : ask.users()) watches.erase(name);
  }
  if (watches.size() > limits_.max_watches) return refuse(Code::kRateLimited);
  session.watches = watches;
  return answer(result);
}

std::string Model::devices_text(const Presence& presence) {
  std::string text = presence.online() ? "online" : "";
  for (const std::string& device : presence.devices()) text += "/" + device;
  return text;
}

// Presence changes are told once all else is said and a moment has passed.
std::map<int, Pushes> Model::take_pushes() {
  for (auto& [id, session] : sessions_) {
    for (auto& [name, told] : session.watches) {
      const Presence now = look(session.who.tenant, name);
      if (devices_text(now) == told) continue;
      told = devices_text(now);
      pushes_[id].presence[name] = now;
    }
  }
  return std::exchange(pushes_, {});
}

}  // namespace ims::model
