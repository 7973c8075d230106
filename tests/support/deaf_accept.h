// An accept that is woken for whoever comes to a listener, instead of all that are armed behind it:
// accepts wait for exclusive wake-ups, and this one's ring never runs what it is woken for. So a
// server hears of nobody, as when the kernel loses a wake-up (gateway/uring_accept.cc).
//
// Lifetime  Made before the server arms its accept; the listener outlives it.
// Threads   The one that makes it.
#pragma once

#include <liburing.h>

#include "shared/assert.h"

namespace ims::testing {

class DeafAccept {
 public:
  explicit DeafAccept(int listener) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    IMS_ASSERT(io_uring_queue_init_params(8, &ring_, &params) == 0);
    io_uring_prep_multishot_accept(io_uring_get_sqe(&ring_), listener, nullptr, nullptr, 0);
    IMS_ASSERT(io_uring_submit(&ring_) == 1);
  }
  ~DeafAccept() { io_uring_queue_exit(&ring_); }
  DeafAccept(const DeafAccept&) = delete;
  DeafAccept& operator=(const DeafAccept&) = delete;

 private:
  io_uring ring_{};
};

}  // namespace ims::testing
