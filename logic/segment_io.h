// What the segment log does to a disk, as the few calls that can fail. Tests put failures and power
// cuts in here.
//
// Threads  Any.
// Errors   kOk; kNoSpace: perhaps a part of it was written or synced; kIoError.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>

#include "logic/store.h"

namespace ims::logic {

class SegmentIo {
 public:
  virtual ~SegmentIo() = default;

  // All of `parts`, at `offset` of the file `path` that is open as `fd`.
  virtual StoreStatus write(const std::string& path, int fd, std::span<const iovec> parts,
                            std::uint64_t offset);
  virtual StoreStatus sync(const std::string& path, int fd);  // fdatasync
  // Brings what was written to [offset, offset + bytes) to the disk and waits for it. Not durable:
  // so that a sync(), of any file, has less before it.
  virtual StoreStatus write_out(const std::string& path, int fd, std::uint64_t offset,
                                std::uint64_t bytes);
  virtual StoreStatus truncate(const std::string& path, int fd, std::uint64_t bytes);

  static SegmentIo& real();
};

// Makes creations, removals and renames in a directory durable.
StoreStatus sync_directory(const std::string& directory);

// What an errno of a write, a sync or a creation means to the store.
StoreStatus status_of_errno(int error) noexcept;

}  // namespace ims::logic
