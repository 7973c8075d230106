// The machine and the build that a result belongs to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ims::bench {

struct Host {
  std::string cpu_model;
  unsigned cpus = 0;
  std::vector<int> allowed_cpus;  // of the calling thread
  std::uint64_t memory_bytes = 0;
  std::string kernel;             // "Linux 6.1.0-13-amd64"
  std::string compiler;
  double load_average = 0;        // of the last minute: what else runs
  std::string time;               // UTC, "2024-02-03T04:05:06Z"
};

Host read_host();

}  // namespace ims::bench
