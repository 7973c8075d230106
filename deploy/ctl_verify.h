// imsctl verify: walks the whole store and prints what breaks its rules. Where a server runs, it is
// a copy as of one moment that the server makes (verify_copy.h).
//
//   timelines  rows from first_seq to head are all there, times do not go back; a row may be
//              missing where everything before the next kept one is older than `retention`
//   cursors    at or below the head of their timeline
//   groups     member rows and members' mine rows agree, and the count is theirs; what an outbox
//              row still has to tell is taken as told
//   keys       each name lies in the partition that its hash says
//
// Threads  One. Reads alone; memory grows with the number of users and groups, not of rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "deploy/data_dir.h"
#include "logic/store.h"

namespace ims {

struct VerifyResult {
  std::uint64_t users = 0;
  std::uint64_t groups = 0;
  std::uint64_t rows = 0;
  std::uint64_t cursors = 0;
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  // the first kProblemsMax of them
};
inline constexpr std::size_t kProblemsMax = 100;

VerifyResult verify(logic::Store& store, std::int64_t now_ms, std::int64_t retention_ms);

// Opens DIR's store, or the running server's copy of it, prints, returns the exit code. Throws
// OperatorError.
int verify_store(const DataDir& data, std::int64_t retention_ms);

}  // namespace ims
