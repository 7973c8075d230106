// The operator's commands at a worker, in order of arrival. One that needs the store waits for it,
// and is done once what it changed is durable.

#include "logic/find_entity.h"
#include "logic/worker.h"

namespace ims::logic {

bool Worker::take_admin() {
  if (ports_.admin == nullptr) return false;
  bool worked = false;
  while (auto command = ports_.admin->submitted.try_pop()) {
    admin_waiting_.push_back(*command);
    worked = true;
  }
  // Strictly in order; the front one may have to wait for a read.
  while (!admin_waiting_.empty() && !admin_reading_) {
    AdminCommand* const front = admin_waiting_.front();
    if (run_admin(*front)) {
      end_admin();
    } else if (!admin_waiting_.empty() && admin_waiting_.front() == front) {
      break;
    }
    worked = true;
  }
  return worked;
}

// The front one is done once the open batch is durable.
void Worker::end_admin() {
  Effect& effect = add_effect(Effect::Kind::kAdmin, nullptr);
  effect.command = admin_waiting_.front();
  admin_waiting_.pop_front();
}

void Worker::finish_admin(AdminCommand* command, bool durable) {
  if (!durable && command->code == Code::kOk) command->code = Code::kUnavailable;
  const bool pushed = ports_.admin->done.try_push(command);
  IMS_ASSERT(pushed);  // kCommandsMax, of which this was one
  published_.admin = true;
}

// False: not yet, try again next turn; or it ended by itself.
bool Worker::run_admin(AdminCommand& command) {
  switch (command.kind) {
    case AdminCommand::Kind::kQuiet: return true;
    case AdminCommand::Kind::kPutTenant: {
      auto tenant = decode_tenant(command.row);
      if (!tenant) {
        command.code = Code::kBadRequest;
        return true;
      }
      const TenantId id = tenant->id;
      const std::uint64_t hash = hash_tenant(identity_.hash_seed, tenant->org, tenant->appkey);
      if (!tenants_.put(std::move(*tenant))) {
        command.code = Code::kAlreadyExists;
        return true;
      }
      tenant_hashes_[id.value] = hash;
      if (command.persist) ops().put(Table::kMeta, tenant_key(id), command.row);
      return true;
    }
    case AdminCommand::Kind::kRemoveTenant: {
      if (!tenants_.remove(command.tenant)) command.code = Code::kNotFound;
      if (command.persist) ops().erase(Table::kMeta, tenant_key(command.tenant));
      for (const auto& session : sessions_) {
        if (session->user->tenant == command.tenant) command.count += kick(*session);
      }
      return true;
    }
    case AdminCommand::Kind::kUserAdd:
    case AdminCommand::Kind::kUserPassword:
    case AdminCommand::Kind::kUserRemove:
    case AdminCommand::Kind::kUserKick:
    case AdminCommand::Kind::kUserDevices:
    case AdminCommand::Kind::kUserForget: return run_user_admin(command);
  }
  IMS_ASSERT(false);
}

bool Worker::run_user_admin(AdminCommand& command) {
  if (tenants_.find(command.tenant) == nullptr) {
    command.code = Code::kNotFound;
    return true;
  }
  User& user = user_entry(command.tenant, command.user_hash, command.user);
  if (user.reading) return false;
  if (user.state == Entity::State::kNew) {
    user.reading = true;
    start_load(make_load(Load::Kind::kEntity, Load::Reason::kEntity, &user));
    if (user.state == Entity::State::kNew) return false;
  }
  const std::string password = password_key(user.partition(), user.tenant, user.name);
  if (command.kind == AdminCommand::Kind::kUserAdd) {
    if (user.state == Entity::State::kReady && command.password_hash.empty()) {
      command.code = Code::kAlreadyExists;
      return true;
    }
    if (user.state == Entity::State::kAbsent) create_user(user);
    if (!command.password_hash.empty()) ops().put(Table::kMeta, password, command.password_hash);
    return true;
  }
  if (user.state == Entity::State::kAbsent) {
    command.code = Code::kNotFound;
    return true;
  }
  if (command.kind == AdminCommand::Kind::kUserDevices ||
      command.kind == AdminCommand::Kind::kUserForget) {
    return run_devices(user, command);
  }
  if (command.kind == AdminCommand::Kind::kUserPassword) {
    ops().put(Table::kMeta, password, command.password_hash);
    return true;
  }
  for (Session* session : user.sessions) command.count += kick(*session);
  if (command.kind == AdminCommand::Kind::kUserRemove) {
    ops().erase(Table::kMeta, password);
    user.removed = true;
    user.state = Entity::State::kAbsent;
    touch_head(user);
  }
  return true;
}

std::uint64_t Worker::kick(Session& session) {
  if (session.closing) return 0;
  session.closing = true;
  disconnect(session.connection, DisconnectCode::kKicked, "An operator ended the session.");
  return 1;
}

}  // namespace ims::logic
