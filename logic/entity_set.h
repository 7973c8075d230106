// The indexes of what a worker has one of per user: a pointer per entry, hashed and compared by
// what it points to, so that no key is kept twice.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <boost/unordered/unordered_flat_set.hpp>

#include "logic/entity.h"
#include "logic/session.h"
#include "shared/ids.h"

namespace ims::logic {

// What a user or group is found by; `hash` is that of tenant, kind and name (shared/route.h).
struct EntityName {
  NameKind kind;
  TenantId tenant;
  std::uint64_t hash;
  std::string_view name;
};

struct EntityHash {
  using is_transparent = void;
  using is_avalanching = void;  // names are hashed by XXH3
  std::size_t operator()(const EntityName& name) const noexcept {
    return name.hash ^ (std::uint64_t{name.tenant.value} << 1) ^
           static_cast<std::uint64_t>(name.kind);
  }
  std::size_t operator()(const EntityPtr& entity) const noexcept {
    return (*this)(EntityName{entity->kind, entity->tenant, entity->hash, {}});
  }
};

struct EntityEqual {
  using is_transparent = void;
  bool operator()(const EntityName& name, const EntityPtr& entity) const noexcept {
    return entity->hash == name.hash && entity->kind == name.kind &&
           entity->tenant == name.tenant && entity->name == name.name;
  }
  bool operator()(const EntityPtr& entity, const EntityName& name) const noexcept {
    return (*this)(name, entity);
  }
  bool operator()(const EntityPtr& a, const EntityPtr& b) const noexcept { return a == b; }
};

using EntitySet = boost::unordered_flat_set<EntityPtr, EntityHash, EntityEqual>;

struct SessionHash {
  using is_transparent = void;
  std::size_t operator()(ConnectionId connection) const noexcept {
    return boost::hash<std::uint64_t>()(connection.bits);
  }
  std::size_t operator()(const std::unique_ptr<Session>& session) const noexcept {
    return (*this)(session->connection);
  }
};

struct SessionEqual {
  using is_transparent = void;
  bool operator()(ConnectionId connection, const std::unique_ptr<Session>& session) const noexcept {
    return session->connection == connection;
  }
  bool operator()(const std::unique_ptr<Session>& session, ConnectionId connection) const noexcept {
    return session->connection == connection;
  }
  bool operator()(const std::unique_ptr<Session>& a,
                  const std::unique_ptr<Session>& b) const noexcept {
    return a->connection == b->connection;
  }
};

using SessionSet =
    boost::unordered_flat_set<std::unique_ptr<Session>, SessionHash, SessionEqual>;

}  // namespace ims::logic
