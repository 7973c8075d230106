// The hashes of route.h, keyed by the seed of the store.
#include "shared/route.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ims {

std::uint64_t hash_tenant(std::uint64_t seed, std::string_view org,
                          std::string_view appkey) noexcept {
  // Chained, not concatenated: ("ab", "c") and ("a", "bc") must differ.
  const std::uint64_t org_hash = XXH3_64bits_withSeed(org.data(), org.size(), seed);
  return XXH3_64bits_withSeed(appkey.data(), appkey.size(), org_hash);
}

std::uint64_t hash_name(std::uint64_t seed, std::uint64_t tenant_hash, NameKind kind,
                        std::string_view name) noexcept {
  const std::uint64_t tenant_seed =
      (seed ^ tenant_hash) + (kind == NameKind::kGroup ? 0x9e3779b97f4a7c15ull : 0);
  return XXH3_64bits_withSeed(name.data(), name.size(), tenant_seed);
}

}  // namespace ims
