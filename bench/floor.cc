// imsfloor: the least that a server of such frames can do, so that every figure of imsd is also a
// ratio. A bare io_uring relay of varint frames that acknowledges: no parsing, no names, no
// sessions.
//
//   hello    the first frame of a connection: its number, u32 little-endian; answered like a frame
//   relay    a later frame goes, as it is, to the connection whose number differs in the last bit
//   ack      the frame 01 06 to its sender, in the same send as what else that one is owed
//
// One thread, one ring: direct descriptors, multishot receives from provided buffers, one send in
// flight per connection, everything owed in a turn in one send: as the gateway's UringIo does it.
// Not a server: no limits, no timeouts, it ends by a signal. Frames are shorter than 128 bytes.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <liburing.h>

#include "shared/assert.h"
#include "shared/config_value.h"

namespace {

constexpr unsigned kEntries = 4096;
constexpr unsigned kSlots = 16'384;
constexpr unsigned kBuffers = 1024;
constexpr unsigned kBufferBytes = 4096;
constexpr std::size_t kHelloBytes = 1 + sizeof(std::uint32_t);
constexpr char kAck[] = {1, 6};

enum class Tag : std::uint64_t { kAccept, kRecv, kSend };

struct Peer {
  std::uint32_t number = 0;
  bool known = false;
  bool sending = false;
  bool dirty = false;
  std::string in;       // a cut frame
  std::string out;      // owed
  std::string sent;     // in flight, from sent_at on
  std::size_t sent_at = 0;
};

class Floor {
 public:
  explicit Floor(int listener) : listener_(listener), peers_(kSlots), slot_of_(kSlots) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = 4 * kEntries;
    IMS_ASSERT(io_uring_queue_init_params(kEntries, &ring_, &params) == 0);
    IMS_ASSERT(io_uring_register_files_sparse(&ring_, kSlots) == 0);
    void* memory = mmap(nullptr, kBuffers * (sizeof(io_uring_buf) + kBufferBytes),
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    IMS_ASSERT(memory != MAP_FAILED);
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    bytes_ = static_cast<char*>(memory) + kBuffers * sizeof(io_uring_buf);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(buffers_);
    registration.ring_entries = kBuffers;
    IMS_ASSERT(io_uring_register_buf_ring(&ring_, &registration, 0) == 0);
    io_uring_buf_ring_init(buffers_);
    for (unsigned i = 0; i < kBuffers; ++i) give_buffer(i);
    io_uring_buf_ring_advance(buffers_, given_);
    given_ = 0;
    arm_accept();
  }

  void run() {
    for (;;) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      IMS_ASSERT(result >= 0 || result == -EINTR);
      io_uring_cqe* cqes[512];
      for (unsigned count = 0; (count = io_uring_peek_batch_cqe(&ring_, cqes, 512)) != 0;) {
        for (unsigned i = 0; i < count; ++i) on_cqe(*cqes[i]);
        io_uring_cq_advance(&ring_, count);
      }
      io_uring_buf_ring_advance(buffers_, given_);
      given_ = 0;
      for (const std::uint32_t slot : dirty_) {
        peers_[slot].dirty = false;
        send(slot);
      }
      dirty_.clear();
    }
  }

