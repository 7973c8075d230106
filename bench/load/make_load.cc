// The workload that the options name (workloads.h).
#include "bench/load/workloads.h"

namespace ims::bench {

std::unique_ptr<Load> make_load(const Share& share) {
  switch (share.options.workload) {
    case Workload::kLogin: return make_login_load(share);
    case Workload::kPair: return make_pair_load(share);
    case Workload::kGroup: return make_group_load(share);
    case Workload::kOffline: return make_offline_load(share);
    case Workload::kIdle: return make_idle_load(share);
    case Workload::kStorm: return make_storm_load(share);
    case Workload::kMix: return make_mix_load(share);
  }
  return nullptr;
}

}  // namespace ims::bench
