// What an engine on disk is opened with, and how opening fails.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "shared/limits.h"

namespace rocksdb {
class Env;
}

namespace ims {
struct Config;
}

namespace ims::logic {

class RetentionClock;
class SegmentIo;

struct StoreOptions {
  std::uint64_t block_cache_bytes = 128 * kMiB;   // blocks, indexes, filters, write buffers
  std::uint64_t write_buffer_bytes = 64 * kMiB;   // rows not in files yet; at most half of that
  std::uint64_t store_reserve_bytes = 256 * kMiB;  // free space below which has_space() is false
  // A file that only takes up room: given up where the disk is full at start, so that recovery and
  // the boot counter find space. 0: none.
  std::uint64_t ballast_bytes = 64 * kMiB;
  std::int64_t retention_ms = 7 * 86'400'000ll;  // kRows, kCursors; 0: kept for ever
  bool accept_loss = false;  // open although durable commits are missing
  int open_files_max = 1024;
  std::uint64_t segment_bytes = kSegmentBytesDefault;  // a file of the segment log at most

  // What the retention of kRows and kCursors goes by. Outlives the store. Null: all is kept.
  const RetentionClock* clock = nullptr;
  // Tests put one in whose files fail. Outlives the store. Null: the machine's.
  rocksdb::Env* env = nullptr;
  SegmentIo* segment_io = nullptr;
};

// Thrown while a store is opened, never later. One line: what failed, on what, what to try.
class StoreError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Those that the server's configuration says; the caller adds what is no configuration.
StoreOptions store_options(const Config& config);

}  // namespace ims::logic
