// io_uring constants that are newer than the headers of Debian 12 (liburing 2.3, Linux 6.1).
// Source: include/uapi/linux/io_uring.h of Linux 6.18.
#pragma once

#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7)  // a wait is idleness, not iowait
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17)
#endif

namespace ims::gateway {

// liburing 2.3 declares io_uring_enable_rings() and does not export it.
inline int enable_ring(io_uring& ring) noexcept {
  return static_cast<int>(
      syscall(__NR_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0));
}

}  // namespace ims::gateway
