// The encoding of StoreIdentity, and its start-up (store_identity.h).
#include "logic/store_identity.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "logic/store_options.h"
#include "logic/sys_keys.h"

namespace ims::logic {
namespace {

constexpr std::size_t kEpochBytes = 16;
constexpr std::size_t kValueBytes = kEpochBytes + sizeof(std::uint64_t) + sizeof(std::uint32_t);

void fill_random(void* bytes, std::size_t count) {
  // At most 256 bytes: getrandom gives them whole or not at all.
  while (getrandom(bytes, count, 0) != static_cast<ssize_t>(count)) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
  }
}

std::string encode(const StoreIdentity& identity) {
  std::string value(reinterpret_cast<const char*>(identity.epoch.data()), kEpochBytes);
  append_big_endian(value, identity.seed);
  append_big_endian(value, identity.boot);
  return value;
}

StoreIdentity decode(std::string_view value) {
  StoreIdentity identity;
  std::memcpy(identity.epoch.data(), value.data(), kEpochBytes);
  identity.seed = read_big_endian<std::uint64_t>(value.substr(kEpochBytes));
  identity.boot = read_big_endian<std::uint32_t>(value.substr(kEpochBytes + sizeof identity.seed));
  return identity;
}

}  // namespace

StoreIdentity open_identity(Store& store, bool renew_epoch) {
  StoreIdentity identity;
  std::string value;
  const StoreStatus read = store.get(Table::kMeta, kSysIdentity, &value, ReadTier::kMayBlock);
  if (read == StoreStatus::kOk) {
    if (value.size() != kValueBytes) {
      throw StoreError("store: the identity is damaged; restore the data directory from a backup");
    }
    identity = decode(value);
    if (renew_epoch) fill_random(identity.epoch.data(), identity.epoch.size());
  } else if (read == StoreStatus::kNotFound) {
    fill_random(identity.epoch.data(), identity.epoch.size());
    fill_random(&identity.seed, sizeof identity.seed);
  } else {
    throw StoreError("store: the identity cannot be read; see the log for the disk's error");
  }
  if (identity.boot >= kBootMax) {
    throw StoreError("store: started " + std::to_string(kBootMax) +
                     " times, ids are used up; export the data into a new directory");
  }
  ++identity.boot;

  StoreBatch batch;
  batch.put(Table::kMeta, kSysIdentity, encode(identity));
  const StoreBatch* const batches[] = {&batch};
  switch (store.write(batches, 1, true)) {
    case StoreStatus::kOk:
      return identity;
    case StoreStatus::kNoSpace:
      throw StoreError("store: no space left to note this start; free some and start again");
    default:
      throw StoreError("store: this start cannot be noted; see the log for the disk's error");
  }
}

}  // namespace ims::logic
