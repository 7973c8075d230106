// Between RocksDB's name for a run of bytes and ours.
#pragma once

#include <rocksdb/slice.h>

#include <string_view>

namespace ims::logic {

inline rocksdb::Slice slice_of(std::string_view bytes) noexcept {
  return {bytes.data(), bytes.size()};
}

inline std::string_view view_of(const rocksdb::Slice& bytes) noexcept {
  return {bytes.data(), bytes.size()};
}

}  // namespace ims::logic