 private:
  io_uring_sqe* next(Tag tag, std::uint32_t slot) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      io_uring_submit(&ring_);
      sqe = io_uring_get_sqe(&ring_);
    }
    sqe->user_data = 0;
    tag_ = static_cast<std::uint64_t>(tag) << 32 | slot;
    return sqe;
  }

  void arm_accept() {
    io_uring_sqe* sqe = next(Tag::kAccept, 0);
    io_uring_prep_multishot_accept_direct(sqe, listener_, nullptr, nullptr, 0);
    sqe->user_data = tag_;
  }

  void arm_receive(std::uint32_t slot) {
    io_uring_sqe* sqe = next(Tag::kRecv, slot);
    io_uring_prep_recv_multishot(sqe, static_cast<int>(slot), nullptr, 0, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->buf_group = 0;
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
    sqe->user_data = tag_;
  }

  void give_buffer(unsigned buffer) {
    io_uring_buf_ring_add(buffers_, bytes_ + buffer * kBufferBytes, kBufferBytes,
                          static_cast<unsigned short>(buffer), io_uring_buf_ring_mask(kBuffers),
                          given_++);
  }

  void on_cqe(const io_uring_cqe& cqe) {
    const auto slot = static_cast<std::uint32_t>(cqe.user_data);
    switch (static_cast<Tag>(cqe.user_data >> 32)) {
      case Tag::kAccept:
        if (cqe.res >= 0) arm_receive(static_cast<std::uint32_t>(cqe.res));
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) arm_accept();
        return;
      case Tag::kSend:
        return on_sent(slot, cqe.res);
      case Tag::kRecv:
        break;
    }
    if (cqe.res > 0) {
      const unsigned buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
      feed(slot, bytes_ + buffer * kBufferBytes, static_cast<std::size_t>(cqe.res));
      give_buffer(buffer);
    }
    if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
    if (cqe.res > 0 || cqe.res == -ENOBUFS) return arm_receive(slot);
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);  // EOF or reset
    IMS_ASSERT(sqe != nullptr);
    io_uring_prep_close_direct(sqe, slot);
    sqe->user_data = static_cast<std::uint64_t>(Tag::kSend) << 32 | kSlots;  // nobody's
    peers_[slot] = {};
  }

  void feed(std::uint32_t slot, const char* bytes, std::size_t size) {
    Peer& peer = peers_[slot];
    if (!peer.in.empty()) {
      peer.in.append(bytes, size);
      const std::string whole = std::move(peer.in);
      peer.in.clear();
      return frames(slot, whole.data(), whole.size());
    }
    frames(slot, bytes, size);
  }

  void frames(std::uint32_t slot, const char* bytes, std::size_t size) {
    Peer& peer = peers_[slot];
    while (size > 0) {
      const std::size_t frame = 1 + static_cast<unsigned char>(*bytes);
      if (frame > size) return peer.in.assign(bytes, size), void();
      if (!peer.known) {
        IMS_ASSERT(frame == kHelloBytes);
        std::memcpy(&peer.number, bytes + 1, sizeof peer.number);
        IMS_ASSERT(peer.number < kSlots);
        slot_of_[peer.number] = slot;
        peer.known = true;
      } else {
        const std::uint32_t to = slot_of_[peer.number ^ 1];
        peers_[to].out.append(bytes, frame);
        mark(to);
      }
      peer.out.append(kAck, sizeof kAck);
      bytes += frame;
      size -= frame;
    }
    mark(slot);
  }

  void mark(std::uint32_t slot) {
    if (peers_[slot].dirty) return;
    peers_[slot].dirty = true;
    dirty_.push_back(slot);
  }

  void send(std::uint32_t slot) {
    Peer& peer = peers_[slot];
    if (peer.sending || peer.out.empty()) return;
    peer.sent.swap(peer.out);
    peer.out.clear();
    peer.sent_at = 0;
    submit_send(slot);
  }

  void submit_send(std::uint32_t slot) {
    Peer& peer = peers_[slot];
    io_uring_sqe* sqe = next(Tag::kSend, slot);
    io_uring_prep_send(sqe, static_cast<int>(slot), peer.sent.data() + peer.sent_at,
                       peer.sent.size() - peer.sent_at, MSG_NOSIGNAL);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    sqe->user_data = tag_;
    peer.sending = true;
  }

  void on_sent(std::uint32_t slot, int result) {
    if (slot >= kSlots) return;
    Peer& peer = peers_[slot];
    if (!peer.sending) return;
    peer.sending = false;
    if (result < 0) return;
    peer.sent_at += static_cast<std::size_t>(result);
    if (peer.sent_at < peer.sent.size()) return submit_send(slot);
    if (!peer.out.empty()) mark(slot);
  }

  const int listener_;
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  char* bytes_ = nullptr;
  int given_ = 0;
  std::uint64_t tag_ = 0;
  std::vector<Peer> peers_;
  std::vector<std::uint32_t> slot_of_;  // by number
  std::vector<std::uint32_t> dirty_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto target = ims::parse_listen_address(argc == 2 ? argv[1] : "");
  if (!target) {
    std::fprintf(stderr, "usage: imsfloor ADDRESS:PORT\n");
    return 2;
  }
  const int listener = socket(target->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&target->storage), target->size) != 0 ||
      listen(listener, 4096) != 0) {
    std::perror("imsfloor: listen");
    return 1;
  }
  Floor floor(listener);
  std::fprintf(stderr, "listening on %s\n", argv[1]);
  floor.run();
}
