// Options of a store for tests: small caches, all the disk's space is its own, no ballast.
#pragma once

#include "logic/store_options.h"
#include "shared/limits.h"

namespace ims::testing {

inline logic::StoreOptions tiny_store_options() {
  logic::StoreOptions options;
  options.block_cache_bytes = 1 * kMiB;
  options.write_buffer_bytes = 1 * kMiB;
  options.store_reserve_bytes = 0;
  options.ballast_bytes = 0;
  return options;
}

}  // namespace ims::testing
