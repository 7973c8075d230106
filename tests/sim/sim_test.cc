// The whole server in worlds from seeds.
//
//   IMS_SEED=n          one world, with a trace on standard error
//   IMS_SIM_SEEDS=n     so many worlds instead of 1,000
//   IMS_SIM_FIRST=n     the first of them instead of 1
//
// seeds.txt beside this file: every seed that ever failed, run first.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <unistd.h>

#include "shared/log.h"
#include "tests/sim/sim_world.h"

namespace ims::sim {
namespace {

volatile std::uint64_t current_seed = 0;

// An assertion in the server ends the process: say which world it was.
void on_abort(int) {
  char line[64];
  const int bytes = std::snprintf(line, sizeof line, "IMS_SEED=%llu aborted\n",
                                  static_cast<unsigned long long>(current_seed));
  const ssize_t written = write(2, line, static_cast<std::size_t>(bytes));
  _exit(written > 0 ? 134 : 135);
}

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::map<std::string, std::uint64_t> totals;

bool run_seed(std::uint64_t seed, bool trace) {
  current_seed = seed;
  try {
    SimWorld world(seed, trace);
    try {
      world.run();
    } catch (const std::exception&) {
      std::fprintf(stderr, "IMS_SEED=%llu in a world of %s\n",
                   static_cast<unsigned long long>(seed), world.shape().c_str());
      throw;
    }
    for (const auto& [what, count] : world.tally()) totals[what] += count;
    return true;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "IMS_SEED=%llu failed: %s\n", static_cast<unsigned long long>(seed),
                 error.what());
    return false;
  }
}

TEST_CASE("worlds from seeds") {
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);
  set_log_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::uint64_t replay = number_from("IMS_SEED", 0);
  if (replay != 0) {
    CHECK(run_seed(replay, true));
    return;
  }
  std::ifstream kept(std::string(IMS_SOURCE_DIR) + "/tests/sim/seeds.txt");
  for (std::string line; std::getline(kept, line);) {
    if (line.empty() || line[0] == '#') continue;
    CHECK_MESSAGE(run_seed(std::strtoull(line.c_str(), nullptr, 10), false), "seed ", line);
  }
  const std::uint64_t first = number_from("IMS_SIM_FIRST", 1);
  const std::uint64_t count = number_from("IMS_SIM_SEEDS", 1000);
  const std::uint64_t failures_max = number_from("IMS_SIM_FAILURES", 1);
  std::uint64_t failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < failures_max; ++seed) {
    if (!run_seed(seed, false)) ++failures;
  }
  CHECK(failures == 0);
  for (const auto& [what, number] : totals) {
    std::fprintf(stderr, "%s: %llu\n", what.c_str(), static_cast<unsigned long long>(number));
  }
}

}  // namespace
}  // namespace ims::sim
