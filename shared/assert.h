// IMS_ASSERT: our own bugs, checked in every build. Prints where and what, then aborts, so that
// the store is never written by a process that no longer knows its own state.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace ims {

[[noreturn]] inline void assert_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "imsd: assertion failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace ims

#define IMS_ASSERT(condition)                                         \
  do {                                                                \
    if (!(condition)) [[unlikely]]                                    \
      ::ims::assert_failed(#condition, __FILE__, __LINE__);           \
  } while (false)
