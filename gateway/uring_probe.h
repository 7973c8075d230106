// Whether this kernel can do what UringIo needs, and the making of a ring with the flags that it
// has.
//
// Threads  Anywhere. A ring that goes away interrupts system calls of every thread that ever
//          touched it; the caller of probe_uring() may have to care, see UringIo::create().
#pragma once

#include <string>

#include "gateway/uring_compat.h"

namespace ims::gateway {

// Empty, or what is missing, and why as far as the errno tells.
std::string probe_uring();

// A ring that enable_ring() has still to enable, with as many wished-for flags as the kernel takes,
// and `more`. Below 0: -errno.
int make_uring(io_uring& ring, unsigned entries, unsigned more);

// "what: errno's text (the usual cause)".
std::string uring_refusal(const char* what, int error);

}  // namespace ims::gateway
