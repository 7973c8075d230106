// The kernel and the network of one gateway, in memory and from a seed.
//
//   SimIo io(seed, gateway, faults);          the gateway's side: satisfies IoBackend
//   auto client = io.connect();               the clients' side:
//   io.write(client, bytes);                    bytes towards the server
//   io.half_close(client); io.reset(client);
//   std::string got = io.read(client);          what has arrived; frees room for more
//   io.ended(client) == End::kClosed            FIN and everything before it arrived
//
// Faults are probabilities in percent, per chance: receives in pieces, short sends, ENOBUFS,
// completions that come turns later, resets by a client. Zero faults: everything completes in the
// next wait().
//
// What TCP does and a server gets wrong easily is modelled:
//   - a socket that is closed while it has unread bytes resets the peer, which then loses what it
//     had not read yet (so an answer is lost by a close without draining)
//   - a reader that does not read: room for `window_bytes`, then sends wait
// And what the kernel would not forgive is checked, by IMS_ASSERT: two sends in flight, a close in
// the same turn as a shutdown or before its completion, bytes of a send that change before its
// completion, any request after kCloseNow, a receive armed twice. Lent receive bytes are
// overwritten at submit().
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/io.h"
#include "shared/prng.h"

namespace ims::test {

struct SimFaults {
  unsigned cut_percent = 0;        // a receive brings a random piece instead of all (up to 2 KiB)
  unsigned short_send_percent = 0;
  unsigned enobufs_percent = 0;
  unsigned delay_percent = 0;      // a completion that is due waits for a later turn
  unsigned reset_percent = 0;      // per turn and client
};

class SimIo {
 public:
  using Client = std::size_t;

  enum class End : std::uint8_t {
    kOpen,
    kClosed,   // the server shut down its side and all bytes before it were read by the client
    kReset,    // the server's close discarded unread input, or the client reset it
    kRefused,  // nobody listened
  };

  SimIo(std::uint64_t seed, GatewayIndex gateway, SimFaults faults = {});
  ~SimIo();

  // ---- IoBackend ----
  std::span<const gateway::Completion> wait(std::chrono::milliseconds timeout);
  void submit(std::span<const gateway::IoRequest> requests);
  void set_accepting(bool accepting);

  // ---- clients ----
  Client connect(std::size_t window_bytes = 256 * 1024);
  void write(Client client, std::string_view bytes);
  std::string read(Client client);
  // What has arrived and was not read yet: the kernel has taken it from the server.
  std::string_view unread(Client client) const { return at(client).to_client; }
  std::size_t readable_bytes(Client client) const { return at(client).to_client.size(); }
  void half_close(Client client);
  void reset(Client client);
  End ended(Client client) const;
  // From now on the client's side takes at most this many unread bytes.
  void set_window(Client client, std::size_t window_bytes) {
    at(client).window_bytes = window_bytes;
  }

  // ---- what a test may want to see ----
  bool accepting() const { return accepting_; }
  bool server_holds(Client client) const;          // accepted and not released
  bool receiving(Client client) const { return at(client).armed; }
  std::size_t unread_by_server(Client client) const { return at(client).to_server.size(); }
  std::uint64_t sends() const { return sends_; }    // kSend requests
  std::uint64_t short_sends() const { return short_sends_; }
  void fail_next_send(Client client, std::int32_t error) { at(client).send_error = error; }
  void hold_sends(Client client, bool hold) { at(client).sends_held = hold; }
  SimFaults& faults() { return faults_; }

 private:
  struct Socket {
    std::string to_server;
    std::string to_client;
    std::size_t window_bytes = 0;
    bool accepted = false;
    bool refused = false;
    bool client_fin = false;
    bool client_reset = false;
    bool server_fin = false;     // SHUT_WR or close took effect
    bool server_reset = false;
    bool closed = false;         // the server closed it

    ConnectionId connection;
    bool armed = false;
    bool stop = false;           // kStopRecv is pending
    bool send_in_flight = false;
    ByteView send;
    std::string send_copy;       // to notice that the bytes changed
    std::int32_t send_error = 0;
    bool sends_held = false;
    bool shutdown_in_flight = false;
    bool close_requested = false;
    bool released = false;       // kClosed was reported
  };

  Socket& at(Client client) { return sockets_.at(client); }
  const Socket& at(Client client) const { return sockets_.at(client); }
  bool now_due() { return !prng_.chance(faults_.delay_percent); }
  void pump(Client client);
  void pump_receive(Socket& socket);
  void pump_send(Socket& socket);
  void pump_close(Socket& socket);
  void lend(Socket& socket, std::size_t bytes);

  Prng prng_;
  SimFaults faults_;
  std::deque<Socket> sockets_;       // by handle; never moves
  std::vector<Client> live_;         // those that the server may still hear of
  bool accepting_ = true;
  std::deque<std::string> lent_;     // the receive buffers of this turn
  std::vector<gateway::Completion> completions_;
  std::vector<gateway::SocketHandle> shut_down_now_;  // in this submission
  std::uint64_t sends_ = 0;
  std::uint64_t short_sends_ = 0;
};

}  // namespace ims::test
