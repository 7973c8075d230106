// The workloads, each in the file of its name.
#pragma once

#include <memory>

#include "bench/load/load.h"

namespace ims::bench {

std::unique_ptr<Load> make_login_load(const Share& share);
std::unique_ptr<Load> make_pair_load(const Share& share);
std::unique_ptr<Load> make_group_load(const Share& share);
std::unique_ptr<Load> make_offline_load(const Share& share);
std::unique_ptr<Load> make_idle_load(const Share& share);
std::unique_ptr<Load> make_storm_load(const Share& share);
std::unique_ptr<Load> make_mix_load(const Share& share);

// The one that the options name.
std::unique_ptr<Load> make_load(const Share& share);

}  // namespace ims::bench
