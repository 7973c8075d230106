// How much room the file system of a directory has: a figure that is at most a second old, and a
// file that keeps some room for the moment when there is none.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace ims::logic {

// Free bytes for an unprivileged process, as statvfs has them.
//
// Threads  Any. Of those that find the figure old one asks the kernel again.
// Errors   A directory that cannot be asked counts as one without room, and is said in the log.
class DiskSpace {
 public:
  explicit DiskSpace(std::string directory);

  std::uint64_t free_bytes() noexcept;  // cached
  std::uint64_t refresh() noexcept;     // asks now

 private:
  const std::string directory_;
  // relaxed, both: two lone numbers; whoever sees one without the other is a second off.
  std::atomic<std::uint64_t> free_bytes_{0};
  std::atomic<std::int64_t> next_ms_{0};
};

// `<directory>/ballast`, `bytes` long and with blocks behind all of it, or absent.
//
// Threads  One at a time.
class Ballast {
 public:
  Ballast(const std::string& directory, std::uint64_t bytes);

  // Makes the file. False where the file system has no room for it or refuses; then it is absent.
  bool fill() noexcept;
  // Gives the room back. True if there was a file.
  bool release() noexcept;
  bool present() const noexcept;

  // At a start: given back where `space` has less than `reserve_bytes`, or than its own size.
  void make_room(DiskSpace& space, std::uint64_t reserve_bytes) noexcept;
  // Made again where it is absent and `reserve_bytes` stay free beside it.
  void keep(DiskSpace& space, std::uint64_t reserve_bytes) noexcept;
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  const std::string directory_;
  const std::string path_;
  const std::uint64_t bytes_;
};

}  // namespace ims::logic
