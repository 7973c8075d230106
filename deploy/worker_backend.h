// Carries an operator's changes out on a running server: hands each command to the workers that it
// concerns, waits until all of them are done, and takes back what went wrong.
//
//   apps   worker 0 first, which writes the row; once that is durable, all the others
//   users  the owner alone
//
// Ownership  Commands are this object's, also those that a worker still has after kWaitMsMax: it
//            must outlive the workers' threads.
// Threads    One, the admin thread: the one end of every AdminPort.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/operator_desk.h"
#include "deploy/verify_copy.h"
#include "shared/wakeup.h"

namespace ims {

class WorkerBackend final : public OperatorBackend {
 public:
  static constexpr std::int64_t kWaitMsMax = 30'000;

  // `own` is of Kind::kEventFd; workers notify it when they have put something into `done`.
  WorkerBackend(std::uint64_t hash_seed, std::vector<logic::AdminPort*> ports,
                std::vector<Wakeup*> workers, Wakeup& own, VerifyCopy& copy);

  // From here on a wait ends early once `stop` is set, and says kUnavailable.
  void watch(const std::atomic<bool>& stop) noexcept { stop_ = &stop; }

  Code put_tenant(const logic::Tenant& tenant, const logic::Tenant* before) override;
  Code remove_tenant(const logic::Tenant& tenant, std::uint64_t& sessions_ended) override;
  Code run_user(logic::AdminCommand::Kind kind, const logic::Tenant& tenant, std::string_view user,
                std::string_view password_hash, std::uint64_t& sessions_ended) override;
  Code list_devices(const logic::Tenant& tenant, std::string_view user,
                    logic::DeviceList& devices) override;
  Code forget_device(const logic::Tenant& tenant, std::string_view user, std::string_view device,
                     bool& no_such_device) override;
  Code copy_store(std::string& directory) override { return copy_.make(directory); }

 private:
  using Kind = logic::AdminCommand::Kind;

  static logic::AdminCommand tenant_command(Kind kind, const logic::Tenant& tenant, bool persist);
  logic::AdminCommand user_command(Kind kind, const logic::Tenant& tenant,
                                   std::string_view user) const;
  // The answer is what sent_.back() says.
  Code run_on_owner(const logic::AdminCommand& command, std::uint64_t& sessions_ended);
  Code run_on(std::size_t first, std::size_t end, const logic::AdminCommand& command,
              std::uint64_t& sessions_ended);
  bool wait();           // until no command is out; false: not in time
  void collect() noexcept;  // takes what is done off the rings
  bool any_done() const noexcept;
  bool stopping() const noexcept;

  const std::uint64_t hash_seed_;
  const std::vector<logic::AdminPort*> ports_;
  const std::vector<Wakeup*> workers_;
  Wakeup& own_;
  VerifyCopy& copy_;
  const std::atomic<bool>* stop_ = nullptr;

  struct Sent {
    std::unique_ptr<logic::AdminCommand> command;
    bool done = false;
  };
  std::vector<Sent> sent_;  // those of the question at hand, and those that a worker still has
  std::size_t out_ = 0;     // of them, not done
};

}  // namespace ims
