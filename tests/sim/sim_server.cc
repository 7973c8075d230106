// Wiring and turns (sim_server.h).
#include "tests/sim/sim_server.h"

#include <algorithm>
#include <limits>

#include "logic/keys.h"
#include "logic/run_ends.h"
#include "logic/sys_keys.h"
#include "logic/tenant.h"
#include "tests/sim/model.h"

namespace ims::sim {
namespace {

constexpr int kTenants = 2;
constexpr std::uint32_t kSlots = 64;
constexpr std::size_t kReadQueue = 1024;
static_assert(kReadQueue >= kReadsInFlightPerWorkerMax);

template <typename Visit>
void for_each_bit(std::uint64_t bits, Visit visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<std::size_t>(__builtin_ctzll(bits)));
}

}  // namespace

// The identity is drawn from the seed, so that names fall on the same workers in every run.
void create_tenants(testing::SimStore& store, std::uint64_t seed) {
  logic::StoreBatch batch;
  std::string identity(16, 'e');
  logic::append_big_endian(identity, seed ^ 0x5eed);
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
  expect(store.write(batches, 1, true) == logic::StoreStatus::kOk, "the tenants");
}

ByteRing* SimServer::make_ring(const char* name, std::size_t bytes) {
  rings_.push_back(std::make_unique<ByteRing>(name, bytes));
  return rings_.back().get();
}

SimServer::SimServer(const Config& config, testing::SimStore& store, const Rings& rings,
                     const test::SimFaults& faults, std::uint64_t seed, Now now,
                     std::function<void(std::size_t)> after_wait)
    : config_(config),
      after_wait_(std::move(after_wait)),
      trace_memory_(config.gateways),
      traces_(trace_memory_.regions(), TickClock::by_hand(&ticks_)),
      clock_(true) {
  const logic::StoreIdentity identity = logic::open_identity(store);
  std::vector<std::int64_t> run_ends;
  expect(logic::open_run_ends(store, identity.boot, run_ends) == logic::StoreStatus::kOk,
         "the ends of earlier runs cannot be read");
  expect(clock_.open(store, now.wall_ms) == logic::StoreStatus::kOk, "the clock cannot be opened");
  const std::string epoch(reinterpret_cast<const char*>(identity.epoch.data()),
                          identity.epoch.size());
  gateways_.resize(config.gateways);
  workers_.resize(config.workers);
  std::vector<logic::WorkerPorts> ports(config.workers);
  for (std::uint32_t g = 0; g < config.gateways; ++g) {
    for (std::uint32_t w = 0; w < config.workers; ++w) {
      gateways_[g].requests.push_back(make_ring("requests", rings.requests));
      gateways_[g].deliveries.push_back(make_ring("deliveries", rings.deliveries));
      ports[w].requests.push_back(gateways_[g].requests.back());
      ports[w].deliveries.push_back(gateways_[g].deliveries.back());
    }
  }
  for (auto& port : ports) {
    port.handoffs_in.resize(config.workers, nullptr);
    port.handoffs_out.resize(config.workers, nullptr);
  }
  for (std::uint32_t from = 0; from < config.workers; ++from) {
    for (std::uint32_t to = 0; to < config.workers; ++to) {
      if (from == to) continue;
      ports[from].handoffs_out[to] = ports[to].handoffs_in[from] =
          make_ring("handoffs", rings.handoffs);
    }
  }
  std::vector<logic::CommitPort*> commit_ports;
  std::vector<logic::ReadPort*> read_ports;
  for (std::uint32_t w = 0; w < config.workers; ++w) {
    WorkerParts& parts = workers_[w];
    parts.counters = std::make_unique<CounterBlock>();
    parts.commits = std::make_unique<logic::CommitPort>(2 * kBatchesInFlightMax);
    parts.reads = std::make_unique<logic::ReadPort>(kReadQueue);
    commit_ports.push_back(parts.commits.get());
    read_ports.push_back(parts.reads.get());
    ports[w].index = static_cast<WorkerIndex>(w);
    ports[w].commits = parts.commits.get();
    ports[w].reads = parts.reads.get();
    ports[w].store = &store;
    ports[w].clock = &clock_;
    ports[w].counters = parts.counters.get();
    ports[w].traces = &traces_;
    for (ByteRing* ring : ports[w].handoffs_in) {
      if (ring != nullptr) parts.handoffs.push_back(ring);
    }
    parts.core = std::make_unique<logic::Worker>(
        config, logic::WorkerIdentity{identity.seed, identity.boot, epoch, run_ends},
        std::move(ports[w]));
    expect(parts.core->start() == logic::StoreStatus::kOk, "a worker cannot start");
  }
  committer_ = std::make_unique<logic::Committer>(store, commit_ports, config.durability,
                                                  config.durability_interval_ms, commit_counters_,
                                                  &clock_);
  reader_ = std::make_unique<logic::Reader>(store, read_ports, reader_counters_);

  std::vector<ByteRing*> all_requests;
  for (const GatewayParts& parts : gateways_) {
    all_requests.insert(all_requests.end(), parts.requests.begin(), parts.requests.end());
  }
  for (std::uint32_t g = 0; g < config.gateways; ++g) {
    GatewayParts& parts = gateways_[g];
    parts.counters = std::make_unique<CounterBlock>();
    parts.io = std::make_unique<test::SimIo>(seed + 17 * g, static_cast<GatewayIndex>(g), faults);
    parts.core = std::make_unique<gateway::Gateway>(
        gateway::GatewayParts{.index = static_cast<GatewayIndex>(g),
                              .config = config,
                              .hash_seed = identity.seed,
                              .requests = parts.requests,
                              .deliveries = parts.deliveries,
                              .counters = *parts.counters,
                              .prng_seed = seed ^ (g + 1),
                              .slots_max = kSlots,
                              .now = now,
                              .all_requests = all_requests,
                              .traces = &traces_});
  }
  const bool fused = config.placement == Placement::kFused;
  for (std::uint32_t g = 0; g < config.gateways; ++g) {
    gateway_thread_.push_back(threads_.size());
    threads_.push_back({.gateway = static_cast<int>(g)});
    if (fused) threads_.back().worker = static_cast<int>(g);
  }
  for (std::uint32_t w = 0; w < config.workers; ++w) {
    worker_thread_.push_back(fused ? gateway_thread_[w] : threads_.size());
    if (!fused) threads_.push_back({.worker = static_cast<int>(w)});
  }
  commit_thread_ = threads_.size();
  threads_.push_back({.commits = true});
  reader_thread_ = threads_.size();
  threads_.push_back({.reads = true});
}

