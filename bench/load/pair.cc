// pair: 1:1 messages both ways between users 2i and 2i + 1; relayed, or stored with --offline.
#include "bench/load/workloads.h"

#include "bench/load/message_load.h"

namespace ims::bench {
namespace {

class PairLoad final : public MessageLoad {
 public:
  explicit PairLoad(const Share& share)
      : MessageLoad(share, {share.count_of(share.options.connections),
                            share.options.first_user + share.first_of(share.options.connections),
                            0, 0}) {
    for (std::uint32_t user = 0; user < users_.size(); ++user) {
      add_sender(user, streams_.add(user, user ^ 1));
    }
  }

 private:
  bool prepare() override {
    return log_in_next(next_, static_cast<std::uint32_t>(users_.size()));
  }

  std::uint32_t next_ = 0;
};

}  // namespace

std::unique_ptr<Load> make_pair_load(const Share& share) {
  return std::make_unique<PairLoad>(share);
}

}  // namespace ims::bench
