// Which rows of which timeline were shown, so that one that comes again after a reconnect is known.
// By group; the own inbox is "". Threads: one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

namespace ims {

class ShownRows {
 public:
  struct Last {
    std::uint64_t seq = 0;
    std::int64_t time_ms = 0;
  };

  // True: not shown before; from now on it is. Seq alone would take the first rows of a group for
  // old ones that was dismissed and created anew.
  bool is_new(const std::string& timeline, std::uint64_t seq, std::int64_t time_ms) {
    Last& last = last_[timeline];
    if (seq <= last.seq && time_ms <= last.time_ms) return false;
    last = {seq, std::max(time_ms, last.time_ms)};
    return true;
  }

  void clear() noexcept { last_.clear(); }

 private:
  std::map<std::string, Last> last_;
};

}  // namespace ims
