// statvfs and posix_fallocate (disk_space.h).
#include "logic/disk_space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "shared/clock.h"
#include "shared/log.h"

namespace ims::logic {
namespace {

constexpr std::int64_t kFreshMs = 1000;

}  // namespace

DiskSpace::DiskSpace(std::string directory) : directory_(std::move(directory)) { refresh(); }

std::uint64_t DiskSpace::free_bytes() noexcept {
  const std::int64_t now_ms = read_clock().mono_ms;
  std::int64_t next_ms = next_ms_.load(std::memory_order_relaxed);
  if (now_ms >= next_ms &&
      next_ms_.compare_exchange_strong(next_ms, now_ms + kFreshMs, std::memory_order_relaxed)) {
    return refresh();
  }
  return free_bytes_.load(std::memory_order_relaxed);
}

std::uint64_t DiskSpace::refresh() noexcept {
  struct statvfs facts{};
  std::uint64_t bytes = 0;
  if (statvfs(directory_.c_str(), &facts) == 0) {
    bytes = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  } else {
    IMS_LOG(kError, "statvfs_failed", {{"directory", directory_}, {"errno", errno}});
  }
  free_bytes_.store(bytes, std::memory_order_relaxed);
  next_ms_.store(read_clock().mono_ms + kFreshMs, std::memory_order_relaxed);
  return bytes;
}

Ballast::Ballast(const std::string& directory, std::uint64_t bytes)
    : directory_(directory), path_(directory + "/ballast"), bytes_(bytes) {}

bool Ballast::fill() noexcept {
  if (bytes_ == 0) return false;
  const int fd = open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes_));
  close(fd);
  if (error == 0) return true;
  release();
  return false;
}

bool Ballast::release() noexcept { return unlink(path_.c_str()) == 0; }

bool Ballast::present() const noexcept {
  struct stat facts{};
  return stat(path_.c_str(), &facts) == 0 && static_cast<std::uint64_t>(facts.st_size) >= bytes_;
}

void Ballast::make_room(DiskSpace& space, std::uint64_t reserve_bytes) noexcept {
  if (space.refresh() < std::max(reserve_bytes, bytes_) && release()) {
    IMS_LOG(kWarn, "store_ballast_released", {{"directory", directory_}});
  }
}

void Ballast::keep(DiskSpace& space, std::uint64_t reserve_bytes) noexcept {
  if (bytes_ == 0 || present()) return;
  if (space.refresh() >= reserve_bytes + bytes_) fill();
}

}  // namespace ims::logic
