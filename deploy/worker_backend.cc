// Fan-out to the workers and the wait for them (worker_backend.h).
#include "deploy/worker_backend.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "shared/assert.h"
#include "shared/clock.h"
#include "shared/route.h"

namespace ims {

using logic::AdminCommand;
using logic::Tenant;

WorkerBackend::WorkerBackend(std::uint64_t hash_seed, std::vector<logic::AdminPort*> ports,
                             std::vector<Wakeup*> workers, Wakeup& own, VerifyCopy& copy)
    : hash_seed_(hash_seed),
      ports_(std::move(ports)),
      workers_(std::move(workers)),
      own_(own),
      copy_(copy) {
  IMS_ASSERT(!ports_.empty() && ports_.size() == workers_.size());
  IMS_ASSERT(own_.kind() == Wakeup::Kind::kEventFd);
}

// ---- changes ----

Code WorkerBackend::put_tenant(const Tenant& tenant, const Tenant* before) {
  std::uint64_t ended = 0;
  Code code = run_on(0, 1, tenant_command(Kind::kPutTenant, tenant, true), ended);
  if (code == Code::kOk) {
    return run_on(1, ports_.size(), tenant_command(Kind::kPutTenant, tenant, false), ended);
  }
  // Worker 0 took it and could not write it: as it was.
  const auto undo = before != nullptr ? tenant_command(Kind::kPutTenant, *before, false)
                                      : tenant_command(Kind::kRemoveTenant, tenant, false);
  run_on(0, 1, undo, ended);
  return code;
}

Code WorkerBackend::remove_tenant(const Tenant& tenant, std::uint64_t& sessions_ended) {
  const Code code =
      run_on(0, 1, tenant_command(Kind::kRemoveTenant, tenant, true), sessions_ended);
  if (code == Code::kOk) {
    return run_on(1, ports_.size(), tenant_command(Kind::kRemoveTenant, tenant, false),
                  sessions_ended);
  }
  std::uint64_t none = 0;
  run_on(0, 1, tenant_command(Kind::kPutTenant, tenant, false), none);
  return code;
}

Code WorkerBackend::run_user(AdminCommand::Kind kind, const Tenant& tenant, std::string_view user,
                             std::string_view password_hash, std::uint64_t& sessions_ended) {
  AdminCommand command = user_command(kind, tenant, user);
  command.password_hash = password_hash;
  return run_on_owner(command, sessions_ended);
}

Code WorkerBackend::list_devices(const Tenant& tenant, std::string_view user,
                                 logic::DeviceList& devices) {
  std::uint64_t ended = 0;
  const Code code = run_on_owner(user_command(Kind::kUserDevices, tenant, user), ended);
  if (code == Code::kOk) devices = std::move(sent_.back().command->devices);
  return code;
}

Code WorkerBackend::forget_device(const Tenant& tenant, std::string_view user,
                                  std::string_view device, bool& no_such_device) {
  std::uint64_t ended = 0;
  AdminCommand command = user_command(Kind::kUserForget, tenant, user);
  command.device = device;
  const Code code = run_on_owner(command, ended);
  // Sent and answered: only then is it NOT_FOUND.
  if (code == Code::kNotFound) no_such_device = sent_.back().command->no_such_device;
  return code;
}

AdminCommand WorkerBackend::user_command(Kind kind, const Tenant& tenant,
                                         std::string_view user) const {
  AdminCommand command;
  command.kind = kind;
  command.tenant = tenant.id;
  command.user = user;
  command.user_hash = hash_name(hash_seed_, hash_tenant(hash_seed_, tenant.org, tenant.appkey),
                                NameKind::kUser, user);
  return command;
}

Code WorkerBackend::run_on_owner(const AdminCommand& command, std::uint64_t& sessions_ended) {
  const std::size_t owner =
      worker_of(command.user_hash, static_cast<std::uint32_t>(ports_.size()));
  return run_on(owner, owner + 1, command, sessions_ended);
}

AdminCommand WorkerBackend::tenant_command(Kind kind, const Tenant& tenant, bool persist) {
  AdminCommand command;
  command.kind = kind;
  command.tenant = tenant.id;
  if (kind == Kind::kPutTenant) command.row = logic::encode_tenant(tenant);
  command.persist = persist;
  return command;
}

// ---- one command, on the workers [first, end) ----

Code WorkerBackend::run_on(std::size_t first, std::size_t end, const AdminCommand& command,
                           std::uint64_t& sessions_ended) {
  // What workers kept from an earlier question goes when they are done with it.
  collect();
  std::erase_if(sent_, [](const Sent& sent) { return sent.done; });

  const std::size_t begin = sent_.size();
  bool all_sent = true;
  for (std::size_t worker = first; worker < end; ++worker) {
    if (out_ >= logic::AdminPort::kCommandsMax) {  // so `done` has room on every port
      all_sent = false;
      break;
    }
    auto copy = std::make_unique<AdminCommand>(command);
    const bool pushed = ports_[worker]->submitted.try_push(copy.get());
    IMS_ASSERT(pushed);
    sent_.push_back({std::move(copy), false});
    ++out_;
    workers_[worker]->notify();
  }
  if (!wait()) return Code::kUnavailable;

  Code code = all_sent ? Code::kOk : Code::kOverloaded;
  for (std::size_t i = begin; i < sent_.size(); ++i) {
    sessions_ended += sent_[i].command->count;
    if (code == Code::kOk) code = sent_[i].command->code;
  }
  return code;
}

bool WorkerBackend::wait() {
  const std::int64_t deadline_ms = read_clock().mono_ms + kWaitMsMax;
  while (true) {
    collect();
    if (out_ == 0) return true;
    const std::int64_t left_ms = deadline_ms - read_clock().mono_ms;
    if (left_ms <= 0 || stopping()) return false;
    own_.prepare_sleep();
    if (!any_done() && !stopping()) {
      pollfd waited{own_.fd(), POLLIN, 0};
      poll(&waited, 1, static_cast<int>(left_ms));  // EINTR: round again
    }
    own_.cancel_sleep();
    own_.drain();
  }
}

void WorkerBackend::collect() noexcept {
  for (logic::AdminPort* port : ports_) {
    while (const auto command = port->done.try_pop()) {
      const auto found = std::ranges::find(
          sent_, *command, [](const Sent& sent) { return sent.command.get(); });
      IMS_ASSERT(found != sent_.end() && !found->done);
      found->done = true;
      --out_;
    }
  }
}

bool WorkerBackend::any_done() const noexcept {
  return std::ranges::any_of(ports_,
                             [](const logic::AdminPort* port) { return !port->done.empty(); });
}

bool WorkerBackend::stopping() const noexcept {
  // relaxed: a flag that orders nothing.
  return stop_ != nullptr && stop_->load(std::memory_order_relaxed);
}

}  // namespace ims
