// Carries an operator's changes out where no server runs: straight into the store, which this
// process has opened and thereby locked. What a worker would do (logic/admin.cc), as one durable
// batch each.
//
// Threads  One.
// Errors   By value; the constructor's identity is read at the first need and may throw StoreError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "deploy/operator_desk.h"
#include "logic/load.h"
#include "logic/store.h"
#include "logic/store_identity.h"

namespace ims {

class StoreBackend final : public OperatorBackend {
 public:
  explicit StoreBackend(logic::Store& store) : store_(store) {}

  Code put_tenant(const logic::Tenant& tenant, const logic::Tenant* before) override;
  Code remove_tenant(const logic::Tenant& tenant, std::uint64_t& sessions_ended) override;
  Code run_user(logic::AdminCommand::Kind kind, const logic::Tenant& tenant, std::string_view user,
                std::string_view password_hash, std::uint64_t& sessions_ended) override;
  Code list_devices(const logic::Tenant& tenant, std::string_view user,
                    logic::DeviceList& devices) override;
  Code forget_device(const logic::Tenant& tenant, std::string_view user, std::string_view device,
                     bool& no_such_device) override;

 private:
  Code read_devices(const logic::Tenant& tenant, std::string_view user, logic::Load& load);
  const logic::StoreIdentity& identity();
  Code write(const logic::StoreBatch& batch);

  logic::Store& store_;
  std::optional<logic::StoreIdentity> identity_;
  std::uint32_t id_counter_ = 0;
};

}  // namespace ims
