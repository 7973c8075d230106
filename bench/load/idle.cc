// idle: logs in and stays. What a connection costs the server in memory is the parent's to tell.
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
    return log_in_next(next_, static_cast<std::uint32_t>(users_.size()));
  }
  void start(std::uint64_t) override {}
  void tick(std::uint64_t) override {}
  void finish() override {
    share_.part().figure("connections", online_, true);
    share_.part().figure("rings", sockets_.rings(), true);
  }

  std::uint32_t next_ = 0;
};

}  // namespace

std::unique_ptr<Load> make_idle_load(const Share& share) {
  return std::make_unique<IdleLoad>(share);
}

}  // namespace ims::bench
