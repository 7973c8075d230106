// group: groups of equal size, of each the first members send: one (1 to N) up to all (N to N).
// The window of a sender counts messages, each delivered to all others of its group.
#include "bench/load/workloads.h"

#include "bench/load/message_load.h"

namespace ims::bench {
namespace {

class GroupLoad final : public MessageLoad {
 public:
  explicit GroupLoad(const Share& share)
      : MessageLoad(share, {share.count_of(share.options.connections),
                            share.options.first_user + share.first_of(share.options.connections),
                            0, 0}) {
    const auto users = static_cast<std::uint32_t>(users_.size());
    for (std::uint32_t start = 0; start < users; start += options_.group_members) {
      const std::uint32_t group = streams_.add_group(start, options_.group_members);
      for (std::uint32_t user = start; user < start + options_.senders; ++user) {
        add_sender(user, streams_.add_to_group(user, group));
      }
    }
  }

 private:
  bool prepare() override {
    return log_in_next(next_, static_cast<std::uint32_t>(users_.size())) &&
           (options_.floor || make_groups());
  }

  std::uint32_t next_ = 0;
};

}  // namespace

std::unique_ptr<Load> make_group_load(const Share& share) {
  return std::make_unique<GroupLoad>(share);
}

}  // namespace ims::bench
