// The calm after the storm: everybody is given what is owed and leaves, nothing may be left over,
// and the store says what it holds (sim_world.h).
#include <cstdio>

#include "logic/keys.h"
#include "logic/sys_keys.h"
#include "logic/tenant.h"
#include "tests/sim/sim_world.h"

namespace ims::sim {

// Until nothing moves any more: all requests answered, all rows delivered, all cursors durable.
void SimWorld::settle(const char* what, int rounds_min) {
  int calm = 0;
  for (int round = 0; calm < kCalmRounds || round < rounds_min; ++round) {
    ++steps_;
    now_.mono_ms += kSettleStepMs;
    now_.wall_ms += kSettleStepMs;
    now_.ticks += static_cast<std::uint64_t>(kSettleStepMs) * 1'000'000;
    for (std::size_t i = 0; i < server_->thread_count(); ++i) {
      if (server_->asleep(i) && !server_->due(i, now_) && !server_->is_gateway(i)) continue;
      server_->step(i, now_);
      server_->check_wakes();
    }
    note_failures();
    bool busy = !server_->quiet();
    for (Client& client : clients_) {
      SimClient& one = *client.client;
      if (one.over()) continue;
      one.read();
      if (one.over()) {
        busy = true;
        continue;
      }
      if (one.leaving() || !one.idle() || one.listing()) busy = true;
      if (!one.logged_in()) busy = true;
      if (!one.options().explicit_mode || one.options().send_only || !one.takes_requests())
        continue;
      for (const auto& [timeline, seq] : one.newest()) {
        if (!one.acked(timeline)) busy = true;
      }
      if (round == kCalmRounds * 5) one.doubt_acks();
      if (one.pending() < 8) acknowledge(one, true);
    }
    calm = busy ? 0 : calm + 1;
    if (round < kSettleRounds) continue;
    std::string who;
    for (Client& client : clients_) {
      if (client.client->over()) continue;
      who += "\n  " + client.client->describe() + (client.client->logged_in() ? "" : " no login") +
             (client.client->leaving() ? " leaving" : "") + " pending " +
             std::to_string(client.client->pending());
    }
    fail(std::string(what) + ": the server never becomes quiet" +
         (server_->quiet() ? "" : " (workers or threads)") + who);
  }
  trace(what, ": quiet");
  model_->settled();
}

// Nothing goes wrong and everybody reads.
void SimWorld::still_air() {
  store_.set_faults({});
  for (std::size_t g = 0; g < server_->gateway_count(); ++g) server_->io(g).faults() = {};
  for (Client& client : clients_) {
    client.client->io().set_window(client.client->handle(), 1 << 20);
  }
  stalled_thread_ = SIZE_MAX;
}

// What was held back must arrive although nothing new pushes it on.
void SimWorld::pause() {
  trace("a pause");
  ++tally_["pauses"];
  const int steps = steps_;
  still_air();
  settle("a pause", weather_.store_failure_permille > 0 ? kFullStoreRounds : 0);
  Model::Heads heads;
  for (const auto& [timeline, rows] : truth()) heads[timeline] = rows.rbegin()->first;
  const std::size_t now = model_->note_heads(std::move(heads));
  if (prng_.chance(30)) check_presence();
  for (Client& client : clients_) {
    SimClient& one = *client.client;
    one.io().set_window(one.handle(), one.options().window_bytes);
    if (!one.takes_requests() || one.options().send_only) continue;
    model_->complete(one.session(), now);
  }
  store_.set_faults(weather_.store);
  for (std::size_t g = 0; g < server_->gateway_count(); ++g) {
    server_->io(g).faults() = weather_.network;
  }
  steps_ = steps;
}

void SimWorld::finale() {
  if (server_->failed()) crash(true);
  still_air();
  trace("the world heals");
  settle("after the storm", kFullStoreRounds);
  for (Client& client : clients_) {
    if (client.client->takes_requests() && !client.client->options().send_only) {
      model_->complete(client.client->session());
    }
  }
  log_in_everybody();
  check_presence();
  check_presence_pushes();
  list_groups();
  list_contacts();
  everybody_leaves();
  log_in_everybody();  // again: a cursor may have been lost with the last failed write
  everybody_leaves();
  model_->all_delivered();
  log_in_everybody();  // and is pushed nothing
  everybody_leaves();
  count_up();
  model_->finish(truth());
}

void SimWorld::log_in_everybody() {
  bury_the_dead();
  std::set<Device> online;
  for (const Client& client : clients_) {
    const ClientOptions& options = client.client->options();
    if (!options.send_only && client.client->takes_requests()) {
      online.insert({options.tenant, options.user, options.device});
    }
  }
  std::vector<SimClient*> fresh;
  for (const Device& device : devices_) {
    if (!online.contains(device)) fresh.push_back(connect(device, false));
  }
  settle("everybody online");
  for (const SimClient* client : fresh) {
    expect(client->takes_requests(), client->describe() + " cannot log in");
    model_->complete(client->session());
  }
}

void SimWorld::list_groups() {
  std::set<std::pair<int, std::string>> asked;
  std::vector<SimClient*> askers;
  for (const Client& client : clients_) {
    const ClientOptions& options = client.client->options();
    if (options.send_only || !client.client->takes_requests()) continue;
    if (asked.insert({options.tenant, options.user}).second) askers.push_back(client.client.get());
  }
  GroupRequest mine;
  mine.set_op(GroupRequest::LIST_MINE);
  mine.set_limit(1 + static_cast<std::uint32_t>(prng_.below(3)));
  for (SimClient* asker : askers) asker->send_group(mine);
  settle("LIST_MINE");
  for (int group = 0; group < 3; ++group) {
    for (SimClient* asker : askers) {
      const TimelineName name{asker->options().tenant, true, "g" + std::to_string(group)};
      if (model_->has_members(name)) continue;
      GroupRequest members;
      members.set_op(GroupRequest::MEMBERS);
      members.set_group(name.name);
      members.set_limit(1 + static_cast<std::uint32_t>(prng_.below(3)));
      asker->send_group(members);
      settle("MEMBERS");
    }
  }
}

void SimWorld::list_contacts() {
  std::set<std::pair<int, std::string>> asked;
  ContactRequest list;
  list.set_limit(1 + static_cast<std::uint32_t>(prng_.below(3)));
  for (const Client& client : clients_) {
    const ClientOptions& options = client.client->options();
    if (!client.client->takes_requests()) continue;
    if (asked.insert({options.tenant, options.user}).second) {
      client.client->send_contact(list, true);
    }
  }
  settle("LIST");
}

void SimWorld::everybody_leaves() {
  for (Client& client : clients_) {
    if (client.client->over()) continue;
    if (prng_.chance(50)) {
      client.client->leave();
    } else {
      client.client->half_close();
    }
  }
  settle("everybody leaves");
  for (Client& client : clients_) {
    expect(client.client->over(), client.client->describe() + " is not closed");
  }
  // Slots are released once their worker heard of the end.
  for (int round = 0; !server_->empty() || !server_->quiet(); ++round) {
    expect(round < 200, "connections, sessions or blocks are left over when everybody has left");
    now_.mono_ms += kSettleStepMs;
    for (std::size_t i = 0; i < server_->thread_count(); ++i) server_->step(i, now_);
  }
  server_->check_traces();
  bury_the_dead();
}

// What the store holds, read by the layout that logic/keys.h documents.
Truth SimWorld::truth() {
  Truth truth;
  std::map<std::uint64_t, TimelineName> names;
  class Visit final : public logic::RowVisitor {
   public:
    explicit Visit(std::function<void(std::string_view, std::string_view)> visit)
        : visit_(std::move(visit)) {}
    bool on_row(std::string_view key, std::string_view value) override {
      visit_(key, value);
      return true;
    }

   private:
    std::function<void(std::string_view, std::string_view)> visit_;
  };
  const auto scan = [&](logic::Table table, const char* from, const char* to, auto visit) {
    Visit visitor(visit);
    store_.scan(table, from, to, false, logic::ReadTier::kMayBlock, visitor);
  };
  const auto number = [](std::string_view bytes) {
    return logic::read_big_endian<std::uint64_t>(bytes);
  };
  for (const char kind : {'u', 'g'}) {
    const std::string from(1, kind);
    const std::string to(1, static_cast<char>(kind + 1));
    scan(logic::Table::kMeta, from.c_str(), to.c_str(), [&](auto key, auto value) {
      const auto tenant = logic::read_big_endian<std::uint32_t>(key.substr(3)) - 1;
      names[number(value.substr(1))] = {static_cast<int>(tenant), kind == 'g',
                                        std::string(key.substr(7))};
    });
  }
  scan(logic::Table::kRows, "", "\xff\xff\xff", [&](auto key, auto value) {
    const auto name = names.find(number(key.substr(2)));
    expect(name != names.end(), "rows of a timeline that has no owner");
    Request request;
    const auto stored = logic::decode_row(value);
    expect(stored && request.ParseFromString(std::string(stored->body)),
           "a row that does not decode");
    Row row;
    std::uint64_t seq = 0;
    if (request.type() == Request::MESSAGE) {
      Message message;
      expect(message.ParseFromString(request.payload()), "a message that does not decode");
      row = Row::of(message);
      seq = message.seq();
    } else if (request.type() == Request::CONTACT) {
      ContactEvent event;
      expect(event.ParseFromString(request.payload()), "a ContactEvent that does not decode");
      row = Row::of(event);
      seq = event.seq();
    } else {
      GroupEvent event;
      expect(event.ParseFromString(request.payload()), "an event that does not decode");
      row = Row::of(event);
      seq = event.seq();
    }
    expect(seq == number(key.substr(10)), "a row's seq is not its key's");
    truth[name->second][seq] = std::move(row);
  });
  return truth;
}

std::map<std::string, std::uint64_t> SimWorld::tally() const {
  std::map<std::string, std::uint64_t> all = tally_;
  all["rows seen"] = model_->rows_seen();
  all["copies due"] = model_->copies();
  all["rows recalled"] = model_->recalls();
  all["contact events"] = model_->contacts().events();
  all["pairs not judged"] = model_->contacts().not_judged();
  return all;
}

}  // namespace ims::sim
