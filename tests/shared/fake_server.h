// A server for tests of the client library: the other end of a socketpair, written with the
// server's own encoder. It has no thread; what it sends waits in the socket until the client looks.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/client/client.h"
#include "shared/encode.h"
#include "shared/frame.h"

namespace ims::client {

// The server's end: frames in, frames out.
class FakeServer {
 public:
  explicit FakeServer(int fd) : fd_(fd) {}
  ~FakeServer() { hang_up(); }

  void hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  // The next frame's payload.
  std::string take_frame() {
    while (true) {
      const FrameResult frame = next_frame(as_bytes(in_), 1u << 20);
      if (frame.status == FrameStatus::kFrame) {
        std::string payload(as_text(frame.payload));
        in_.erase(0, frame.consumed_bytes);
        return payload;
      }
      REQUIRE(frame.status == FrameStatus::kNeedMore);
      char room[4096];
      const ssize_t got = recv(fd_, room, sizeof room, 0);
      REQUIRE(got > 0);
      in_.append(room, static_cast<std::size_t>(got));
    }
  }

  void send_bytes(std::string_view bytes) {
    REQUIRE(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void send_conack(Outer outer, std::uint64_t id, const ConAckFields& fields) {
    std::vector<std::byte> frame(conack_frame_bytes(outer, id, fields));
    write_conack_frame(frame.data(), outer, id, fields);
    send_bytes(as_text(frame));
  }
  void send_response(Outer outer, std::uint64_t id, const ResponseFields& fields) {
    std::vector<std::byte> frame(response_frame_bytes(outer, id, fields));
    write_response_frame(frame.data(), outer, id, fields);
    send_bytes(as_text(frame));
  }
  void send_push(Outer outer, ByteView body) {
    std::vector<std::byte> frame(outer_frame_bytes(outer, ServerFrame::kRequest, 0, body.size()));
    write_outer_frame(frame.data(), outer, ServerFrame::kRequest, 0, body);
    send_bytes(as_text(frame));
  }
  void send_disconnect(Outer outer, const DisconnectFields& fields) {
    std::vector<std::byte> frame(disconnect_frame_bytes(outer, fields));
    write_disconnect_frame(frame.data(), outer, fields);
    send_bytes(as_text(frame));
  }

 private:
  int fd_;
  std::string in_;
};

struct Pair {
  explicit Pair(Wire wire) : ends(make()), server(ends[0]), client(ends[1], wire) {}
  static std::array<int, 2> make() {
    std::array<int, 2> made{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data()) == 0);
    return made;
  }
  std::array<int, 2> ends;
  FakeServer server;
  Client client;
};

inline constexpr Wire kWires[] = {kEnvelope, kTyped};
inline Outer outer_of(Wire wire) { return {wire.edition, wire.version}; }

}  // namespace ims::client
