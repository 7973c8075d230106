// The connections of one generator process: sockets by index over one or several rings, output of a
// turn collected into one send per connection, input cut into frames.
//
//   free -- connect() --> connecting -- on_open --> open -- close(), EOF or an error --> closing
//    ^                                                                                      |
//    +---------------------------- on_end, once the kernel holds nothing of it -------------+
//
// Descriptors  A socket is an ordinary descriptor only while it is made; then it lives in a ring's
//              table, so 100,000 of them fit under RLIMIT_NOFILE 20,000: one more ring each time a
//              table is full. With several rings, the first one waits for an eventfd of the others.
// Threads      One. The listener's calls come out of turn(); it may call everything but turn().
// Errors       A connection's own end with on_end(); set-up and asserts as in ring.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/ring.h"
#include "shared/bytes.h"
#include "shared/config_value.h"

namespace ims::bench {

// Why a connection ended: 0 EOF, an errno, or one of these.
inline constexpr int kEndedHere = -1;        // by close()
inline constexpr int kEndedByNonsense = -2;  // bytes that are no frame

class SocketsListener {
 public:
  virtual void on_open(std::uint32_t index) = 0;
  virtual void on_frame(std::uint32_t index, ByteView frame) = 0;
  virtual void on_end(std::uint32_t index, int error) = 0;

 protected:
  ~SocketsListener() = default;
};

struct SocketsOptions {
  std::string address;             // numeric, with its port
  std::uint32_t connections = 0;
  std::uint32_t ring_slots = 0;    // of one ring; 0: as many as RLIMIT_NOFILE allows
  std::uint32_t sources = 1;       // 127.0.0.2 and on as source addresses; 1: the kernel's choice
  bool spin = false;               // never sleep
};

class Sockets {
 public:
  Sockets(const SocketsOptions& options, SocketsListener& listener);
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  void connect(std::uint32_t index);
  void close(std::uint32_t index);

  // What to append frames to; put() or touched() afterwards. On a connection that is open.
  std::string& output(std::uint32_t index) { return connections_[index].out; }
  void touched(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.dirty) return;
    connection.dirty = true;
    dirty_.push_back(index);
  }
  void put(std::uint32_t index, std::string_view bytes) {
    connections_[index].out.append(bytes);
    touched(index);
  }

  // Sends what is to be sent, handles what has come; sleeps until `until_ns` if there is nothing.
  void turn(std::uint64_t until_ns);

  bool is_open(std::uint32_t index) const { return connections_[index].state == State::kOpen; }
  bool is_free(std::uint32_t index) const { return connections_[index].state == State::kFree; }
  std::size_t unsent_bytes(std::uint32_t index) const {
    const Connection& connection = connections_[index];
    return connection.out.size() + connection.sent.size() - connection.sent_at;
  }
  std::uint32_t count() const { return static_cast<std::uint32_t>(connections_.size()); }
  std::uint32_t rings() const { return static_cast<std::uint32_t>(rings_.size()); }

  // As of the completion that is being handled, or of the turn's start.
  std::uint64_t now_ns() const noexcept { return now_ns_; }
  std::uint64_t sends() const noexcept { return sends_; }
  std::uint64_t turns() const noexcept { return turns_; }
  std::uint64_t idle_ns() const noexcept;  // asleep, or in turns that found nothing to do

 private:
  enum class State : std::uint8_t { kFree, kConnecting, kOpen, kClosing };
  enum class Tag : std::uint8_t { kIgnore, kConnect, kRecv, kSend, kClose, kSignal };

  struct Connection {
    State state = State::kFree;
    bool dirty = false;
    bool connecting = false;  // what the kernel holds of it
    bool receiving = false;
    bool sending = false;
    bool closing = false;
    int error = 0;            // of its end
    std::string in;           // a cut frame
    std::string out;
    std::string sent;         // in flight from sent_at on
    std::size_t sent_at = 0;
  };

  static std::uint64_t user_data(Tag tag, std::uint32_t index) {
    return static_cast<std::uint64_t>(tag) << 32 | index;
  }
  Ring& ring_of(std::uint32_t index) { return *rings_[index / ring_slots_]; }
  std::uint32_t slot_of(std::uint32_t index) const { return index % ring_slots_; }

  int open_socket() const;
  void flush();
  void submit_send(std::uint32_t index);
  unsigned pass(Ring& ring, std::uint64_t wait_ns);
  void wait_for_others();
  void on_cqe(const io_uring_cqe& cqe);
  void on_recv(std::uint32_t index, const io_uring_cqe& cqe);
  void on_sent(std::uint32_t index, int result);
  void take_frames(std::uint32_t index, ByteView bytes);
  void end(std::uint32_t index, int error);
  void report_if_ended(std::uint32_t index);

  const SocketsOptions options_;
  const ListenAddress target_;
  SocketsListener& listener_;
  std::uint32_t ring_slots_ = 0;
  std::vector<std::unique_ptr<Ring>> rings_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> flushing_;
  int signal_ = -1;             // of the rings behind the first
  bool signal_armed_ = false;
  std::uint64_t connects_ = 0;
  std::uint64_t sends_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t empty_ns_ = 0;
  std::uint64_t now_ns_ = 0;
};

}  // namespace ims::bench
