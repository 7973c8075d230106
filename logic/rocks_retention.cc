// The filter of rocks_retention.h.
#include "logic/rocks_retention.h"

#include "logic/sys_keys.h"

namespace ims::logic {

bool RocksRetention::Filter(int, const rocksdb::Slice&, const rocksdb::Slice& value, std::string*,
                            bool*) const {
  if (value.size() < sizeof(std::int64_t)) return false;
  const auto time_ms = read_big_endian<std::int64_t>({value.data(), value.size()});
  return time_ms < clock_.now_ms() - keep_ms_;
}

}  // namespace ims::logic
