// Asking the system (host.h).
#include "bench/report/host.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <thread>

namespace ims::bench {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
  }
  return cpus;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

Host read_host() {
  Host host;
  host.cpu_model = cpu_model();
  host.cpus = std::thread::hardware_concurrency();
  host.allowed_cpus = allowed_cpus();
  host.memory_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  utsname names{};
  if (uname(&names) == 0) host.kernel = std::string(names.sysname) + " " + names.release;
#ifdef __clang__
  host.compiler = "clang++ " __clang_version__;
#else
  host.compiler = "g++ " __VERSION__;
#endif
  double load[1] = {0};
  if (getloadavg(load, 1) == 1) host.load_average = load[0];
  host.time = utc_now();
  return host;
}

}  // namespace ims::bench
