// The double mapping (byte_ring.h).
#include "shared/byte_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <system_error>

namespace ims {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

ByteRing::ByteRing(const char* name, std::size_t capacity_bytes)
    : capacity_(capacity_bytes), mask_(capacity_bytes - 1) {
  IMS_ASSERT(std::has_single_bit(capacity_bytes));
  IMS_ASSERT(capacity_bytes % static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) == 0);

  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) throw_errno("memfd_create for a ring");
  if (ftruncate(fd, static_cast<off_t>(capacity_bytes)) != 0) {
    close(fd);
    throw_errno("ftruncate of a ring");
  }
  // Reserve twice the room, then lay the same pages over both halves.
  void* base = mmap(nullptr, 2 * capacity_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) {
    close(fd);
    throw_errno("mmap of a ring");
  }
  auto* data = static_cast<std::byte*>(base);
  for (std::byte* half : {data, data + capacity_bytes}) {
    if (mmap(half, capacity_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
        MAP_FAILED) {
      munmap(base, 2 * capacity_bytes);
      close(fd);
      throw_errno("mmap of a ring's half");
    }
  }
  close(fd);  // the mappings keep the memory
  data_ = data;
}

ByteRing::~ByteRing() { munmap(data_, 2 * capacity_); }

}  // namespace ims
