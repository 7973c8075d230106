// The whole vocabulary between the gateway core and the kernel.
//
// Requests go down, completions come up; both are plain values and both move in batches, one batch
// per turn. The core therefore compiles once, knows no backend, and a test can play the kernel.
//
//   UringIo   request = SQE, completion = CQE
//   EpollIo   keeps the request until the socket is ready, then makes the system call itself
//   SimIo     (tests/support) keeps everything in memory, seeded, with faults
//
// Life of a socket, as the core drives it (begin / wait / finish):
//
//   kAccept ──▶ kStartRecv ──▶ kRecv* ──▶ kSend/kSend done, one at a time ──▶ ...
//     closing, EOF seen and nothing left:  kCloseNow (cancel all + close, one submission)
//     closing otherwise:                   kShutdown ──▶ done ──▶ receive and discard until EOF or
//                                          1 s ──▶ kCloseNow ──▶ kClosed
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <span>

#include "shared/bytes.h"
#include "shared/ids.h"

namespace ims::gateway {

enum class IoOp : std::uint8_t {
  kAccept,     // completion only: result 0, `connection` names nothing, `socket` is new
  kStartRecv,  // request: receive until told otherwise (multishot)
  kStopRecv,   // request: no further kRecv completions after the one with `ended`
  kRecv,       // completion: bytes, or result 0 (EOF), or -errno
  kSend,       // request: all of `bytes`; completion: result = bytes taken, or -errno
  kShutdown,   // request: SHUT_WR; completion when done
  kCloseNow,   // request: cancel whatever is in flight and close; completion kClosed
  kClosed,     // completion: the kernel holds nothing of this connection any more
};

// Names nothing: generations start at 1. A kCloseNow with it closes a socket that got no slot.
inline constexpr ConnectionId kNoConnection{};

using SocketHandle = std::int32_t;  // a direct descriptor (UringIo) or a file descriptor (EpollIo)

struct IoRequest {
  IoOp op;
  SocketHandle socket;
  ConnectionId connection;
  ByteView bytes;  // kSend only: unchanged and in place until its completion
};

struct Completion {
  IoOp op;
  ConnectionId connection;
  std::int32_t result;  // >= 0, or -errno
  SocketHandle socket;  // kAccept only
  ByteView bytes;       // kRecv only: borrowed until the end of this turn
  bool ended;           // kRecv: the receive is no longer armed (EOF, error, stop, ENOBUFS)
};

// Both calls are made once per turn, never once per message.
template <typename Io>
concept IoBackend = requires(Io& io, std::span<const IoRequest> requests,
                             std::chrono::milliseconds timeout, bool accepting) {
  // Blocks up to `timeout` for the first completion (zero: only looks), then returns what is ready.
  // The view is valid until submit(). Empty on timeout or wake-up.
  { io.wait(timeout) } -> std::same_as<std::span<const Completion>>;

  // Hands over the turn's requests and takes back the turn's receive buffers.
  { io.submit(requests) } -> std::same_as<void>;

  // Opens or closes the listener of this thread (a table that is full but for a reserve closes it).
  { io.set_accepting(accepting) } -> std::same_as<void>;
};

}  // namespace ims::gateway
