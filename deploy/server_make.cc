// Putting the server together: data directory, store, rings, cores, listeners. Throws on any
// refusal.

#include <sys/resource.h>

#include <algorithm>

#include "deploy/allocator.h"
#include "deploy/server_parts.h"
#include "shared/log.h"

namespace ims {
namespace {

constexpr std::size_t kReadQueue = 1024;
static_assert(kReadQueue >= kReadsInFlightPerWorkerMax);

}  // namespace

CounterBlock Server::Parts::block(const std::string& thread) {
  return counter_file ? counter_file->take_block(thread) : CounterBlock();
}

void Server::Parts::open_store() {
  data.root = config.data;
  data.create();
  clock = std::make_unique<logic::RetentionClock>(config.accept_clock);
  logic::StoreOptions options = logic::store_options(config);
  options.clock = clock.get();
  store = logic::open_store(config.store_engine, data.store().string(), options);
  identity = logic::open_identity(*store, store->lost_commits() > 0);
  epoch.assign(reinterpret_cast<const char*>(identity.epoch.data()), identity.epoch.size());
  if (logic::open_run_ends(*store, identity.boot, run_ends_ms) != logic::StoreStatus::kOk) {
    throw std::runtime_error("the ends of earlier runs cannot be noted in " +
                             data.store().string());
  }
  if (clock->open(*store, read_clock().wall_ms) != logic::StoreStatus::kOk) {
    throw std::runtime_error("the store's clock cannot be written in " + data.store().string());
  }

  const std::size_t threads = config.gateways + config.workers + 3;
  try {
    counter_file = CounterFileWriter::create(data.counters(), {threads, config.gateways},
                                             read_clock().wall_ms, config.trace_sample);
  } catch (const std::exception& error) {
    IMS_LOG(kWarn, "counters_not_shared", {{"why", error.what()}});
    trace_memory.emplace(config.gateways);
  }
  traces = Traces(counter_file ? counter_file->trace_regions() : trace_memory->regions(),
                  TickClock::measure());
}

void Server::Parts::make_rings() {
  const auto add = [&](const char* name, std::size_t bytes) {
    rings.push_back(std::make_unique<ByteRing>(name, bytes));
    return rings.back().get();
  };
  const std::size_t ring = ring_bytes(config.max_frame_bytes);
  requests.resize(config.gateways);
  for (auto& row : requests) {
    for (std::uint32_t w = 0; w < config.workers; ++w) row.push_back(add("ims_requests", ring));
  }
  deliveries.resize(config.workers);
  for (auto& row : deliveries) {
    for (std::uint32_t g = 0; g < config.gateways; ++g) row.push_back(add("ims_deliveries", ring));
  }
  handoffs.resize(config.workers);
  for (std::uint32_t from = 0; from < config.workers; ++from) {
    for (std::uint32_t to = 0; to < config.workers; ++to) {
      handoffs[from].push_back(
          from == to ? nullptr : add("ims_handoffs", handoff_ring_bytes(config.max_frame_bytes)));
    }
  }
}

void Server::Parts::make_workers() {
  for (GatewayThread& thread : gateways) {
    thread.wakeup = std::make_unique<Wakeup>(Wakeup::Kind::kEventFd);
  }
  for (std::uint32_t i = 0; i < config.workers; ++i) {
    WorkerThread& thread = workers[i];
    if (fused()) {
      thread.wakeup = gateways[i].wakeup.get();
    } else {
      thread.own_wakeup = std::make_unique<Wakeup>(Wakeup::Kind::kFutex);
      thread.wakeup = thread.own_wakeup.get();
    }
    thread.counters = block("worker" + std::to_string(i));
    thread.commits = std::make_unique<logic::CommitPort>(2 * kBatchesInFlightMax);
    thread.reads = std::make_unique<logic::ReadPort>(kReadQueue);
    thread.passwords =
        std::make_unique<logic::AuthChannel>(auth_wakeup, *thread.wakeup, config.password_queue);
    thread.admin = std::make_unique<logic::AdminPort>();
  }
  for (std::uint32_t i = 0; i < config.workers; ++i) {
    WorkerThread& thread = workers[i];
    logic::WorkerPorts ports;
    ports.index = static_cast<WorkerIndex>(i);
    for (std::uint32_t g = 0; g < config.gateways; ++g) {
      ports.requests.push_back(requests[g][i]);
      ports.deliveries.push_back(deliveries[i][g]);
      thread.peers.gateways.push_back(fused() && g == i ? nullptr : gateways[g].wakeup.get());
    }
    for (std::uint32_t w = 0; w < config.workers; ++w) {
      ports.handoffs_in.push_back(handoffs[w][i]);
      ports.handoffs_out.push_back(handoffs[i][w]);
      thread.peers.workers.push_back(w == i ? nullptr : workers[w].wakeup);
    }
    thread.peers.committer = &commit_wakeup;
    thread.peers.reader = &reader_wakeup;
    thread.peers.admin = &admin_wakeup;
    ports.commits = thread.commits.get();
    ports.reads = thread.reads.get();
    ports.passwords = thread.passwords.get();
    ports.admin = thread.admin.get();
    ports.store = store.get();
    ports.clock = clock.get();
    ports.counters = &*thread.counters;
    ports.traces = &traces;
    thread.core = std::make_unique<logic::Worker>(
        config, logic::WorkerIdentity{identity.seed, identity.boot, epoch, run_ends_ms},
        std::move(ports));
    if (thread.core->start() != logic::StoreStatus::kOk) {
      throw std::runtime_error("the store in " + data.store().string() + " cannot be read");
    }
  }
}

void Server::Parts::make_helpers() {
  std::vector<logic::CommitPort*> commit_ports;
  std::vector<logic::ReadPort*> read_ports;
  for (WorkerThread& worker : workers) {
    commit_ports.push_back(worker.commits.get());
    read_ports.push_back(worker.reads.get());
  }
  main_counters = block("main0");
  main_counters->set(Counter::kInfoAllocatorJemalloc, jemalloc_is_live() ? 1 : 0);
  return_memory_in_background();
  commit_counters = block("commit0");
  reader_counters = block("reader0");
  committer = std::make_unique<logic::Committer>(*store, commit_ports, config.durability,
                                                 config.durability_interval_ms, *commit_counters,
                                                 clock.get());
  reader = std::make_unique<logic::Reader>(*store, read_ports, *reader_counters);
}

void Server::Parts::make_gateways() {
  std::string why_not;
  if (config.io != IoChoice::kEpoll) {
    why_not = gateway::UringIo::probe();
    uring = why_not.empty();
    if (!uring && config.io == IoChoice::kUring) {
      throw std::runtime_error("io_uring is refused here: " + why_not + "; try --io epoll");
    }
    if (!uring) IMS_LOG(kWarn, "io_uring_refused", {{"why", why_not}, {"using", "epoll"}});
  }
  const std::uint32_t slots = connections_per_gateway(config, uring, nofile);
  const std::uint32_t wanted =
      config.max_connections != 0 ? config.max_connections : kConnectionsPerGatewayDefault;
  if (slots < wanted) {
    IMS_LOG(kWarn, "few_connections",
            {{"per_gateway", slots},
             {"wanted", wanted},
             {"why", uring ? "a ring's table holds RLIMIT_NOFILE, and a gateway has 32 rings"
                           : "with epoll each connection is one of RLIMIT_NOFILE"},
             {"rlimit_nofile", nofile}});
  }
  const auto ring_slots = static_cast<std::uint32_t>(std::min<std::uint64_t>(nofile, slots));
  address = config.listen;
  std::vector<ByteRing*> all_requests;
  for (const auto& row : requests) all_requests.insert(all_requests.end(), row.begin(), row.end());
  for (std::uint32_t i = 0; i < config.gateways; ++i) {
    GatewayThread& thread = gateways[i];
    thread.counters = block("gw" + std::to_string(i));
    thread.listener.emplace(gateway::Listener::open(config, address, i == 0));
    address = thread.listener->address();
    if (uring) {
      thread.uring = gateway::UringIo::create(*thread.listener, *thread.wakeup, *thread.counters,
                                              static_cast<GatewayIndex>(i),
                                              {slots, ring_slots}, why_not);
      if (thread.uring == nullptr) {
        throw std::runtime_error("io_uring is refused here: " + why_not + "; try --io epoll");
      }
    } else {
      thread.epoll = std::make_unique<gateway::EpollIo>(*thread.listener, *thread.wakeup,
                                                        *thread.counters,
                                                        static_cast<GatewayIndex>(i));
    }
    for (std::uint32_t w = 0; w < config.workers; ++w) {
      thread.requests.push_back(requests[i][w]);
      thread.deliveries.push_back(deliveries[w][i]);
      thread.workers.push_back(fused() && w == i ? nullptr : workers[w].wakeup);
    }
    const Now now = read_clock();
    thread.core = std::make_unique<gateway::Gateway>(gateway::GatewayParts{
        .index = static_cast<GatewayIndex>(i),
        .config = config,
        .hash_seed = identity.seed,
        .requests = thread.requests,
        .deliveries = thread.deliveries,
        .counters = *thread.counters,
        .prng_seed = identity.seed ^ (now.ticks * 0x9e3779b97f4a7c15ull) ^ (i + 1),
        .slots_max = slots,
        .now = now,
        .all_requests = all_requests,
        .traces = &traces});
  }
  CounterBlock& info = *gateways[0].counters;
  info.set(uring ? Counter::kInfoIoUring : Counter::kInfoIoEpoll, 1);
  info.set(fused() ? Counter::kInfoPlacementFused : Counter::kInfoPlacementSplit, 1);
  info.set(config.durability == Durability::kSync       ? Counter::kInfoDurabilitySync
           : config.durability == Durability::kInterval ? Counter::kInfoDurabilityInterval
                                                        : Counter::kInfoDurabilityOs,
           1);
  info.set(store->engine() == StoreEngine::kSegments ? Counter::kInfoStoreSegments
                                                     : Counter::kInfoStoreRocksdb,
           1);
}

void Server::Parts::make_admin() {
  AdminWiring wiring;
  wiring.data = data;
  wiring.listen = address;
  wiring.hash_seed = identity.seed;
  wiring.store = store.get();
  wiring.files = store.get();
  for (WorkerThread& worker : workers) {
    wiring.ports.push_back(worker.admin.get());
    wiring.workers.push_back(worker.wakeup);
  }
  wiring.wakeup = &admin_wakeup;
  admin = std::make_unique<AdminServer>(std::move(wiring));
}

}  // namespace ims
