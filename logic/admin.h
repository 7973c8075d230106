// Commands of the operator to a running server: imsctl speaks to the admin thread, which hands each
// command to the workers it concerns and answers once all of them are done.
//
// Ownership  The admin thread's; a worker's from `submitted` to `done`.
// Threads    One admin thread at the one end of every port, the worker at the other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logic/known_devices.h"
#include "logic/tenant.h"
#include "shared/codes.h"
#include "shared/spsc_ring.h"

namespace ims::logic {

struct AdminCommand {
  enum class Kind : std::uint8_t {
    kPutTenant,     // every worker: use it from now on (its row: `row`; `persist` on one worker)
    kRemoveTenant,  // every worker: forget it, end its sessions
    kUserAdd,       // the user's owner: create, and set a password where there is a hash
    kUserPassword,  // the user's owner: set `password_hash`; NOT_FOUND where there is no such user
    kUserRemove,    // the user's owner: remove the password, end sessions; tokens hold until exp
    kUserKick,      // the user's owner: end the sessions
    kUserDevices,   // the user's owner: say which devices are known
    kUserForget,    // the user's owner: forget `device`; FORBIDDEN while it has a session
    kQuiet,         // every worker: answer once everything before it is durable
  };

  Kind kind{};
  TenantId tenant;
  std::string row;  // encoded Tenant
  bool persist = false;
  std::uint64_t user_hash = 0;
  std::string user;
  std::string password_hash;
  std::string device;  // empty: the default device
  std::int64_t give_up_ms = 0;  // the worker's: a session that is being ended has until then

  // ---- the answer ----
  Code code = Code::kOk;
  std::uint64_t count = 0;  // sessions ended
  DeviceList devices;
  bool no_such_device = false;  // NOT_FOUND is about the device, not the user
};

struct AdminPort {
  static constexpr std::size_t kCommandsMax = 64;
  AdminPort() : submitted(kCommandsMax), done(kCommandsMax) {}

  SpscRing<AdminCommand*> submitted;
  SpscRing<AdminCommand*> done;
};

}  // namespace ims::logic