SimServer::~SimServer() = default;

// ---- turns --------------------------------------------------------------------------------------

bool SimServer::worker_turn(std::size_t worker, Now now) {
  WorkerParts& parts = workers_[worker];
  logic::Worker& core = *parts.core;
  const std::uint64_t no_room = parts.counters->get(Counter::kRingFullHandoffs);
  const bool ticks = core.next_tick_ms() <= now.mono_ms;  // may give up what found no room
  const bool worked = core.turn(now);
  parts.kept_back = !ticks && !worked && parts.counters->get(Counter::kRingFullHandoffs) != no_room;
  const logic::Worker::Published& published = core.published();
  for_each_bit(published.gateways, [&](std::size_t g) { wake(gateway_thread_[g]); });
  for_each_bit(published.workers, [&](std::size_t w) { wake(worker_thread_[w]); });
  if (published.commits) wake(commit_thread_);
  if (published.reads) wake(reader_thread_);
  return worked;
}

// gateway_thread.h's loop, from its completions on.
void SimServer::step_gateway(Thread& thread, Now now) {
  GatewayParts& parts = gateways_[static_cast<std::size_t>(thread.gateway)];
  gateway::Gateway& core = *parts.core;
  const auto completions = parts.io->wait(std::chrono::milliseconds{0});
  after_wait_(static_cast<std::size_t>(thread.gateway));
  core.on_completions(completions, now);
  core.publish();
  bool worked = false;
  if (thread.worker >= 0) worked = worker_turn(static_cast<std::size_t>(thread.worker), now);
  core.on_records(now);
  core.on_tick(now);
  parts.io->set_accepting(core.accepting());
  const bool submitted = !core.requests().empty();
  core.publish();
  parts.io->submit(core.requests());
  for_each_bit(core.end_turn(), [&](std::size_t w) { wake(worker_thread_[w]); });

  thread.asleep = !submitted && !core.has_work() && !has_input(thread) && !worked;
  thread.wake_at_ms = now.mono_ms + std::min<std::int64_t>(core.wait_max().count(), 100);
  if (thread.worker >= 0 && workers_[static_cast<std::size_t>(thread.worker)].core->blocked()) {
    thread.wake_at_ms = now.mono_ms + 1;
  }
}

void SimServer::step(std::size_t index, Now now) {
  Thread& thread = threads_[index];
  ticks_ = now.ticks;
  thread.asleep = false;
  if (thread.gateway >= 0) return step_gateway(thread, now);
  bool worked = false;
  if (thread.worker >= 0) {
    const auto worker = static_cast<std::size_t>(thread.worker);
    worked = worker_turn(worker, now);
    const logic::Worker& core = *workers_[worker].core;
    const std::int64_t tick_ms =
        std::clamp<std::int64_t>(core.next_tick_ms() - now.mono_ms, 1, 100);
    thread.wake_at_ms = now.mono_ms + (core.blocked() ? 1 : tick_ms);
  } else if (thread.commits) {
    worked = committer_->run_once(now);
    committer_->take_answered([&](WorkerIndex w) { wake(worker_thread_[w]); });
    thread.wake_at_ms = committer_->next_deadline_ms();
  } else {
    worked = reader_->run_once();
    reader_->take_answered([&](WorkerIndex w) { wake(worker_thread_[w]); });
    thread.wake_at_ms = std::numeric_limits<std::int64_t>::max();
  }
  thread.asleep = !worked && !has_input(thread);
}

