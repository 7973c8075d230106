// An operator's changes as batches of the store (store_backend.h).
#include "deploy/store_backend.h"

#include "logic/entity.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "shared/route.h"

namespace ims {

using logic::AdminCommand;
using logic::ReadTier;
using logic::StoreStatus;
using logic::Table;
using logic::Tenant;

Code StoreBackend::put_tenant(const Tenant& tenant, const Tenant*) {
  logic::StoreBatch batch;
  batch.put(Table::kMeta, logic::tenant_key(tenant.id), logic::encode_tenant(tenant));
  return write(batch);
}

Code StoreBackend::remove_tenant(const Tenant& tenant, std::uint64_t&) {
  logic::StoreBatch batch;
  batch.erase(Table::kMeta, logic::tenant_key(tenant.id));
  return write(batch);
}

Code StoreBackend::run_user(AdminCommand::Kind kind, const Tenant& tenant, std::string_view name,
                            std::string_view password_hash, std::uint64_t&) {
  const std::uint64_t seed = identity().seed;
  const std::uint64_t hash =
      hash_name(seed, hash_tenant(seed, tenant.org, tenant.appkey), NameKind::kUser, name);
  const std::string key = logic::user_key(partition_of(hash), tenant.id, name);
  const std::string password = logic::password_key(partition_of(hash), tenant.id, name);

  logic::UserRow user;
  std::string value;
  const StoreStatus read = store_.get(Table::kMeta, key, &value, ReadTier::kMayBlock);
  if (read == StoreStatus::kOk) {
    const auto row = logic::decode_user(value);
    if (!row) return Code::kUnavailable;
    user = *row;
  } else if (read != StoreStatus::kNotFound) {
    return Code::kUnavailable;
  }
  const bool exists = user.id && !user.removed;

  logic::StoreBatch batch;
  switch (kind) {
    case AdminCommand::Kind::kUserAdd:
      if (exists && password_hash.empty()) return Code::kAlreadyExists;
      if (!exists) {
        // As a worker numbers its users: boot, worker 0, counter (shared/ids.h).
        if (!user.id) user.id = UserId{(std::uint64_t{identity().boot} << 40) | ++id_counter_};
        user.removed = false;
        batch.put(Table::kMeta, key, logic::encode_user(user));
      }
      if (!password_hash.empty()) batch.put(Table::kMeta, password, password_hash);
      return write(batch);
    case AdminCommand::Kind::kUserPassword:
      if (!exists) return Code::kNotFound;
      batch.put(Table::kMeta, password, password_hash);
      return write(batch);
    case AdminCommand::Kind::kUserRemove:
      if (!exists) return Code::kNotFound;
      user.removed = true;
      batch.put(Table::kMeta, key, logic::encode_user(user));
      batch.erase(Table::kMeta, password);
      return write(batch);
    default:  // kUserKick: nobody is here
      return exists ? Code::kOk : Code::kNotFound;
  }
}

// Without a server nobody knows its retention: every device that has a cursor is one.
Code StoreBackend::list_devices(const Tenant& tenant, std::string_view user,
                                logic::DeviceList& devices) {
  logic::Load load;
  const Code code = read_devices(tenant, user, load);
  if (code == Code::kOk) devices = logic::list_devices(load, 0);
  return code;
}

Code StoreBackend::forget_device(const Tenant& tenant, std::string_view user,
                                 std::string_view device, bool& no_such_device) {
  logic::Load load;
  const Code code = read_devices(tenant, user, load);
  if (code != Code::kOk) return code;
  logic::StoreBatch batch;
  for (const logic::DeviceCursor& cursor : load.cursors) {
    if (cursor.device != device) continue;
    batch.erase(Table::kCursors,
                logic::cursor_key(load.timeline_key, cursor.device, cursor.timeline));
  }
  no_such_device = batch.empty();
  return no_such_device ? Code::kNotFound : write(batch);
}

Code StoreBackend::read_devices(const Tenant& tenant, std::string_view name, logic::Load& load) {
  const std::uint64_t seed = identity().seed;
  logic::User user;
  user.kind = NameKind::kUser;
  user.tenant = tenant.id;
  user.hash = hash_name(seed, hash_tenant(seed, tenant.org, tenant.appkey), NameKind::kUser, name);
  user.name = name;
  load.load_kind = logic::Load::Kind::kLogin;
  load.entity = &user;
  const StoreStatus status = logic::run_load(store_, load, ReadTier::kMayBlock);
  load.entity = nullptr;
  if (status != StoreStatus::kOk) return Code::kUnavailable;
  const auto row = logic::decode_user(load.entity_value);
  return row && !row->removed ? Code::kOk : Code::kNotFound;
}

const logic::StoreIdentity& StoreBackend::identity() {
  if (!identity_) identity_ = logic::open_identity(store_);
  return *identity_;
}

Code StoreBackend::write(const logic::StoreBatch& batch) {
  const logic::StoreBatch* const batches[] = {&batch};
  return store_.write(batches, 1, true) == StoreStatus::kOk ? Code::kOk : Code::kUnavailable;
}

}  // namespace ims
