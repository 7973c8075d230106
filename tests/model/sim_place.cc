// Shape, time and turns of the simulated server (sim_place.h).
#include "tests/model/sim_place.h"

#include "logic/jwt.h"
#include "tests/sim/rows.h"

namespace ims::sim {

// What sim_server.cc says when a rule is broken (tests/sim/rows.h).
void fail(const std::string& what) { throw Failure(what); }
void expect(bool holds, const std::string& what) {
  if (!holds) fail(what);
}

}  // namespace ims::sim

namespace ims::model {
namespace {

constexpr std::int64_t kStartMs = 1'750'000'000'000;
constexpr int kRoundsMax = 20'000;
// Time behind an operation: looks at the clock fall around the timers of a second (cursors, flags)
// and of two (presence).
constexpr std::int64_t kLooksMs[] = {0, 120, 350, 700, 1200, 1700, 2200, 2700};
constexpr std::int64_t kOperationMs = 3000;
constexpr std::int64_t kRestartMs = 2000;

}  // namespace

SimPlace::SimPlace(std::uint64_t seed, const Limits& limits) : seed_(seed), store_(seed + 5) {
  Prng prng(Prng(seed ^ 0x31).next());
  const auto one_of = [&]<typename T>(std::initializer_list<T> values) {
    return values.begin()[prng.below(values.size())];
  };
  config_.durability = Durability::kSync;
  config_.max_message_bytes = static_cast<std::uint32_t>(limits.max_message_bytes);
  config_.max_timeline_rows = limits.max_timeline_rows;
  config_.max_contacts = static_cast<std::uint32_t>(limits.max_contacts);
  config_.max_group_members = static_cast<std::uint32_t>(limits.max_group_members);
  config_.max_groups_per_user = static_cast<std::uint32_t>(limits.max_groups_per_user);
  config_.max_devices = static_cast<std::uint32_t>(limits.max_devices);
  config_.max_known_devices = static_cast<std::uint32_t>(limits.max_known_devices);
  config_.max_send_only = static_cast<std::uint32_t>(limits.max_send_only);
  config_.max_watches = static_cast<std::uint32_t>(limits.max_watches);
  config_.push_window = static_cast<std::uint32_t>(limits.push_window);
  config_.dedupe_window_ms = limits.dedupe_window_ms;
  config_.recall_window_ms = limits.recall_window_ms;
  config_.send_memory_bytes = 256 * kMiB;
  config_.state_cache_bytes = one_of({1u, 1u << 16, 1u << 22});
  config_.gateways = static_cast<std::uint32_t>(1 + prng.below(3));
  config_.workers = static_cast<std::uint32_t>(1 + prng.below(3));
  config_.placement = prng.chance(30) ? Placement::kFused : Placement::kSplit;
  if (config_.placement == Placement::kFused) config_.workers = config_.gateways;
  rings_.requests = rings_.deliveries = ring_bytes(config_.max_frame_bytes);
  rings_.handoffs = handoff_ring_bytes(config_.max_frame_bytes);
  now_ = {1'000'000, kStartMs, 1'000'000'000'000};
  sim::create_tenants(store_, seed_);
  start();
}

std::string SimPlace::shape() const {
  return std::to_string(config_.gateways) + " gateways, " + std::to_string(config_.workers) +
         " workers " + (config_.placement == Placement::kFused ? "fused" : "split") + ", cache " +
         std::to_string(config_.state_cache_bytes);
}

void SimPlace::start() {
  server_ = std::make_unique<sim::SimServer>(config_, store_, rings_, test::SimFaults{}, seed_,
                                             now_, [](std::size_t) {});
}

std::string SimPlace::token(int tenant, const std::string& user) {
  std::string& token = tokens_[{tenant, user}];
  if (token.empty()) {
    token = logic::sign_jwt_hs256("secret" + std::to_string(tenant),
                                  {.user = user, .exp_s = kStartMs / 1000 + 10'000'000});
  }
  return token;
}

// ---- clients ------------------------------------------------------------------------------------

void SimPlace::connect(int client, std::size_t gateway) {
  const std::size_t at = gateway % server_->gateway_count();
  handles_[client] = {at, server_->io(at).connect()};
}

void SimPlace::write(int client, const std::string& bytes) {
  io(handles_.at(client)).write(handles_.at(client).socket, bytes);
}

void SimPlace::half_close(int client) {
  io(handles_.at(client)).half_close(handles_.at(client).socket);
}

void SimPlace::reset(int client) { io(handles_.at(client)).reset(handles_.at(client).socket); }

std::string SimPlace::read(int client) {
  return io(handles_.at(client)).read(handles_.at(client).socket);
}

bool SimPlace::ended(int client) const {
  const Handle& handle = handles_.at(client);
  return io(handle).ended(handle.socket) != test::SimIo::End::kOpen;
}

// ---- time ---------------------------------------------------------------------------------------

void SimPlace::pass(std::int64_t ms) {
  now_.mono_ms += ms;
  now_.wall_ms += ms;
  now_.ticks += static_cast<std::uint64_t>(ms) * 1'000'000;
}

void SimPlace::run_until_idle() {
  int idle = 0;
  for (int round = 0; idle < 2; ++round) {
    sim::expect(round < kRoundsMax, "the server never becomes idle");
    bool asleep = true;
    for (std::size_t i = 0; i < server_->thread_count(); ++i) {
      if (server_->asleep(i) && !server_->due(i, now_) && !server_->is_gateway(i)) continue;
      server_->step(i, now_);
    }
    for (std::size_t i = 0; i < server_->thread_count(); ++i) asleep &= server_->asleep(i);
    idle = asleep ? idle + 1 : 0;
  }
}

void SimPlace::begin() { settled_ = false; }

// First call in an operation: all that can be done without time. Then its time passes. now_ms() is
// the operation's until the next one begins.
bool SimPlace::wait() {
  if (settled_) return false;
  settled_ = true;
  const Now then = now_;
  for (const std::int64_t at : kLooksMs) {
    now_ = then;
    pass(at);
    run_until_idle();
  }
  sim::expect(server_->quiet(), "the server is not quiet");
  now_ = then;
  pass(kOperationMs);
  return false;
}

// Takes the same time whatever was to be done.
void SimPlace::restart(bool crash) {
  const Now then = now_;
  if (!crash) {
    server_->begin_shutdown(now_);
    for (int round = 0; !(server_->drained() && server_->quiet()); ++round) {
      sim::expect(round < kRestartMs, "SIGTERM: the server does not drain");
      pass(1);
      for (std::size_t i = 0; i < server_->thread_count(); ++i) server_->step(i, now_);
    }
    sim::expect(server_->empty(), "SIGTERM: sessions or connections are left over");
  }
  server_.reset();
  now_ = then;
  pass(kRestartMs);
  if (crash) store_.crash();
  handles_.clear();
  start();
}

}  // namespace ims::model
