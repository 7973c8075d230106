// A tenant: one (org, appkey), and the keys that may sign its users' tokens.
//
// Row (value of the store's `tenant` key; integers big-endian):
//   row  := version:u8=1  id:u32  org:str8  appkey:str8  key_count:u8  key[key_count]
//   key  := alg:u8 (1 HS256, 2 EdDSA)  kid:str8  material:str16
//   str8 := length:u8 byte[length]        str16 := length:u16 byte[length]
// A row of another version, cut short, with bytes left over, or whose content breaks is_valid() is
// an error: a server never guesses about keys.
//
// Ownership  TenantTable is a plain value; each worker has its own copy and changes it between
// turns. Limits     kTenantKeysMax keys a tenant; names as PROTOCOL.md section 3; kids unique in a
// tenant.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "logic/hmac_sha256.h"
#include "shared/ids.h"

namespace ims::logic {

inline constexpr std::size_t kTenantKeysMax = 16;  // enough to rotate keys of both algorithms
inline constexpr std::size_t kKidBytesMax = 255;   // str8
inline constexpr std::size_t kHmacSecretBytesMax = 1024;
inline constexpr std::size_t kEd25519PublicKeyBytes = 32;

// One key of an app. The members are not to be changed after construction, because `hmac` was
// prepared from them: make another AppKey instead.
struct AppKey {
  enum class Alg : std::uint8_t { kHs256 = 1, kEdDsa = 2 };

  AppKey(std::string name, Alg algorithm, std::string material);

  std::string kid;  // may be empty: the unnamed key
  Alg alg;
  std::string secret_or_public_key;  // HS256: the secret. EdDSA: 32 raw bytes of public key.
  HmacSha256 hmac;                   // HS256: prepared from the secret. EdDSA: unused.

  friend bool operator==(const AppKey& a, const AppKey& b) noexcept {
    return a.kid == b.kid && a.alg == b.alg && a.secret_or_public_key == b.secret_or_public_key;
  }
};

struct Tenant {
  TenantId id;
  std::string org;
  std::string appkey;
  std::vector<AppKey> keys;

  friend bool operator==(const Tenant&, const Tenant&) = default;
};

// The limits above, a non-zero id, non-empty names, no empty secret, no kid twice.
bool is_valid(const Tenant& tenant) noexcept;

std::string encode_tenant(const Tenant& tenant);            // requires is_valid(tenant)
std::optional<Tenant> decode_tenant(std::string_view row);  // nothing: no row of ours

class TenantTable {
 public:
  // Pointers live until the next put() or remove() of that tenant.
  const Tenant* find(std::string_view org, std::string_view appkey) const noexcept;
  const Tenant* find(TenantId id) const noexcept;

  // Adds or replaces by id. False, and no change: another id has this (org, appkey).
  [[nodiscard]] bool put(Tenant tenant);
  bool remove(TenantId id);  // false: there was none

  std::size_t size() const noexcept { return by_id_.size(); }

  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [id, tenant] : by_id_) visit(static_cast<const Tenant&>(*tenant));
  }

 private:
  boost::unordered_flat_map<std::uint32_t, std::unique_ptr<Tenant>> by_id_;
  // Key: org, '/', appkey; the names hold no '/' (PROTOCOL.md section 3), so it is unambiguous.
  boost::unordered_flat_map<std::string, const Tenant*> by_name_;
};

}  // namespace ims::logic
