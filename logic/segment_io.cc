// The system's calls (segment_io.h).
#include "logic/segment_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <vector>

namespace ims::logic {

StoreStatus status_of_errno(int error) noexcept {
  return error == ENOSPC || error == EDQUOT ? StoreStatus::kNoSpace : StoreStatus::kIoError;
}

StoreStatus SegmentIo::write(const std::string&, int fd, std::span<const iovec> parts,
                             std::uint64_t offset) {
  std::vector<iovec> rest;  // only where the kernel took less than all
  while (!parts.empty()) {
    const int count = static_cast<int>(std::min<std::size_t>(parts.size(), IOV_MAX));
    const ssize_t written = pwritev(fd, parts.data(), count, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return status_of_errno(errno);
    }
    offset += static_cast<std::uint64_t>(written);
    auto left = static_cast<std::size_t>(written);
    while (!parts.empty() && left >= parts.front().iov_len) {
      left -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (left > 0) {
      std::vector<iovec> cut(parts.begin(), parts.end());
      rest.swap(cut);
      rest.front().iov_base = static_cast<char*>(rest.front().iov_base) + left;
      rest.front().iov_len -= left;
      parts = rest;
    }
  }
  return StoreStatus::kOk;
}

StoreStatus SegmentIo::sync(const std::string&, int fd) {
  // Not again where it failed: the pages it could not write count as clean from then on.
  return fdatasync(fd) == 0 ? StoreStatus::kOk : status_of_errno(errno);
}

StoreStatus SegmentIo::write_out(const std::string&, int fd, std::uint64_t offset,
                                 std::uint64_t bytes) {
  constexpr unsigned kAll =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  const int done =
      sync_file_range(fd, static_cast<off64_t>(offset), static_cast<off64_t>(bytes), kAll);
  // What it reports sync() does not report again. EINVAL and ESPIPE: nothing such to be done here.
  if (done == 0 || errno == EINVAL || errno == ESPIPE || errno == ENOSYS) return StoreStatus::kOk;
  return status_of_errno(errno);
}

StoreStatus SegmentIo::truncate(const std::string&, int fd, std::uint64_t bytes) {
  return ftruncate(fd, static_cast<off_t>(bytes)) == 0 ? StoreStatus::kOk : status_of_errno(errno);
}

SegmentIo& SegmentIo::real() {
  static SegmentIo io;
  return io;
}

StoreStatus sync_directory(const std::string& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return StoreStatus::kIoError;
  const StoreStatus status = fsync(fd) == 0 ? StoreStatus::kOk : status_of_errno(errno);
  close(fd);
  return status;
}

}  // namespace ims::logic
