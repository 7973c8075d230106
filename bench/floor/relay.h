// The least that a server of such frames can do, so that every figure of imsd is also a ratio: a
// bare io_uring relay of varint frames that acknowledges. No parsing, no names, no sessions.
//
//   hello    the first frame of a connection: its number, u32 little-endian; answered like a frame
//   relay    a later frame goes, as it is, to every other connection of its group: numbers
//            0..N-1 are one group, N..2N-1 the next; N = 2 makes pairs
//   ack      the frame 01 06 to its sender, in the same send as what else that one is owed
//
// One thread, one ring: direct descriptors, multishot receives from provided buffers, one send in
// flight per connection, everything owed in a turn in one send: as the gateway's UringIo does it.
// Limits   numbers below kPeersMax, frames of at most 16,383 bytes; who breaks this ends the floor.
//          Connections beyond kPeersMax or RLIMIT_NOFILE wait in the backlog. Nothing bounds what
//          a connection that does not read is owed. Not a server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <liburing.h>

#include "bench/floor/fault.h"

namespace ims::bench {

class RelayFloor {
 public:
  static constexpr unsigned kPeersMax = 32'768;

  // `listener` listens already and outlives this.
  RelayFloor(int listener, std::uint32_t group_members, Fault fault);
  RelayFloor(const RelayFloor&) = delete;
  RelayFloor& operator=(const RelayFloor&) = delete;

  // For ever; a signal ends the process.
  [[noreturn]] void run();

 private:
  enum class Tag : std::uint64_t { kAccept, kRecv, kSend, kNobody };

  struct Peer {
    std::uint32_t number = 0;
    bool known = false;
    bool sending = false;
    bool dirty = false;
    bool closing = false;  // its end is seen; the slot is given back once no send is in flight
    std::string in;        // a cut frame
    std::string out;       // owed
    std::string sent;      // in flight, from sent_at on
    std::size_t sent_at = 0;
    std::string held;      // a frame that the next one overtakes (Fault::Kind::kReorder)
  };

  io_uring_sqe* next_sqe();
  static std::uint64_t user_data(Tag tag, std::uint32_t slot);
  static void set_tag(io_uring_sqe* sqe, Tag tag, std::uint32_t slot);
  void give_buffer(unsigned buffer);
  void wait();
  void arm_accept();
  void arm_receive(std::uint32_t slot);

  void on_cqe(const io_uring_cqe& cqe);
  void on_received(std::uint32_t slot, const io_uring_cqe& cqe);
  void on_end(std::uint32_t slot);
  void close_slot(std::uint32_t slot);
  void feed(std::uint32_t slot, const char* bytes, std::size_t size);
  void take_frames(std::uint32_t slot, const char* bytes, std::size_t size);
  void take_hello(std::uint32_t slot, const char* payload, std::size_t size);
  void relay(const Peer& from, const char* bytes, std::size_t size);
  void relay_faulty(Fault::Kind kind, std::uint32_t slot, const char* bytes, std::size_t size);

  void mark(std::uint32_t slot);
  void send(std::uint32_t slot);
  void submit_send(std::uint32_t slot);
  void on_sent(std::uint32_t slot, int result);

  const int listener_;
  const std::uint32_t group_members_;
  FaultClock faults_;
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  char* bytes_ = nullptr;
  int given_ = 0;
  std::vector<Peer> peers_;             // by slot
  std::vector<std::uint32_t> slot_of_;  // by number; kPeersMax: nobody
  std::vector<std::uint32_t> dirty_;
  bool accepting_ = false;  // True exactly while the multishot accept is armed
  bool accepted_ = false;   // since the listener was looked at
};

}  // namespace ims::bench
