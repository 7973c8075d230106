// The guard of retention_clock.h.
#include "logic/retention_clock.h"

#include <string>

#include "logic/sys_keys.h"
#include "shared/log.h"

namespace ims::logic {

StoreStatus RetentionClock::open(Store& store, std::int64_t wall_ms) {
  std::string value;
  const StoreStatus read = store.get(Table::kMeta, kSysClock, &value, ReadTier::kMayBlock);
  if (read == StoreStatus::kOk) {
    if (value.size() != sizeof(std::int64_t)) return StoreStatus::kCorrupt;
    stored_ms_ = read_big_endian<std::int64_t>(value);
  } else if (read == StoreStatus::kNotFound) {
    stored_ms_ = wall_ms;
  } else {
    return read;
  }
  now_ms_.store(stored_ms_, std::memory_order_relaxed);
  advance(wall_ms);

  StoreBatch batch;
  append_to(batch);
  const StoreBatch* const batches[] = {&batch};
  const StoreStatus written = store.write(batches, 1, true);
  if (written == StoreStatus::kOk) on_stored();
  return written;
}

bool RetentionClock::advance(std::int64_t wall_ms) noexcept {
  if (wall_ms <= now_ms()) return true;
  if (wall_ms - stored_ms_ > kJumpMsMax && !accept_jump_) {
    IMS_LOG(kError, "retention_clock_refused",
            {{"wall_ms", wall_ms},
             {"stored_ms", stored_ms_},
             {"try", "nothing expires; if the wall clock is right, restart with --accept-clock"}});
    return false;
  }
  now_ms_.store(wall_ms, std::memory_order_relaxed);
  return true;
}

bool RetentionClock::due() const noexcept { return now_ms() - stored_ms_ >= kStoreEveryMs; }

void RetentionClock::append_to(StoreBatch& batch) const {
  std::string value;
  append_big_endian(value, now_ms());
  batch.put(Table::kMeta, kSysClock, value);
}

void RetentionClock::on_stored() noexcept { stored_ms_ = now_ms(); }

}  // namespace ims::logic
