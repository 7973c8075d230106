// The world's laws: shape, threads and mishaps (sim_world.h).
#include "tests/sim/sim_world.h"

#include <cstdio>
#include <sstream>

#include "logic/jwt.h"

namespace ims::sim {
namespace {

constexpr int kSteps = 1200;

}  // namespace

SimWorld::SimWorld(std::uint64_t seed, bool with_trace)
    : seed_(seed), trace_(with_trace), prng_(seed * 0x9e3779b97f4a7c15ull + 1), store_(seed + 5) {
  now_ = {1'000'000, 1'750'000'000'000, 1'000'000'000'000};
  draw();
  create_tenants(store_, seed_);
  std::function<void(const std::string&)> tell;
  if (trace_) tell = [this](const std::string& line) { this->trace(line); };
  model_.emplace(config_.push_window, tell);
  start();
}

SimWorld::~SimWorld() = default;

// ---- shape --------------------------------------------------------------------------------------

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
  config_.recall_window_ms = 7 * 86'400'000;  // clocks leap here; the window itself: device_test.py
  config_.stall_timeout_ms = 30'000;
  config_.trace_sample = seed_ % 3 == 0 ? 16 : 1;  // not drawn: old seeds stay what they were
  users_ = 2 + prng_.below(3);

  Weather& weather = weather_;
  weather.thread_percent = one_of({15u, 50u, 90u});
  weather.commit_percent = one_of({3u, 30u, 90u});
  weather.read_percent = one_of({3u, 30u, 90u});
  weather.spurious_percent = one_of({0u, 0u, 20u});
  weather.client_read_percent = one_of({3u, 30u, 90u});
  weather.reset_permille = one_of({0u, 0u, 10u, 60u});
  weather.stall_permille = one_of({0u, 0u, 10u, 30u});
  weather.crash_permille = one_of({0u, 0u, 3u, 10u});
  weather.shutdown_permille = one_of({0u, 0u, 0u, 3u});
  weather.store_failure_permille = one_of({0u, 0u, 8u, 40u});
  weather.pause_permille = one_of({0u, 0u, 3u});
  weather.leap_permille = one_of({0u, 0u, 0u, 3u});
  weather.wall_step_permille = one_of({0u, 0u, 5u});
  weather.burst_percent = one_of({5u, 10u, 50u});
  weather.group_percent = one_of({30u, 40u, 90u});
  weather.contact_percent = one_of({0u, 10u, 40u});
  weather.recall_percent = one_of({0u, 5u, 20u});
  weather.presence_percent = one_of({0u, 5u, 20u});
  weather.payload_bytes_max = one_of({16u, 300u, 1200u});
  weather.window_bytes_min = one_of<std::size_t>({300, 5000, 256 * 1024, 256 * 1024});
  weather.network.cut_percent = one_of({0u, 30u, 100u});
  weather.network.short_send_percent = one_of({0u, 30u, 80u});
  weather.network.enobufs_percent = one_of({0u, 0u, 10u});
  weather.network.delay_percent = one_of({0u, 20u, 60u});
  weather.store.incomplete_percent = one_of({0u, 0u, 10u, 60u});
  weather.store.no_space_percent = one_of({0u, 0u, 0u, 5u});

  // A record is at most an eighth of its ring: where rings are small, so are messages. Answers that
  // are pages fill a frame.
  const std::size_t least = weather.payload_bytes_max < 1000 ? 4 : 16;
  rings_.requests = one_of<std::size_t>({least, least, 64}) * 1024;
  rings_.deliveries = one_of<std::size_t>({32, 32, 1024}) * 1024;
  rings_.handoffs = one_of<std::size_t>({least, least, 64}) * 1024;
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

// ---- a step -------------------------------------------------------------------------------------

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
  model_->lost_something();
}

void SimWorld::took(std::size_t gateway) {
  for (Client& client : clients_) {
    if (client.gateway == gateway) client.client->took();
  }
}

// ---- mishaps ------------------------------------------------------------------------------------

void SimWorld::mishaps() {
  if (weather_.store.no_space_percent > 0) model_->lost_something();  // a copy is not written then
  if (permille(weather_.stall_permille)) {
    stalled_thread_ = prng_.below(server_->thread_count());
    stalled_until_ = steps_ + static_cast<int>(prng_.below(400));
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
  if (permille(weather_.pause_permille)) pause();
}

void SimWorld::count_up() {
  for (const auto& [name, counter] :
       {std::pair("ring full, requests", Counter::kRingFullRequests),
        std::pair("ring full, deliveries", Counter::kRingFullDeliveries),
        std::pair("ring full, handoffs", Counter::kRingFullHandoffs),
        std::pair("group rows held back", Counter::kHandoffsDropped),
        std::pair("rows refused", Counter::kRowsRefused),
        std::pair("catch-up entered", Counter::kCatchupEntered),
        std::pair("short sends", Counter::kShortSends),
        std::pair("parked", Counter::kParked)}) {
    tally_[name] += server_->count(counter);
  }
}

void SimWorld::crash(bool power) {
  trace(power ? "power cut" : "kill");
  ++tally_[power ? "power cuts" : "kills"];
  count_up();
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
  if (store_.failures() > 0) return;  // a failed store is restarted by crash()
  ++tally_["shutdowns"];
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
  count_up();
  server_.reset();
  for (Client& client : clients_) client.client->server_died();
  bury_the_dead();
  model_->contacts().restarted();
  start();
}

}  // namespace ims::sim
