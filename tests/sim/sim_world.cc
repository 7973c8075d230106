// The world's laws: threads, mishaps, and the calm after the storm (sim_world.h).
#include "tests/sim/sim_world.h"

#include <cstdio>
#include <sstream>

#include "logic/jwt.h"
#include "logic/keys.h"
#include "logic/sys_keys.h"
#include "logic/tenant.h"

namespace ims::sim {
namespace {

constexpr int kTenants = 2;
constexpr int kSteps = 1200;
constexpr int kSettleRounds = 6000;
constexpr std::int64_t kSettleStepMs = 20;

}  // namespace

template <typename... Parts>
void SimWorld::trace(const Parts&... parts) {
  if (!trace_) return;
  std::ostringstream line;
  line << steps_ << " t=" << now_.mono_ms << ": ";
  (line << ... << parts);
  std::fprintf(stderr, "%s\n", line.str().c_str());
}

SimWorld::SimWorld(std::uint64_t seed, bool with_trace)
    : seed_(seed), trace_(with_trace), prng_(seed * 0x9e3779b97f4a7c15ull + 1), store_(seed + 5) {
  now_ = {1'000'000, 1'750'000'000'000, 1'000'000'000'000};
  draw();
  create_tenants();
  std::function<void(const std::string&)> tell;
  if (trace_) tell = [this](const std::string& line) { this->trace(line); };
  model_.emplace(config_.push_window, tell);
  start();
}

SimWorld::~SimWorld() = default;

// ---- shape ---------------------------------------------------------------------------------------

void SimWorld::draw() {
  config_.durability = Durability::kSync;
  config_.max_frame_bytes = 4096;
  config_.max_message_bytes = 4096 - kFrameOverheadBytes;
  config_.push_window = one_of({1u, 2u, 5u, 16u, 256u});
  config_.max_inflight = one_of({1u, 2u, 8u, 256u});
  config_.send_queue_bytes = one_of({16u, 16u, 32u, 256u}) * 1024;
  config_.send_memory_bytes = one_of({64u, 256u, 4096u, 4096u}) * 1024;
  config_.state_cache_bytes = one_of({1u, 4096u, 1u << 20, 1u << 20});
  config_.max_known_devices = 32;
  config_.stall_timeout_ms = 30'000;
  users_ = 2 + prng_.below(3);

  Weather& weather = weather_;
  weather.thread_percent = one_of({15u, 50u, 90u});
  weather.commit_percent = one_of({3u, 30u, 90u});
  weather.read_percent = one_of({3u, 30u, 90u});
  weather.spurious_percent = one_of({0u, 0u, 20u});
  weather.client_read_percent = one_of({3u, 30u, 90u});
  weather.reset_permille = one_of({0u, 0u, 10u, 60u});
  weather.stall_permille = one_of({0u, 0u, 10u});
  weather.crash_permille = one_of({0u, 0u, 3u, 10u});
  weather.shutdown_permille = one_of({0u, 0u, 0u, 3u});
  weather.store_failure_permille = one_of({0u, 0u, 8u, 40u});
  weather.leap_permille = one_of({0u, 0u, 0u, 3u});
  weather.wall_step_permille = one_of({0u, 0u, 5u});
  weather.payload_bytes_max = one_of({16u, 300u, 1200u});
  weather.window_bytes_min = one_of<std::size_t>({300, 5000, 256 * 1024, 256 * 1024});
  weather.network.cut_percent = one_of({0u, 30u, 100u});
  weather.network.short_send_percent = one_of({0u, 30u, 80u});
  weather.network.enobufs_percent = one_of({0u, 0u, 10u});
  weather.network.delay_percent = one_of({0u, 20u, 60u});
  weather.store.incomplete_percent = one_of({0u, 0u, 10u, 60u});
  weather.store.no_space_percent = one_of({0u, 0u, 0u, 5u});

  const std::size_t ring = one_of<std::size_t>({64, 64, 1024}) * 1024;
  rings_ = {ring, ring, one_of<std::size_t>({32, 64, 1024}) * 1024};
}

std::string SimWorld::shape() const {
  std::ostringstream out;
  out << "gateways " << config_.gateways << " workers " << config_.workers
      << (config_.placement == Placement::kFused ? " fused" : " split") << " window "
      << config_.push_window << " inflight " << config_.max_inflight << " queue "
      << config_.send_queue_bytes << " memory " << config_.send_memory_bytes << " cache "
      << config_.state_cache_bytes << " threads " << weather_.thread_percent << "% commits "
      << weather_.commit_percent << "% reads " << weather_.read_percent << "% client reads "
      << weather_.client_read_percent << "% resets " << weather_.reset_permille << " crashes "
      << weather_.crash_permille << " store failures " << weather_.store_failure_permille
      << " leaps " << weather_.leap_permille << " rings " << rings_.requests << "/"
      << rings_.handoffs << " client window " << weather_.window_bytes_min;
  return out.str();
}

// The identity is drawn from the seed, so that names fall on the same workers in every run.
void SimWorld::create_tenants() {
  logic::StoreBatch batch;
  std::string identity(16, 'e');
  logic::append_big_endian(identity, seed_ ^ 0x5eed);
  logic::append_big_endian(identity, std::uint32_t{0});
  batch.put(logic::Table::kMeta, logic::kSysIdentity, identity);
  for (int i = 0; i < kTenants; ++i) {
    logic::Tenant tenant;
    tenant.id = TenantId{static_cast<std::uint32_t>(i) + 1};
    tenant.org = "org" + std::to_string(i);
    tenant.appkey = "app";
    tenant.keys.emplace_back("", logic::AppKey::Alg::kHs256, "secret" + std::to_string(i));
    batch.put(logic::Table::kMeta, logic::tenant_key(tenant.id), logic::encode_tenant(tenant));
  }
  const logic::StoreBatch* const batches[] = {&batch};
  expect(store_.write(batches, 1, true) == logic::StoreStatus::kOk, "the tenants");
}

void SimWorld::start() {
  config_.gateways = static_cast<std::uint32_t>(1 + prng_.below(3));
  config_.workers = static_cast<std::uint32_t>(1 + prng_.below(3));
  config_.placement = Placement::kSplit;
  if (prng_.chance(30)) {
    config_.placement = Placement::kFused;
    config_.workers = config_.gateways;
  }
  store_.set_faults({});
  server_ = std::make_unique<SimServer>(config_, store_, rings_, weather_.network, prng_.next(),
                                        now_, [this](std::size_t gateway) { took(gateway); });
  store_.set_faults(weather_.store);
  stalled_thread_ = SIZE_MAX;
  trace("start: ", shape());
}

// ---- a step --------------------------------------------------------------------------------------

void SimWorld::run() {
  for (steps_ = 0; steps_ < kSteps; ++steps_) step();
  finale();
}

void SimWorld::step() {
  const auto passed = static_cast<std::int64_t>(prng_.below(3));
  now_.mono_ms += passed;
  now_.wall_ms += passed;
  now_.ticks += static_cast<std::uint64_t>(passed) * 1'000'000 + 1000;
  mishaps();
  client_actions();
  run_threads();
}

void SimWorld::run_threads() {
  for (std::size_t i = 0; i < server_->thread_count(); ++i) {
    if (i == stalled_thread_ && steps_ < stalled_until_) continue;
    const bool is_committer = i + 2 == server_->thread_count();
    const bool is_reader = i + 1 == server_->thread_count();
    // Sockets wake a gateway as they please.
    const bool may_run = !server_->asleep(i) || server_->due(i, now_) || server_->is_gateway(i) ||
                         prng_.chance(weather_.spurious_percent);
    const unsigned percent = is_committer ? weather_.commit_percent
                             : is_reader  ? weather_.read_percent
                                          : weather_.thread_percent;
    if (!may_run || !prng_.chance(percent)) continue;
    server_->step(i, now_);
    server_->check_wakes();
  }
  note_failures();
}

// A write failed, or a worker heard of it: what it had pending is dropped, cursors included.
void SimWorld::note_failures() {
  const std::uint64_t failures = store_.failures() + server_->count(Counter::kCommitFailures);
  if (failures == failures_) return;
  failures_ = failures;
  trace("the store failed, or a worker heard of it");
  ++tally_["store failures"];
  model_->hiccup();
}

void SimWorld::took(std::size_t gateway) {
  for (Client& client : clients_) {
    if (client.gateway == gateway) client.client->took();
  }
}

// ---- mishaps -------------------------------------------------------------------------------------

void SimWorld::mishaps() {
  if (permille(weather_.stall_permille)) {
    stalled_thread_ = prng_.below(server_->thread_count());
    stalled_until_ = steps_ + static_cast<int>(prng_.below(200));
    trace("thread ", stalled_thread_, " stalls until ", stalled_until_);
  }
  if (permille(weather_.store_failure_permille)) {
    testing::SimFaults faults = weather_.store;
    faults.fail_write = 1 + prng_.below(4);
    if (prng_.chance(15)) faults.fail_status = logic::StoreStatus::kIoError;
    store_.set_faults(faults);
  }
  if (permille(weather_.wall_step_permille)) {
    const auto ms = static_cast<std::int64_t>(prng_.below(3'600'000));
    now_.wall_ms -= ms;
    trace("the wall clock steps back by ", ms);
  }
  if (permille(weather_.leap_permille) && leapt_ms_ < 200'000) {
    const auto ms = static_cast<std::int64_t>(prng_.below(40'000));
    leapt_ms_ += ms;
    now_.mono_ms += ms;
    now_.wall_ms += ms;
    now_.ticks += static_cast<std::uint64_t>(ms) * 1'000'000;
    trace("the clocks leap by ", ms);
    ++tally_["leaps"];
    model_->hiccup();
    for (Client& client : clients_) client.client->excuse();
  }
  if (server_->failed()) return crash(true);
  if (permille(weather_.crash_permille)) crash(prng_.chance(70));
  if (permille(weather_.shutdown_permille)) shut_down();
}

void SimWorld::crash(bool power) {
  trace(power ? "power cut" : "kill");
  ++tally_[power ? "power cuts" : "kills"];
  server_.reset();
  for (Client& client : clients_) client.client->server_died();
  bury_the_dead();
  const bool failed = store_.failures() > 0;
  store_.crash();  // with sync nothing that was acknowledged can be lost, whatever died
  model_->crashed(failed);
  start();
}

// SIGTERM: what was accepted is answered, everybody is told.
void SimWorld::shut_down() {
  trace("SIGTERM");
  ++tally_["shutdowns"];
  if (store_.failures() > 0) return;  // a failed store is restarted by crash()
  store_.set_faults({});
  server_->begin_shutdown(now_);
  stalled_thread_ = SIZE_MAX;
  for (Client& client : clients_) client.client->excuse();
  for (int round = 0; !(server_->drained() && server_->quiet()); ++round) {
    expect(round < kSettleRounds, "SIGTERM: the server does not drain");
    now_.mono_ms += kSettleStepMs;
    now_.wall_ms += kSettleStepMs;
    for (std::size_t i = 0; i < server_->thread_count(); ++i) server_->step(i, now_);
    for (Client& client : clients_) client.client->read();
  }
  expect(server_->empty(), "SIGTERM: sessions, connections or blocks are left over");
  server_.reset();
  for (Client& client : clients_) client.client->server_died();
  bury_the_dead();
  start();
}

// ---- the calm ------------------------------------------------------------------------------------

// Until nothing moves any more: all requests answered, all rows delivered, all cursors durable.
void SimWorld::settle(const char* what, int rounds_min) {
  int calm = 0;
  for (int round = 0; calm < 3 || round < rounds_min; ++round) {
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
      if (!one.options().explicit_mode || one.options().send_only || !one.takes_requests()) continue;
      for (const auto& [timeline, seq] : one.newest()) {
        if (!one.acked(timeline)) busy = true;
      }
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
}

void SimWorld::finale() {
  if (server_->failed()) crash(true);
  weather_.store = {};
  weather_.network = {};
  store_.set_faults({});
  for (std::size_t g = 0; g < server_->gateway_count(); ++g) server_->io(g).faults() = {};
  for (Client& client : clients_) {
    client.client->io().set_window(client.client->handle(), 1 << 20);
  }
  stalled_thread_ = SIZE_MAX;
  trace("the world heals");
  settle("after the storm", 75);  // a store that was full tries again each second
  for (Client& client : clients_) {
    if (client.client->takes_requests() && !client.client->options().send_only) {
      model_->complete(client.client->session());
    }
  }
  log_in_everybody();
  list_groups();
  everybody_leaves();
  model_->all_delivered();
  log_in_everybody();  // and is pushed nothing
  everybody_leaves();
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
    expect(request.ParseFromString(std::string(value.substr(25))), "a row that does not decode");
    Row row;
    std::uint64_t seq = 0;
    if (request.type() == Request::MESSAGE) {
      Message message;
      expect(message.ParseFromString(request.payload()), "a message that does not decode");
      row = Row::of(message);
      seq = message.seq();
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
  return all;
}

}  // namespace ims::sim
