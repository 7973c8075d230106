// The backend on io_uring: request = SQE, completion = CQE, one system call per busy turn.
//
//   accept    multishot, straight into the ring's table of direct descriptors: such sockets are no
//             file descriptors, RLIMIT_NOFILE only bounds the table
//   receive   multishot from one ring of 512 x 2 KiB provided buffers: 1 MiB, so that it stays in
//             L2
//   send      one in flight per connection; a short one is reported as such, so that the stall
//             timeout and Taken see every byte that moved (MSG_WAITALL would hide them)
//   close     ASYNC_CANCEL(all) and CLOSE in one submission; kClosed once the last CQE of the
//             connection was seen
//   wake-up   a multishot poll of the gateway's eventfd
//
// Threads   create() anywhere; all else on the gateway's thread (SINGLE_ISSUER: the ring is enabled
//           by the first wait()).
// Limits    `table_slots` descriptors. Completions per turn: at most kCompletionsPerTurnMax, the
//           rest stays in the ring for the next one.
// Errors    create() returns null and says why where io_uring is refused or too old: Linux 6.1 has
//           all that is needed. Later, a failing io_uring_enter is a bug: assertion.
// Source    notes on io_uring measured on 6.18; man io_uring_enter, io_uring_prep_recv_multishot.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gateway/io.h"
#include "gateway/listener.h"
#include "gateway/uring_compat.h"
#include "shared/counters.h"
#include "shared/limits.h"
#include "shared/wakeup.h"

namespace ims::gateway {

class UringIo {
 public:
  // Null where the kernel refuses; `why_not` then says what and why. The listener is not touched
  // then.
  static std::unique_ptr<UringIo> create(Listener& listener, Wakeup& wakeup, CounterBlock& counters,
                                         GatewayIndex gateway, std::uint32_t table_slots,
                                         std::string& why_not);
  // The same question without an answer to keep: empty, or why not.
  static std::string probe();

  ~UringIo();
  UringIo(const UringIo&) = delete;
  UringIo& operator=(const UringIo&) = delete;

  std::span<const Completion> wait(std::chrono::milliseconds timeout);
  void submit(std::span<const IoRequest> requests);
  void set_accepting(bool accepting);

 private:
  // What the kernel holds of one connection, by its slot.
  struct InFlight {
    std::uint32_t generation = 0;
    bool recv : 1 = false;
    bool send : 1 = false;
    bool shutdown : 1 = false;
    bool close : 1 = false;
    bool closing : 1 = false;
  };

  UringIo(Listener& listener, Wakeup& wakeup, CounterBlock& counters, GatewayIndex gateway);

  std::string set_up(std::uint32_t table_slots);
  void enable();
  void enter(std::chrono::milliseconds timeout);
  void reap();
  void on_cqe(const io_uring_cqe& cqe);
  void on_accept_cqe(const io_uring_cqe& cqe);
  void on_recv_cqe(ConnectionId connection, InFlight& in_flight, const io_uring_cqe& cqe);
  void report_if_closed(ConnectionId connection, InFlight& in_flight);

  io_uring_sqe* next_sqe();
  InFlight& in_flight_of(ConnectionId connection);
  void arm_accept();
  void arm_wakeup();
  void start_recv(const IoRequest& request);
  void close_now(const IoRequest& request);
  void return_buffers();

  Listener& listener_;
  Wakeup& wakeup_;
  CounterBlock& counters_;
  const GatewayIndex gateway_;
  io_uring ring_{};
  bool ring_made_ = false;
  bool enabled_ = false;
  bool no_iowait_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;  // mapped, the buffers behind it
  std::byte* buffers_ = nullptr;
  std::vector<std::uint16_t> used_buffers_;   // lent to this turn's completions
  std::vector<Completion> completions_;
  std::vector<InFlight> in_flight_;
  bool accepting_ = true;
  bool accept_armed_ = false;
  std::int64_t accept_retry_ms_ = 0;          // not before, after an error; 0: at once
};

}  // namespace ims::gateway
