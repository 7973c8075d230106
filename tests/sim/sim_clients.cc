// What the world's clients do (sim_world.h).
#include <algorithm>

#include "logic/jwt.h"
#include "tests/sim/sim_world.h"

namespace ims::sim {
namespace {

constexpr std::size_t kClientsMax = 12;
constexpr std::size_t kPendingMax = 10;
constexpr const char* kDevices[] = {"", "phone", "desk"};

std::string token_for(int tenant, const std::string& user, std::int64_t wall_ms) {
  return logic::sign_jwt_hs256("secret" + std::to_string(tenant),
                               {.user = user, .exp_s = wall_ms / 1000 + 1'000'000});
}

}  // namespace

SimClient* SimWorld::connect(const Device& device, bool send_only) {
  const auto& [tenant, user, name] = device;
  ClientOptions options;
  options.tenant = tenant;
  options.user = user;
  options.device = name;
  options.envelope = prng_.chance(50);
  options.explicit_mode = prng_.chance(50);
  options.send_only = send_only;
  options.without_ids = prng_.chance(15);
  options.memory_is_short = config_.send_memory_bytes < (1 << 20);
  options.store_fails = weather_.store_failure_permille > 0;
  options.forges = prng_.chance(30);
  options.window_bytes = weather_.window_bytes_min;
  options.frame_bytes_max = config_.max_frame_bytes;
  options.login_timeout_ms = config_.login_timeout_ms;
  const std::size_t gateway = prng_.below(server_->gateway_count());
  clients_.push_back(
      {std::make_unique<SimClient>(*model_, server_->io(gateway), now_, options), gateway});
  SimClient& client = *clients_.back().client;
  const bool wrong = prng_.chance(2) && steps_ < 1000;
  client.connect(token_for(wrong ? 1 - tenant : tenant, user, now_.wall_ms));
  if (!wrong) devices_.insert(device);
  ++tally_["connections"];
  return &client;
}

void SimWorld::connect_somebody() {
  const Device device{static_cast<int>(prng_.below(2)), random_user(),
                      kDevices[prng_.below(std::size(kDevices))]};
  SimClient& client = *connect(device, prng_.chance(10));
  if (!prng_.chance(20)) return;
  // A short connection, or an eager one: requests before the login is answered.
  for (std::uint64_t n = prng_.below(4); n > 0; --n) send_message(client);
  if (prng_.chance(50)) client.leave();
}

void SimWorld::client_actions() {
  if (clients_.size() < kClientsMax && prng_.chance(clients_.size() < 4 ? 50 : 8)) {
    connect_somebody();
  }
  for (Client& entry : clients_) {
    SimClient& client = *entry.client;
    if (client.over()) continue;
    if (prng_.chance(weather_.client_read_percent)) client.read();
    if (client.over()) continue;
    if (permille(weather_.reset_permille)) {
      client.took();
      client.reset();
      continue;
    }
    if (client.takes_requests() && prng_.chance(15)) act(client);
  }
  bury_the_dead();
}

void SimWorld::act(SimClient& client) {
  if (client.options().explicit_mode && prng_.chance(60)) acknowledge(client, false);
  if (client.pending() >= kPendingMax) return;
  if (prng_.chance(weather_.contact_percent)) return send_contact(client);
  if (prng_.chance(weather_.recall_percent)) return send_recall(client);
  if (prng_.chance(weather_.presence_percent)) return send_presence(client);
  const std::uint64_t roll = prng_.below(100);
  if (roll < 60) {
    // Bursts fill windows, queues and rings.
    const bool burst = prng_.chance(weather_.burst_percent);
    for (std::uint64_t n = burst ? prng_.below(30) : 1; n > 0; --n) send_message(client);
  } else if (roll < 67) {
    send_repeat(client);
  } else if (roll < 85) {
    send_group_request(client);
  } else if (roll < 92) {
    send_sync(client);
  } else if (roll < 97) {
    client.send_heartbeat();
  } else if (roll < 99) {
    client.leave();
  } else {
    client.half_close();
  }
}

void SimWorld::send_message(SimClient& client) {
  const bool group = prng_.chance(weather_.group_percent);
  TimelineName to{client.options().tenant, group, group ? random_group() : random_user()};
  if (prng_.chance(2)) to.name = "nobody";
  const bool offline = prng_.chance(75);
  const std::string client_id =
      prng_.chance(60) ? "c" + std::to_string(++client_ids_) : std::string();
  const std::uint64_t token =
      model_->compose(client.session(), to, offline, static_cast<int>(prng_.below(7)), client_id,
                      prng_.chance(50) ? weather_.payload_bytes_max
                                       : prng_.below(weather_.payload_bytes_max));
  client.send_message(token);
  ++tally_["messages"];
}

// As a client does that never heard whether its message was stored.
void SimWorld::send_repeat(SimClient& client) {
  auto& open = repeats_[{client.options().tenant, client.options().user}];
  if (open.empty()) return;
  const std::uint64_t token = open[prng_.below(open.size())];
  client.send_message(token);
  if (open.size() > 20) open.pop_front();
  ++tally_["repeats"];
}

// Mostly of a stored message of its user, now and then of another's or of none.
void SimWorld::send_recall(SimClient& client) {
  const ClientOptions& who = client.options();
  const std::string client_id =
      prng_.chance(60) ? "c" + std::to_string(++client_ids_) : std::string();
  TimelineName to{who.tenant, false, random_user()};
  std::uint64_t seq = 1 + prng_.below(50);
  for (int tries = 0; tries < 30 && model_->composed() > 0; ++tries) {
    const Model::Message& message =
        model_->message(Model::kFirstToken + prng_.below(model_->composed()));
    const Model::Session& sender = model_->session(message.sender);
    if (!message.stored || sender.tenant != who.tenant) continue;
    if (sender.user != who.user && !prng_.chance(10)) continue;
    to = message.to;
    seq = message.seq;
    break;
  }
  client.send_message(model_->compose_recall(client.session(), to, seq, client_id));
  ++tally_["recalls sent"];
}

void SimWorld::send_group_request(SimClient& client) {
  GroupRequest request;
  request.set_group(random_group());
  auto op = one_of({GroupRequest::CREATE, GroupRequest::CREATE, GroupRequest::INVITE,
                    GroupRequest::INVITE, GroupRequest::INVITE, GroupRequest::JOIN,
                    GroupRequest::JOIN, GroupRequest::JOIN, GroupRequest::LEAVE,
                    GroupRequest::KICK, GroupRequest::SET_ROLE, GroupRequest::RENAME,
                    GroupRequest::MUTE, GroupRequest::UNMUTE, GroupRequest::INFO,
                    GroupRequest::DISMISS});
  if (op == GroupRequest::DISMISS && !prng_.chance(10)) return;
  const bool early = steps_ < 200;  // groups that live for most of the world
  if (early) op = one_of({GroupRequest::CREATE, GroupRequest::INVITE, GroupRequest::JOIN});
  request.set_op(op);
  if (op == GroupRequest::CREATE) {
    request.set_open(prng_.chance(70));
    request.set_name("n");
  }
  if (op == GroupRequest::RENAME) request.set_name("n" + std::to_string(prng_.below(5)));
  if (op == GroupRequest::SET_ROLE) {
    request.set_role(static_cast<GroupRequest::Role>(prng_.below(3)));
  }
  const bool needs_users = op == GroupRequest::INVITE || op == GroupRequest::KICK ||
                           op == GroupRequest::SET_ROLE || op == GroupRequest::MUTE ||
                           op == GroupRequest::UNMUTE;
  if (needs_users || op == GroupRequest::CREATE) {
    const std::uint64_t count = prng_.below(early ? 6 : 3) + (needs_users ? 1 : 0);
    for (std::uint64_t n = 0; n < count; ++n) {
      request.add_users(random_user());
    }
  }
  client.send_group(request);
  ++tally_["group requests"];
}

// Its note tells each request from all others.
void SimWorld::send_contact(SimClient& client) {
  ContactRequest request;
  using Op = ContactRequest;
  request.set_op(one_of({Op::LIST, Op::ADD, Op::ADD, Op::ADD, Op::ADD, Op::ADD, Op::ACCEPT,
                         Op::ACCEPT, Op::ACCEPT, Op::ACCEPT, Op::DECLINE, Op::REMOVE, Op::REMOVE,
                         Op::BLOCK, Op::UNBLOCK, Op::UNBLOCK, Op::UNBLOCK}));
  if (request.op() == Op::LIST) {
    request.set_limit(static_cast<std::uint32_t>(prng_.below(3)));
  } else {
    request.set_user(random_user());
    if (request.user() == client.options().user) return;
    request.set_note("note" + std::to_string(++notes_));
    // It may end watches without a word, now or later.
    if (request.op() == Op::REMOVE || request.op() == Op::BLOCK) {
      parted_.insert({client.options().tenant, client.options().user, request.user()});
      parted_.insert({client.options().tenant, request.user(), client.options().user});
    }
  }
  client.send_contact(request);
  ++tally_["contact requests"];
}

void SimWorld::send_sync(SimClient& client) {
  const bool group = prng_.chance(50);
  const TimelineName timeline{client.options().tenant, group,
                              group ? random_group() : client.options().user};
  SyncRequest sync;
  sync.set_limit(static_cast<std::uint32_t>(prng_.below(30)));
  if (prng_.chance(30)) {
    sync.set_before_seq(1 + prng_.below(60));
  } else {
    sync.set_after_seq(prng_.below(40));
  }
  client.send_sync(timeline, sync);
}

// `surely`: everything that it read. Else one timeline, now and then less than it read.
void SimWorld::acknowledge(SimClient& client, bool surely) {
  for (const auto& [timeline, newest] : client.newest()) {
    if (client.acked(timeline) || (!surely && prng_.chance(50))) continue;
    const std::uint64_t back = surely ? 0 : prng_.below(3);
    client.send_ack(timeline, newest > back ? newest - back : newest,
                    surely || prng_.chance(50));
  }
}

// Who is over leaves behind the messages of which it never heard that they were stored.
void SimWorld::bury_the_dead() {
  for (Client& entry : clients_) {
    SimClient& client = *entry.client;
    if (!client.over()) continue;
    auto& open = repeats_[{client.options().tenant, client.options().user}];
    for (const std::uint64_t token : client.unanswered()) open.push_back(token);
  }
  std::erase_if(clients_, [](const Client& entry) { return entry.client->over(); });
}

}  // namespace ims::sim
