// Presence: what everybody is told when all is quiet is what the world knows to be so, and who
// watched was told it already (sim_world.h).
#include <algorithm>
#include <string_view>

#include "tests/sim/sim_world.h"

namespace ims::sim {
namespace {

constexpr std::string_view kAsked = "asked";

}  // namespace

void SimWorld::send_presence(SimClient& client) {
  if (client.options().send_only) return;
  PresenceRequest request;
  for (std::uint64_t n = prng_.below(3); n > 0; --n) request.add_users(random_user());
  request.set_watch(prng_.chance(60));
  client.send_presence(request);
  ++tally_["presence requests"];
}

// Devices of the user with a session, as the server must see it by now; ascending.
std::vector<std::string> SimWorld::devices_online(int tenant, const std::string& user) const {
  std::vector<std::string> devices;
  for (const Client& client : clients_) {
    const ClientOptions& options = client.client->options();
    if (options.tenant == tenant && options.user == user && !options.send_only &&
        client.client->takes_requests()) {
      devices.push_back(options.device);
    }
  }
  std::sort(devices.begin(), devices.end());
  return devices;
}

// Asks for everybody from every session. Whoever is a friend here is one there too.
void SimWorld::check_presence() {
  settle("before presence", kPresenceRounds);
  PresenceRequest request;
  for (std::uint64_t user = 0; user < users_; ++user) {
    request.add_users("u" + std::to_string(user));
  }
  request.set_watch(true);
  const std::uint64_t dropped = server_->count(Counter::kRelayedDropped);
  std::map<SimClient*, std::map<std::string, Presence>> told_before;
  for (Client& client : clients_) {
    SimClient& one = *client.client;
    if (!one.takes_requests() || one.options().send_only) continue;
    told_before[&one] = one.told();
    one.forget_told();
    one.send_presence(request);
  }
  settle("presence");
  std::set<std::tuple<int, std::string, std::string>> friends;
  for (auto& [client, before] : told_before) {
    const ClientOptions& who = client->options();
    if (!client->takes_requests()) continue;  // replaced, or not heard
    expect(client->told().contains(who.user), client->describe() + ": no presence of oneself");
    check_told(*client, kAsked);
    for (const auto& [user, presence] : client->told()) {
      if (user != who.user) friends.insert({who.tenant, who.user, user});
      const auto known = before.find(user);
      if (dropped > 0 || known == before.end() || parted_.contains({who.tenant, who.user, user})) {
        continue;
      }
      expect(known->second.SerializeAsString() == presence.SerializeAsString(),
             client->describe() + ": a change of " + user + " was not pushed to who watched");
      ++tally_["watches compared"];
    }
  }
  for (const auto& [tenant, user, other] : friends) {
    bool asked = false;
    for (const auto& [client, before] : told_before) {
      asked |= client->takes_requests() && client->options().tenant == tenant &&
               client->options().user == other;
    }
    expect(!asked || friends.contains({tenant, other, user}),
           user + " is told of " + other + ", who is not told of " + user);
  }
}

// Everybody watches all friends by now. Some leave and come back.
void SimWorld::check_presence_pushes() {
  const std::uint64_t dropped = server_->count(Counter::kRelayedDropped);
  std::vector<SimClient*> watchers;
  for (Client& client : clients_) {
    SimClient& one = *client.client;
    if (!one.takes_requests()) continue;
    if (prng_.chance(40)) {
      one.leave();
    } else if (!one.options().send_only) {
      watchers.push_back(&one);
    }
  }
  for (const char* const what : {"some leave", "they are back"}) {
    settle(what, kPresenceRounds);
    if (server_->count(Counter::kRelayedDropped) == dropped) {
      for (const SimClient* watcher : watchers) check_told(*watcher, what);
      tally_["presence pushed"] += watchers.size();
    }
    log_in_everybody();
  }
}

void SimWorld::check_told(const SimClient& client, std::string_view when) const {
  const ClientOptions& who = client.options();
  for (const auto& [user, presence] : client.told()) {
    const std::string where =
        client.describe() + ": presence of " + user + ", " + std::string(when) + ": ";
    std::vector<std::string> devices(presence.devices().begin(), presence.devices().end());
    std::sort(devices.begin(), devices.end());
    expect(devices == devices_online(who.tenant, user), where + "other devices than there are");
    expect(presence.online() == !devices.empty(), where + "`online` and devices differ");
    // 0 as well for who was never seen, or whose first session was lost with a crash.
    const bool has_left = when != kAsked;
    expect(presence.online() ? presence.last_seen_ms() == 0
                             : !has_left || presence.last_seen_ms() > 0,
           where + "last_seen_ms " + std::to_string(presence.last_seen_ms()));
  }
}

}  // namespace ims::sim
