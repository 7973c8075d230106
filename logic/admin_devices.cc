// The operator's look at a user's devices, and the forgetting of one: its next login is that of a
// new device (PROTOCOL.md sections 5 and 8).
//
//   run_devices ──no login under way──▶ start_devices ─▶ cursors read ─▶ finish_devices
//        └─ one is: next_login() ───────────▲
//
//   writes   cursors of a forgotten device: all erased in one batch
// It takes the place of a login: the user's other logins wait until it is done, so that a login of
// the device is wholly before (then it has a session, and is not forgotten) or behind it.

#include <algorithm>

#include "logic/worker.h"

namespace ims::logic {
namespace {

constexpr std::int64_t kEndingMsMax = 5000;  // a session that is being ended is waited for

}  // namespace

bool Worker::run_devices(User& user, AdminCommand& command) {
  if (command.kind == AdminCommand::Kind::kUserForget) {
    const Session* session = session_of(user, command.device);
    if (session != nullptr && session->closing) {
      if (command.give_up_ms == 0) command.give_up_ms = now_.mono_ms + kEndingMsMax;
      if (now_.mono_ms < command.give_up_ms) return false;
    }
    if (session != nullptr) {
      command.code = Code::kForbidden;
      return true;
    }
  }
  admin_due_ = &user;
  if (!user.login_busy) start_devices(user);
  return false;
}

void Worker::start_devices(User& user) {
  admin_due_ = nullptr;
  flush_user(user);  // the read sees what is in memory
  user.login_busy = true;
  user.login_stale = false;
  admin_reading_ = true;
  Load* load = make_load(Load::Kind::kLogin, Load::Reason::kDevices, &user);
  load->cutoff_ms = 0;  // a forgotten device leaves nothing behind, however old
  start_load_quiet(load);
}

void Worker::finish_devices(Load* load) {
  User& user = static_cast<User&>(*load->entity);
  if (load->status == StoreStatus::kOk && user.login_stale) {
    user.login_stale = false;
    return start_load_quiet(load);
  }
  user.login_busy = false;
  admin_reading_ = false;
  AdminCommand& command = *admin_waiting_.front();
  if (load->status != StoreStatus::kOk) {
    command.code = Code::kUnavailable;
    end_admin();
  } else if (load->entity_value.empty()) {
    command.code = Code::kNotFound;
    end_admin();
  } else if (command.kind == AdminCommand::Kind::kUserDevices) {
    tell_devices(user, *load, command);
    end_admin();
  } else if (session_of(user, command.device) == nullptr) {
    forget_known_device(user, *load, command);
    end_admin();
  }  // else: a login came before this read, the next turn looks at its session
  next_login(user);
  free_load(load);
}

void Worker::tell_devices(const User& user, const Load& load, AdminCommand& command) {
  command.devices = list_devices(load, retention_cutoff_ms());
  for (KnownDevice& device : command.devices.devices) {
    for (const Session* session : user.sessions) {
      if (session->send_only || session->device != device.name) continue;
      device.online |= !session->closing;
      device.acked_seq = std::max(device.acked_seq, session->inbox.passed());
    }
  }
}

void Worker::forget_known_device(User& user, const Load& load, AdminCommand& command) {
  const DeviceList known = list_devices(load, retention_cutoff_ms());
  if (std::ranges::find(known.devices, command.device, &KnownDevice::name) ==
      known.devices.end()) {
    command.code = Code::kNotFound;
    command.no_such_device = true;
    return;
  }
  for (const DeviceCursor& cursor : load.cursors) {
    if (cursor.device != command.device) continue;
    ops().erase(Table::kCursors, cursor_key(load.timeline_key, cursor.device, cursor.timeline));
  }
  if (user.cursors != nullptr) drop_cursors(*user.cursors, command.device);
  user.known_devices = static_cast<std::uint8_t>(known.devices.size() - 1);
  tell_copies(user);
}

}  // namespace ims::logic
