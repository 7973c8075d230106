// --print-limits: what imsd may use at most, from the configuration and shared/limits.h.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "shared/config.h"
#include "shared/counters.h"

namespace ims {
namespace {

struct Bound {
  std::string_view what;
  std::uint64_t each_bytes;
  std::uint64_t count;
};

std::string mebibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / static_cast<double>(kMiB));
}

// What the server raises its own limit to.
std::uint64_t open_files_max() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return limit.rlim_max;
}

std::string table(std::string_view title, const std::vector<Bound>& bounds) {
  std::string text = fmt::format("{:<58}{:>14}{:>10}{:>16}\n", title, "each", "count", "together");
  std::uint64_t total = 0;
  for (const Bound& bound : bounds) {
    const std::uint64_t bytes = bound.each_bytes * bound.count;
    total += bytes;
    const bool small = bound.each_bytes < 10 * kKiB;
    text += fmt::format("  {:<56}{:>14}{:>10}{:>16}\n", bound.what,
                        small ? fmt::format("{} B", bound.each_bytes) : mebibytes(bound.each_bytes),
                        bound.count, mebibytes(bytes));
  }
  return text + fmt::format("  {:<56}{:>40}\n", "ceiling", mebibytes(total));
}

}  // namespace

std::string describe_limits(const Config& config) {
  const std::uint64_t gateways = config.gateways;
  const std::uint64_t workers = config.workers;
  const bool uring = config.io != IoChoice::kEpoll;
  const std::uint64_t open_files = std::max<std::uint64_t>(1, open_files_max());
  const std::uint32_t slots = connections_per_gateway(config, uring, open_files);
  const std::uint64_t connections = gateways * slots;
  const std::uint64_t rings = uring ? gateways * rings_per_gateway(slots, open_files) : 0;
  const std::uint64_t threads = gateways + workers + 3;  // committer, reader, passwords
  const std::uint64_t session_bytes =
      kSessionBytesMax + std::uint64_t{config.push_window} * kPushedRowBytes;

  std::string text = table(
      "memory of imsd",
      {
          {"gateway: send queues and carries (send_memory_bytes)", config.send_memory_bytes,
           gateways},
          {"gateway: receive buffers", kReceiveBufferBytes * kReceiveBufferCount, gateways},
          {"connection: table slot", kConnectionIdleBytesMax, connections},
          {"connection: session, with a full push window", session_bytes, connections},
          {"ring: requests, gateway to worker", ring_bytes(config.max_frame_bytes),
           gateways * workers},
          {"ring: deliveries, worker to gateway", ring_bytes(config.max_frame_bytes),
           gateways * workers},
          {"ring: handoffs, worker to worker", handoff_ring_bytes(config.max_frame_bytes),
           workers * (workers - 1)},
          {"worker: state of who is not online (state_cache_bytes)", config.state_cache_bytes,
           workers},
          {"worker: parked requests", kParkedBytesPerWorkerMax, workers},
          {"worker: batches at the committer", kBatchBytesMax, workers * kBatchesInFlightMax},
          {"worker: client_ids of dedupe_window (dedupe_bytes)", config.dedupe_bytes, workers},
          {"worker: the same, at a rate that does not fit", config.dedupe_bytes / 6,
           workers * kDedupeFiltersMax},
          {"store: blocks and write buffers (block_cache_bytes)", config.block_cache_bytes, 1},
          {"passwords that wait (password_queue)", kFirstFrameBytesMax, config.password_queue},
          {"thread: counters and histograms", kBlockCells * sizeof(std::uint64_t), threads},
      });
  text += "\n";
  // The kernel doubles both for its own bookkeeping (socket(7)).
  text += table("memory of the kernel, while in use",
                {{"socket: receive buffer", 2 * std::uint64_t{config.so_rcvbuf_bytes}, connections},
                 {"socket: send buffer", 2 * std::uint64_t{config.so_sndbuf_bytes}, connections},
                 {"socket: itself, its file and its receive", kKernelSocketBytesMax, connections},
                 {"io_uring: queues of a ring, added on demand", kKernelRingBytes, rings}});
  return text;
}

}  // namespace ims
