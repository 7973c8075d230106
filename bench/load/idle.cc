// idle: logs in and stays. What a connection costs the server in memory is the parent's to tell.
//
// Logins   are made before the phase that is measured, and have no latency here: closed loop with
//          --window of them outstanding, or so many a second (--rate).
#include <algorithm>

#include "bench/load/clock.h"
#include "bench/load/workloads.h"

namespace ims::bench {
namespace {

class IdleLoad final : public Load {
 public:
  explicit IdleLoad(const Share& share)
      : Load(share, {share.count_of(share.options.connections),
                     share.options.first_user + share.first_of(share.options.connections), 0, 0}) {
  }

 private:
  bool prepare() override {
    const auto users = static_cast<std::uint32_t>(users_.size());
    const std::uint32_t due = due_by_now(users);
    if (logging_in_ == 0) heard_ns_ = now_ns();  // nothing is asked for: it may take its time
    return log_in_next(next_, due) && due == users;
  }

  std::uint32_t due_by_now(std::uint32_t users) {
    if (options_.rate == 0) return users;
    if (begin_ns_ == 0) begin_ns_ = now_ns();
    const double seconds = static_cast<double>(now_ns() - begin_ns_) / kNsPerSecond;
    const double due = 1 + seconds * options_.rate / options_.processes;
    return due >= users ? users : static_cast<std::uint32_t>(due);
  }

  void start(std::uint64_t) override {}
  void tick(std::uint64_t) override {}
  void finish() override {
    share_.part().figure("connections", online_, true);
    share_.part().figure("rings", sockets_.rings(), true);
  }

  std::uint32_t next_ = 0;
  std::uint64_t begin_ns_ = 0;  // of the logins
};

}  // namespace

std::unique_ptr<Load> make_idle_load(const Share& share) {
  return std::make_unique<IdleLoad>(share);
}

}  // namespace ims::bench
