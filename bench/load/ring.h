// One io_uring of the generator: its queue, its table of direct descriptors, its receive buffers.
//
// Owner     Sockets, which has one or more of them: a table holds at most RLIMIT_NOFILE sockets.
// Threads   One: whoever makes it (SINGLE_ISSUER).
// Errors    The constructor throws std::runtime_error where the kernel refuses: Linux 6.1 has all
//           that is needed. Later a failing enter is a bug: assertion.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shared/bytes.h"

namespace ims::bench {

class Ring {
 public:
  static constexpr unsigned kBufferCount = 256;
  static constexpr unsigned kBufferBytes = 4096;

  explicit Ring(std::uint32_t table_slots);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Never null: a full queue is handed over first.
  io_uring_sqe* next_sqe();

  // Puts an open socket into the table; the caller closes its own descriptor.
  void install(std::uint32_t slot, int fd);

  void prepare_receive(std::uint32_t slot, std::uint64_t user_data);

  // Submits what is prepared and runs the kernel's pending work. Waits at most `wait_ns` for a
  // completion if there was nothing to submit and nothing is there.
  void enter(std::uint64_t wait_ns);

  // Calls `handle` with each completion that is there; gives used buffers back at the end.
  template <class Handle>
  unsigned reap(Handle&& handle) {
    unsigned total = 0;
    io_uring_cqe* cqes[kBatch];
    while (used_.size() < kBufferCount / 2) {
      const unsigned count = io_uring_peek_batch_cqe(&ring_, cqes, kBatch);
      if (count == 0) break;
      for (unsigned i = 0; i < count; ++i) handle(*cqes[i]);
      io_uring_cq_advance(&ring_, count);
      total += count;
    }
    return_buffers();
    return total;
  }

  // The received bytes of a completion with a buffer; valid until reap() ends.
  ByteView take_buffer(const io_uring_cqe& cqe);

  // Signals `fd` at completions, so that another ring can wait for this one.
  void signal(int fd);

  std::uint64_t waited_ns() const noexcept { return waited_ns_; }  // asleep, until something came

 private:
  static constexpr unsigned kBatch = 64;

  void return_buffers();

  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;  // mapped, the buffers behind it
  std::byte* buffers_ = nullptr;
  std::vector<std::uint16_t> used_;
  std::uint64_t waited_ns_ = 0;
};

}  // namespace ims::bench
