// Tenant rows and the table of them.
#include "logic/tenant.h"

#include <algorithm>
#include <utility>

#include "shared/assert.h"
#include "shared/names.h"

namespace ims::logic {
namespace {

constexpr unsigned char kRowVersion = 1;

std::string name_key(std::string_view org, std::string_view appkey) {
  std::string key;
  key.reserve(org.size() + 1 + appkey.size());
  key.append(org).append(1, '/').append(appkey);
  return key;
}

// ---- writing a row ----

// The `bytes` low bytes of `value`, big-endian.
void put_uint(std::string& row, std::uint32_t value, unsigned bytes) {
  while (bytes > 0) row.push_back(static_cast<char>(value >> (8 * --bytes) & 0xff));
}

void put_string(std::string& row, std::string_view text, unsigned length_bytes) {
  put_uint(row, static_cast<std::uint32_t>(text.size()), length_bytes);
  row.append(text);
}

// ---- reading a row ----

// Reads past the end yield zeros and empty strings and clear `ok`, which is asked once at the end.
class RowReader {
 public:
  explicit RowReader(std::string_view row) noexcept : rest_(row) {}

  std::uint32_t uint(unsigned bytes) noexcept {
    std::uint32_t value = 0;
    for (const char byte : take(bytes)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  std::string_view string(unsigned length_bytes) noexcept { return take(uint(length_bytes)); }

  // True when every read was inside the row and nothing is left over.
  bool complete() const noexcept { return ok_ && rest_.empty(); }
  bool ok() const noexcept { return ok_; }

 private:
  std::string_view take(std::size_t count) noexcept {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  bool ok_ = true;
};

bool is_valid(const AppKey& key) noexcept {
  if (key.kid.size() > kKidBytesMax) return false;
  const std::size_t bytes = key.secret_or_public_key.size();
  switch (key.alg) {
    case AppKey::Alg::kHs256: return bytes >= 1 && bytes <= kHmacSecretBytesMax;
    case AppKey::Alg::kEdDsa: return bytes == kEd25519PublicKeyBytes;
  }
  return false;
}

}  // namespace

AppKey::AppKey(std::string name, Alg algorithm, std::string material)
    : kid(std::move(name)),
      alg(algorithm),
      secret_or_public_key(std::move(material)),
      hmac(algorithm == Alg::kHs256 ? std::string_view(secret_or_public_key) : std::string_view()) {
}

bool is_valid(const Tenant& tenant) noexcept {
  if (!tenant.id || !valid_name(tenant.org) || !valid_name(tenant.appkey)) return false;
  if (tenant.keys.size() > kTenantKeysMax) return false;
  for (std::size_t i = 0; i < tenant.keys.size(); ++i) {
    if (!is_valid(tenant.keys[i])) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (tenant.keys[i].kid == tenant.keys[j].kid) return false;
    }
  }
  return true;
}

std::string encode_tenant(const Tenant& tenant) {
  IMS_ASSERT(is_valid(tenant));
  std::string row;
  put_uint(row, kRowVersion, 1);
  put_uint(row, tenant.id.value, 4);
  put_string(row, tenant.org, 1);
  put_string(row, tenant.appkey, 1);
  put_uint(row, static_cast<std::uint32_t>(tenant.keys.size()), 1);
  for (const AppKey& key : tenant.keys) {
    put_uint(row, static_cast<std::uint32_t>(key.alg), 1);
    put_string(row, key.kid, 1);
    put_string(row, key.secret_or_public_key, 2);
  }
  return row;
}

std::optional<Tenant> decode_tenant(std::string_view row) {
  RowReader reader(row);
  if (reader.uint(1) != kRowVersion) return std::nullopt;
  Tenant tenant;
  tenant.id = TenantId{reader.uint(4)};
  tenant.org = reader.string(1);
  tenant.appkey = reader.string(1);
  const std::uint32_t key_count = reader.uint(1);
  for (std::uint32_t i = 0; i < key_count && reader.ok(); ++i) {
    const std::uint32_t alg = reader.uint(1);
    if (alg != static_cast<std::uint32_t>(AppKey::Alg::kHs256) &&
        alg != static_cast<std::uint32_t>(AppKey::Alg::kEdDsa)) {
      return std::nullopt;
    }
    const std::string_view kid = reader.string(1);
    const std::string_view material = reader.string(2);
    tenant.keys.emplace_back(std::string(kid), static_cast<AppKey::Alg>(alg),
                             std::string(material));
  }
  if (!reader.complete() || !is_valid(tenant)) return std::nullopt;
  return tenant;
}

// ---- the table ----

const Tenant* TenantTable::find(std::string_view org, std::string_view appkey) const noexcept {
  const auto found = by_name_.find(name_key(org, appkey));
  return found == by_name_.end() ? nullptr : found->second;
}

const Tenant* TenantTable::find(TenantId id) const noexcept {
  const auto found = by_id_.find(id.value);
  return found == by_id_.end() ? nullptr : found->second.get();
}

bool TenantTable::put(Tenant tenant) {
  const Tenant* namesake = find(tenant.org, tenant.appkey);
  if (namesake != nullptr && namesake->id != tenant.id) return false;
  remove(tenant.id);
  auto owned = std::make_unique<Tenant>(std::move(tenant));
  by_name_.emplace(name_key(owned->org, owned->appkey), owned.get());
  const std::uint32_t id = owned->id.value;
  by_id_.emplace(id, std::move(owned));
  return true;
}

bool TenantTable::remove(TenantId id) {
  const auto found = by_id_.find(id.value);
  if (found == by_id_.end()) return false;
  by_name_.erase(name_key(found->second->org, found->second->appkey));
  by_id_.erase(found);
  return true;
}

}  // namespace ims::logic
