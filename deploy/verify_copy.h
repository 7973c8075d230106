// The copy of its store that a running server makes for `imsctl verify`: DIR/run/verify-<pid>-<n>.
// It keeps files alive that the store has let go, so there is one at a time, and it goes with the
// connection that asked for it (admin_server.h), or when the next server starts.
//
// Threads  One, the admin thread; the store's writers go on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "deploy/data_dir.h"
#include "logic/durable_store.h"
#include "shared/codes.h"

namespace ims {

class VerifyCopy {
 public:
  // Removes what servers before left. `store`: null where there are no files to copy.
  VerifyCopy(const DataDir& data, logic::DurableStore* store);
  VerifyCopy(const VerifyCopy&) = delete;
  VerifyCopy& operator=(const VerifyCopy&) = delete;

  // kOk and where it is; kOverloaded while there is another one; kUnsupported without files;
  // kUnavailable where the copy fails.
  Code make(std::string& directory);
  void remove();
  std::uint32_t count() const noexcept { return count_; }  // copies made so far

 private:
  const std::filesystem::path folder_;
  logic::DurableStore* const store_;
  std::filesystem::path copy_;  // empty: none
  std::uint32_t count_ = 0;
};

}  // namespace ims
