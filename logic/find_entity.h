// Users and groups in memory by their names: members of Worker, here since every message looks up
// one.
#pragma once

#include "logic/worker.h"
#include "shared/inline.h"

namespace ims::logic {

// Null: none is in memory.
IMS_INLINE Entity* Worker::find_entity(NameKind kind, TenantId tenant, std::uint64_t hash,
                                       std::string_view name) {
  const auto it = entities_.find(EntityName{kind, tenant, hash, name});
  if (it == entities_.end()) return nullptr;
  (*it)->referenced = true;
  return it->get();
}

// The entity of that name, made if there is none in memory.
inline User& Worker::user_entry(TenantId tenant, std::uint64_t hash, std::string_view name) {
  Entity* found = find_entity(NameKind::kUser, tenant, hash, name);
  if (found == nullptr) [[unlikely]] found = &make_entity(NameKind::kUser, tenant, hash, name);
  return static_cast<User&>(*found);
}

inline Group& Worker::group_entry(TenantId tenant, std::uint64_t hash, std::string_view name) {
  Entity* found = find_entity(NameKind::kGroup, tenant, hash, name);
  if (found == nullptr) [[unlikely]] found = &make_entity(NameKind::kGroup, tenant, hash, name);
  return static_cast<Group&>(*found);
}

}  // namespace ims::logic
