// A store that is only read: a copy of one, as of one moment (store_copy.h, segment_copy.h). What
// would change it is refused.
#pragma once

#include <cstddef>

#include "logic/store.h"

namespace ims::logic {

class ReadOnlyStore : public Store {
 public:
  StoreStatus write(const StoreBatch* const*, std::size_t, bool) final {
    return StoreStatus::kIoError;
  }
  StoreStatus sync() final { return StoreStatus::kIoError; }
  bool has_space() final { return false; }
};

}  // namespace ims::logic
