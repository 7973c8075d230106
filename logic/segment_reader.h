// Reading ops back out of segments: open files, at most kOpenSegmentsMax of them, and what of them
// is in the kernel's page cache.
//
// Threads  Any. A lock is held to find or open a file, never while bytes are read.
// Errors   By value: kIncomplete for what kCacheOnly would have to wait for (an open() too), and on
//          file systems that cannot say so; kNotFound where the file is gone; kCorrupt for bytes
//          that are not what was written there; kIoError.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "logic/segment_index.h"
#include "logic/store.h"

namespace ims::logic {

class SegmentReader {
 public:
  explicit SegmentReader(std::string directory);
  ~SegmentReader();
  SegmentReader(const SegmentReader&) = delete;
  SegmentReader& operator=(const SegmentReader&) = delete;

  // Reads of `number` are answered from memory from now on, as far as they are there.
  void open(std::uint32_t number);
  // Before its file is removed.
  void forget(std::uint32_t number);

  // The op at `ref`, whose `bytes` may be 0: not known. Views into `buffer`.
  StoreStatus read(std::uint32_t number, const SegmentRef& ref, ReadTier tier, std::string& buffer,
                   StoreBatch::OpView& op);
  // The kernel may bring it meanwhile.
  void prefetch(std::uint32_t number, const SegmentRef& ref);

 private:
  struct File {
    int fd = -1;
    bool waits = true;  // its reads may wait for a disk: kCacheOnly asks the kernel not to
    bool gone = false;  // closed by who reads it last
    std::uint32_t readers = 0;
    std::uint64_t used = 0;
  };

  File* take(std::uint32_t number, ReadTier tier, StoreStatus& status);
  void give_back(std::uint32_t number, File* file);
  void close_oldest();

  const std::string directory_;
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, File> files_;
  std::uint64_t uses_ = 0;
};

}  // namespace ims::logic
