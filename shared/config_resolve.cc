// Defaults that depend on the machine, and the relations between keys.
#include "shared/config_resolve.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace ims {
namespace {

constexpr std::uint32_t kFusedBelowCpus = 4;
constexpr std::uint32_t kDescriptorReserve = 256;  // store files, rings, listeners, administration

void resolve_threads(Config& config, std::uint32_t cpus) {
  if (config.placement == Placement::kAuto) {
    const bool same = config.gateways == config.workers || config.gateways == 0 ||
                      config.workers == 0;
    config.placement = same && cpus < kFusedBelowCpus ? Placement::kFused : Placement::kSplit;
  }
  if (config.placement == Placement::kFused) {
    // One count given is both; none: a pair for each CPU.
    const std::uint32_t pairs = std::max(config.gateways, config.workers);
    if (config.gateways == 0) config.gateways = pairs != 0 ? pairs : std::min(cpus, kGatewaysMax);
    if (config.workers == 0) config.workers = config.gateways;
    return;
  }
  // Split: the kernel's share of a message, spent in the gateway, is the larger one. One CPU in
  // four is left to the committer and the reader.
  const std::uint32_t cores = std::max(2u, cpus - cpus / 4);
  if (config.gateways == 0) config.gateways = std::clamp(cores * 2 / 3, 1u, kGatewaysMax);
  if (config.workers == 0) {
    config.workers = std::clamp(cores - std::min(cores - 1, config.gateways), 1u, kWorkersMax);
  }
}

}  // namespace

Machine read_machine() {
  Machine machine;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    machine.cpus = static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
  }
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page_bytes > 0) {
    machine.ram_bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
  }
  std::uint64_t limit_bytes = 0;
  if (std::ifstream limit("/sys/fs/cgroup/memory.max"); limit >> limit_bytes && limit_bytes > 0) {
    machine.ram_bytes = std::min(machine.ram_bytes, limit_bytes);
  }
  return machine;
}

void resolve_config(Config& config, const Machine& machine) {
  resolve_threads(config, machine.cpus);
  if (config.max_message_bytes == 0) {
    config.max_message_bytes =
        config.max_frame_bytes - static_cast<std::uint32_t>(kFrameOverheadBytes);
  }
  if (config.send_memory_bytes == 0) {
    // Never below what one connection may need, however small the machine.
    const std::uint64_t least =
        config.send_queue_bytes + carry_bytes_max(config.max_frame_bytes, config.so_rcvbuf_bytes);
    config.send_memory_bytes = std::max({machine.ram_bytes / 8 / config.gateways, least,
                                         std::uint64_t{1 * kMiB}});
  }
}

void check_config(const Config& config) {
  if (config.placement == Placement::kFused && config.gateways != config.workers) {
    throw ConfigError(fmt::format("placement = \"fused\" needs as many workers as gateways, not "
                                  "gateways = {} and workers = {}",
                                  config.gateways, config.workers));
  }
  if (config.max_message_bytes + kFrameOverheadBytes > config.max_frame_bytes) {
    throw ConfigError(fmt::format("max_message_bytes = {} is too large, at most max_frame_bytes "
                                  "less {} = {} is allowed",
                                  config.max_message_bytes, kFrameOverheadBytes,
                                  config.max_frame_bytes - kFrameOverheadBytes));
  }
  if (config.send_queue_bytes < kSendQueueFramesMin * config.max_frame_bytes) {
    throw ConfigError(fmt::format("send_queue_bytes = {} is too small, at least {} times "
                                  "max_frame_bytes = {} is needed",
                                  config.send_queue_bytes, kSendQueueFramesMin,
                                  kSendQueueFramesMin * config.max_frame_bytes));
  }
  const std::uint64_t connection_bytes =
      config.send_queue_bytes + carry_bytes_max(config.max_frame_bytes, config.so_rcvbuf_bytes);
  if (config.send_memory_bytes < connection_bytes) {
    throw ConfigError(fmt::format("send_memory_bytes = {} is too small, one connection may need "
                                  "{} (send_queue_bytes, max_frame_bytes, so_rcvbuf_bytes and {})",
                                  config.send_memory_bytes, connection_bytes, kCarryStopBytes));
  }
  if (config.max_known_devices < config.max_devices) {
    throw ConfigError(fmt::format("max_known_devices = {} is too small, at least max_devices = {} "
                                  "is needed",
                                  config.max_known_devices, config.max_devices));
  }
}

std::uint32_t connections_per_gateway(const Config& config, bool uring, std::uint64_t nofile) {
  const std::uint64_t ring_slots = std::min<std::uint64_t>(nofile, kConnectionsPerGatewayMax);
  std::uint64_t allowed = ring_slots * kRingsPerGatewayMax;
  if (!uring) {
    // epoll: descriptors are the process's. At least a few, so that a tiny limit still serves.
    const std::uint64_t reserve = std::min<std::uint64_t>(kDescriptorReserve, nofile / 2);
    allowed = (nofile - reserve) / config.gateways;
  }
  const std::uint64_t wanted =
      config.max_connections != 0 ? config.max_connections : kConnectionsPerGatewayDefault;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, std::min(wanted, allowed)));
}

std::uint32_t rings_per_gateway(std::uint32_t slots, std::uint64_t nofile) {
  return static_cast<std::uint32_t>((slots + nofile - 1) / nofile);
}

}  // namespace ims
