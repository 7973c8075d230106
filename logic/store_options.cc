// A store as the configuration wants it.
#include "logic/store_options.h"

#include "shared/config.h"

namespace ims::logic {

StoreOptions store_options(const Config& config) {
  StoreOptions options;
  options.block_cache_bytes = config.block_cache_bytes;
  options.write_buffer_bytes = config.write_buffer_bytes;
  options.store_reserve_bytes = config.store_reserve_bytes;
  options.retention_ms = config.retention_ms;
  options.segment_bytes = config.segment_bytes;
  options.accept_loss = config.accept_loss;
  return options;
}

}  // namespace ims::logic
