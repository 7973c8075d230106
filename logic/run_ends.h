// When each earlier run of the server ended, as well as the store knows it: a run that is killed
// leaves no note, but the retention clock is stored every 10 s. Sessions that a crash ended were
// there until then (PresenceResult.last_seen_ms).
//
// Threads  Start-up only.
// Limits   One row of 18 bytes for each start.
#pragma once

#include <cstdint>
#include <vector>

#include "logic/store.h"

namespace ims::logic {

// By boot number, 0 where it is not known; as long as `boot`, which is this run's. To be called
// before the clock is opened, whose last value it notes durably for the run before.
StoreStatus open_run_ends(Store& store, std::uint32_t boot, std::vector<std::int64_t>& ends_ms);

}  // namespace ims::logic
