// One io_uring instance of a gateway: its queues, its table of direct descriptors and its share of
// the gateway's receive buffers. UringIo has one, and adds more where connections outgrow a table.
//
// Buffers   The memory is the gateway's (ReceiveBuffers, at most 1 MiB); each ring has a list of
//           its own that the kernel takes them from, and a buffer is in one list at most.
// Threads   make() anywhere; all else on the thread that called enable() (SINGLE_ISSUER).
// Errors    make() and enable() return a sentence. Later, a failing io_uring_enter is a bug:
//           assertion.
// Source    notes on io_uring measured on 6.18; man io_uring_enter, io_uring_register.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/io.h"
#include "gateway/ring_choice.h"
#include "gateway/uring_compat.h"
#include "shared/bytes.h"
#include "shared/counters.h"
#include "shared/limits.h"

namespace ims::gateway {

// The memory that all rings of a gateway receive into: small, so that it stays in L2.
class ReceiveBuffers {
 public:
  static constexpr std::size_t kBytes = kReceiveBufferCount * kReceiveBufferBytes;

  ~ReceiveBuffers();
  std::string map();  // empty, or why not
  std::byte* at(std::uint16_t buffer) const noexcept {
    return memory_ + buffer * kReceiveBufferBytes;
  }

 private:
  std::byte* memory_ = nullptr;
};

class Uring {
 public:
  struct Options {
    std::uint32_t index = 0;        // in its gateway; 0: the one that is waited on
    std::uint32_t table_slots = 0;  // direct descriptors
    unsigned entries = kUringEntries;
  };
  // Null: `why_not` says. The ring has no buffers until share_buffers().
  static std::unique_ptr<Uring> make(const Options& options, const ReceiveBuffers& buffers,
                                     CounterBlock& counters, std::string& why_not);
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  // By the thread that will use it. Not 0: the errno.
  int enable() noexcept;
  // Rings that are not waited on: from now on `fd` (an eventfd) is written when work turns up,
  // while listen() is in force.
  int ring_bell(int fd) noexcept;
  void listen(bool on) noexcept { io_uring_cq_eventfd_toggle(&ring_, on); }

  // ---- submitting ----

  io_uring_sqe* next_sqe() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    return sqe != nullptr ? sqe : next_sqe_of_full_queue();
  }
  void submit();

  // ---- waiting ----

  // Submits what is prepared and runs the kernel's pending work. Blocks only when there is nothing
  // to submit and nothing to reap.
  void enter(std::chrono::milliseconds timeout);
  // Nothing to submit, to run or to reap. Of a ring that is not waited on, and costs no system
  // call.
  bool idle() const noexcept;
  bool reaped() const noexcept { return io_uring_cq_ready(&ring_) == 0 && !overflowed(); }
  // Calls `take(cqe)` for what is ready, until `full()`.
  template <typename Take, typename Full>
  void reap(Take take, Full full);

  // ---- receive buffers ----

  // What the kernel lent out, until return_buffers().
  ByteView take_buffer(std::uint16_t buffer, std::int32_t bytes) {
    lent_.push_back(buffer);
    return {buffers_.at(buffer), static_cast<std::size_t>(bytes > 0 ? bytes : 0)};
  }
  std::size_t lent_count() const noexcept { return lent_.size(); }
  void return_buffers() {
    if (!lent_.empty()) give_lent_buffers();
  }
  // This ring's buffers are [first, first + count) from now on. Only while none of its buffers is
  // lent or stands in a completion that was not reaped. Empty, or why not.
  std::string share_buffers(std::uint16_t first, std::uint16_t count);

  // ---- direct descriptors ----

  std::uint32_t index() const noexcept { return index_; }
  SocketHandle handle_of(std::int32_t descriptor) const noexcept {
    return static_cast<SocketHandle>(index_ << kDescriptorBits) | descriptor;
  }
  static std::size_t ring_of(SocketHandle handle) noexcept {
    return static_cast<std::size_t>(handle) >> kDescriptorBits;
  }
  static int descriptor_of(SocketHandle handle) noexcept {
    return handle & static_cast<SocketHandle>((1u << kDescriptorBits) - 1);
  }

  RingRoom room;                    // `used` is kept by who accepts and closes
  std::uint32_t accepts_armed = 0;  // one, if it is a multishot
  bool accepts_many = false;        // ... and it is
  bool accepts_ending = false;      // a cancellation is under way

 private:
  static constexpr unsigned kDescriptorBits = 20;
  static_assert(kConnectionsPerGatewayMax <= 1u << kDescriptorBits);
  static_assert(kRingsPerGatewayMax <= 1u << (31 - kDescriptorBits));

  Uring(std::uint32_t index, const ReceiveBuffers& buffers, CounterBlock& counters)
      : index_(index), buffers_(buffers), counters_(counters) {}

  bool overflowed() const noexcept { return io_uring_cq_has_overflow(&ring_); }
  io_uring_sqe* next_sqe_of_full_queue();
  void give_lent_buffers();

  io_uring ring_{};
  const std::uint32_t index_;
  bool made_ = false;
  bool no_iowait_ = false;
  const ReceiveBuffers& buffers_;
  CounterBlock& counters_;
  io_uring_buf_ring* buffer_list_ = nullptr;
  bool buffers_shared_ = false;
  std::vector<std::uint16_t> lent_;
};

template <typename Take, typename Full>
void Uring::reap(Take take, Full full) {
  io_uring_cqe* cqes[256];
  while (!full() && io_uring_cq_ready(&ring_) != 0) {
    const unsigned count = io_uring_peek_batch_cqe(&ring_, cqes, 256);
    for (unsigned i = 0; i < count; ++i) take(*cqes[i]);
    io_uring_cq_advance(&ring_, count);
  }
}


}  // namespace ims::gateway