// The fresh look before a sleep.
bool SimServer::has_input(const Thread& thread) {
  if (thread.commits) return !committer_->idle();
  if (thread.reads) return !reader_->idle();
  bool input = false;
  if (thread.gateway >= 0) {
    input = gateways_[static_cast<std::size_t>(thread.gateway)].core->records_waiting();
  }
  if (thread.worker >= 0) {
    input |= !workers_[static_cast<std::size_t>(thread.worker)].core->idle();
  }
  return input;
}

bool SimServer::has_more_than_requests(std::size_t worker) {
  WorkerParts& parts = workers_[worker];
  return !parts.commits->done.empty() || !parts.reads->done.empty() ||
         std::any_of(parts.handoffs.begin(), parts.handoffs.end(),
                     [](ByteRing* ring) { return !ring->empty(); });
}

void SimServer::check_wakes() {
  for (const Thread& thread : threads_) {
    if (!thread.asleep) continue;
    bool lost = has_input(thread);
    if (thread.worker >= 0) {
      // One that waits for room in a full ring is not woken for every record that leaves it, but
      // for everything else.
      const auto worker = static_cast<std::size_t>(thread.worker);
      const bool blocked = workers_[worker].core->blocked();
      expect(blocked || !workers_[worker].kept_back,
             "a worker sleeps for long although a handoff waits for room");
      if (blocked) {
        lost = has_more_than_requests(worker) ||
               (thread.gateway >= 0 &&
                gateways_[static_cast<std::size_t>(thread.gateway)].core->records_waiting());
      }
    }
    if (!lost) continue;
    fail(std::string("a lost wake: ") +
         (thread.gateway >= 0   ? "gateway"
          : thread.worker >= 0  ? "worker"
          : thread.commits      ? "committer"
                                : "reader") +
         " sleeps although it has input");
  }
}

// ---- looking ------------------------------------------------------------------------------------

void SimServer::begin_shutdown(Now now) {
  for (GatewayParts& parts : gateways_) parts.core->begin_shutdown(now);
  for (const std::size_t thread : gateway_thread_) wake(thread);
}

bool SimServer::drained() const {
  return std::all_of(gateways_.begin(), gateways_.end(),
                     [](const GatewayParts& parts) { return parts.core->drained(); });
}

bool SimServer::quiet() {
  return std::all_of(workers_.begin(), workers_.end(),
                     [](const WorkerParts& parts) { return parts.core->quiet(); }) &&
         std::all_of(threads_.begin(), threads_.end(),
                     [&](const Thread& thread) { return thread.asleep && !has_input(thread); });
}

bool SimServer::empty() const {
  return std::all_of(gateways_.begin(), gateways_.end(),
                     [](const GatewayParts& parts) {
                       return parts.core->connection_count() == 0 &&
                              parts.core->memory_bytes() == 0;
                     }) &&
         std::all_of(workers_.begin(), workers_.end(), [](const WorkerParts& parts) {
           return parts.core->session_count() == 0;
         });
}

void SimServer::check_traces() {
  std::uint64_t in_use = 0;
  for (TraceRegion& region : trace_memory_.regions()) {
    const StageBlock block(region.cells);
    for (std::size_t kind = 0; kind < kTraceKindCount; ++kind) {
      std::uint64_t sum_ns = 0;
      for (std::size_t stage = 0; stage < kStagesOnTheWay; ++stage) {
        sum_ns += block.sum_ns(static_cast<TraceKind>(kind), static_cast<Stage>(stage));
      }
      expect(sum_ns == block.sum_ns(static_cast<TraceKind>(kind), Stage::kTotal),
             "the stages do not add up to the whole: " + std::string(kTraceKindNames[kind]));
    }
    for (TraceSlot& slot : region.slots) in_use += Traces::is_free(slot) ? 0 : 1;
  }
  expect(count(Counter::kTracesStarted) ==
             count(Counter::kTracesFinished) + count(Counter::kTracesDropped) + in_use,
         "followed messages ended twice, or nowhere");
}

std::uint64_t SimServer::count(Counter counter) const {
  std::uint64_t sum = commit_counters_.get(counter) + reader_counters_.get(counter);
  for (const WorkerParts& parts : workers_) sum += parts.counters->get(counter);
  for (const GatewayParts& parts : gateways_) sum += parts.counters->get(counter);
  return sum;
}

}  // namespace ims::sim
