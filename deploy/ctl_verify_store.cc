// What imsctl verify walks, DIR's store or the running server's copy, and what it prints
// (ctl_verify.h).
#include <cstdio>
#include <filesystem>

#include "deploy/ctl_verify.h"
#include "deploy/operator_line.h"
#include "logic/durable_store.h"
#include "shared/clock.h"
#include "shared/limits.h"

namespace ims {
namespace {

int print(const VerifyResult& result) {
  for (const std::string& problem : result.problems) std::printf("%s\n", problem.c_str());
  if (result.problem_count > result.problems.size()) {
    std::printf("... and %llu more\n", static_cast<unsigned long long>(result.problem_count -
                                                                       result.problems.size()));
  }
  std::printf("%llu users, %llu groups, %llu rows, %llu cursors: %llu problems\n",
              static_cast<unsigned long long>(result.users),
              static_cast<unsigned long long>(result.groups),
              static_cast<unsigned long long>(result.rows),
              static_cast<unsigned long long>(result.cursors),
              static_cast<unsigned long long>(result.problem_count));
  return result.problem_count == 0 ? 0 : kExitRefused;
}

// The server removes the copy when `line` ends; if it ended itself meanwhile, we do.
VerifyResult verify_copy(OperatorLine& line, std::int64_t retention_ms) {
  const auto path = line.ask({{"op", "store.copy"}}).value("path", std::string());
  const std::int64_t now_ms = read_clock().wall_ms;
  logic::StoreOptions options;
  options.block_cache_bytes = 32 * kMiB;
  try {
    VerifyResult result;
    {
      const auto copy = logic::open_store_copy(path, options);
      result = verify(*copy, now_ms, retention_ms);
    }
    std::error_code error;
    if (std::filesystem::remove_all(path, error) > 0 && !error) return result;
  } catch (const logic::StoreError& error) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) throw OperatorError(error.what());
  }
  throw OperatorError("the copy of the store went away: another server started; try again");
}

}  // namespace

int verify_store(const DataDir& data, std::int64_t retention_ms) {
  std::error_code error;
  if (!std::filesystem::exists(data.store(), error)) {
    throw OperatorError("there is no store in " + data.root.string());
  }
  const auto line = open_operator_line(data);
  if (line->store() == nullptr) return print(verify_copy(*line, retention_ms));
  return print(verify(*line->store(), read_clock().wall_ms, retention_ms));
}

}  // namespace ims
