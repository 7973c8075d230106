// The backend on io_uring: request = SQE, completion = CQE, one system call per busy turn.
//
//   accept    multishot, straight into a ring's table of direct descriptors: such sockets are no
//             file descriptors, RLIMIT_NOFILE only bounds the table
//   receive   multishot into 512 provided buffers of 2 KiB: 1 MiB, so that it stays in L2
//   send      one in flight per connection; a short one is reported as such, so that the stall
//             timeout and Taken see every byte that moved (MSG_WAITALL would hide them)
//   close     ASYNC_CANCEL of what is in flight and CLOSE in one submission; kClosed once the last
//             CQE of the connection was seen
//   wake-up   a multishot poll of the gateway's eventfd
//
// Overlooked  A multishot accept may never hear of a connection (uring_accept.cc), so the listener
//           is looked at once more when nobody came for kListenerLook.
// Rings     One, and one more each time that all tables are full (ring_choice.h), for as many
//           connections as `slots` says. A socket's handle names its ring, its completions come out
//           of that one. The first ring is the one that is waited on; the others write the
//           gateway's eventfd when they have work, and only while it is about to sleep. A ring
//           without work costs the turn three loads. They share the 1 MiB of buffers evenly. None
//           is given up again: 0.6 MiB of kernel memory each.
// Threads   create() anywhere; all else on the gateway's thread (SINGLE_ISSUER: rings are enabled
//           by wait()).
// Limits    kRingsPerGatewayMax rings. Completions per turn: at most kCompletionsPerTurnMax, the
//           rest stays in its ring for the next one.
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
#include "gateway/slot_array.h"
#include "gateway/uring.h"
#include "shared/counters.h"
#include "shared/limits.h"
#include "shared/wakeup.h"

namespace ims::gateway {

class UringIo {
 public:
  struct Tables {
    std::uint32_t slots = 0;       // connections, over all rings
    std::uint32_t ring_slots = 0;  // of one ring, at most: RLIMIT_NOFILE
  };
  // Null where the kernel refuses; `why_not` then says what and why. The listener is not touched
  // then.
  static std::unique_ptr<UringIo> create(Listener& listener, Wakeup& wakeup, CounterBlock& counters,
                                         GatewayIndex gateway, Tables tables, std::string& why_not);
  // The same question without an answer to keep: empty, or why not.
  static std::string probe();

  UringIo(const UringIo&) = delete;
  UringIo& operator=(const UringIo&) = delete;

  std::span<const Completion> wait(std::chrono::milliseconds timeout);
  void submit(std::span<const IoRequest> requests);
  void set_accepting(bool accepting);

 private:
  static constexpr std::chrono::milliseconds kListenerLook{100};

  // What the kernel holds of one connection, by its slot.
  struct InFlight {
    std::uint32_t generation = 0;
    bool recv : 1 = false;
    bool send : 1 = false;
    bool shutdown : 1 = false;
    bool close : 1 = false;
    bool closing : 1 = false;
  };

  UringIo(Listener& listener, Wakeup& wakeup, CounterBlock& counters, GatewayIndex gateway,
          Tables tables);

  // uring_setup.cc
  std::unique_ptr<Uring> make_ring(std::string& why_not);
  std::string set_up();
  void enable();
  std::string try_add_ring();
  std::string share_buffers();

  // uring_accept.cc
  void keep_accepting();
  bool choose_accepting_ring();
  void accept_many(Uring& ring);
  void accept_each(Uring& ring, std::uint32_t count);
  void stop_accepting(Uring& ring);
  void watch_listener();
  void on_accept_cqe(Uring& ring, const io_uring_cqe& cqe);
  void pause_accepting(const char* event, const std::string& error);

  void look(std::chrono::milliseconds timeout);
  void visit(Uring& ring, std::chrono::milliseconds timeout);
  bool others_quiet_for_sleep() noexcept;
  bool buffers_left() const noexcept;
  void on_cqe(Uring& ring, const io_uring_cqe& cqe);
  void on_recv_cqe(Uring& ring, ConnectionId connection, InFlight& in_flight,
                   const io_uring_cqe& cqe);
  void report_if_closed(ConnectionId connection, InFlight& in_flight);

  Uring& ring_of(const IoRequest& request) noexcept {
    return *rings_[Uring::ring_of(request.socket)];
  }
  InFlight& in_flight_of(ConnectionId connection);
  void arm_wakeup();
  void start_recv(const IoRequest& request);
  void close_now(const IoRequest& request);

  Listener& listener_;
  Wakeup& wakeup_;
  CounterBlock& counters_;
  const GatewayIndex gateway_;
  const Tables tables_;
  ReceiveBuffers buffers_;                      // outlives the rings
  std::vector<std::unique_ptr<Uring>> rings_;   // [0]: the one that is waited on
  std::size_t buffers_per_ring_ = 0;
  std::vector<Completion> completions_;
  SlotArray<InFlight> in_flight_;
  bool enabled_ = false;
  bool accepting_ = true;
  std::size_t accepting_ring_ = 0;
  std::int64_t accept_retry_ms_ = 0;            // not before, after an error; 0: at once
  bool accepted_ = false;                       // in the last wait()
  std::int64_t listener_look_ms_ = 0;           // when the listener is looked at; 0: not due
};

}  // namespace ims::gateway
