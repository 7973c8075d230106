// Accepting, receiving, relaying, sending (relay.h).
#include "bench/floor/relay.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "shared/assert.h"

namespace ims::bench {
namespace {

constexpr unsigned kEntries = 4096;
constexpr unsigned kBuffers = 1024;
constexpr unsigned kBufferBytes = 4096;
constexpr unsigned kCompletionsAtOnce = 512;
constexpr long kListenerLookNs = 100'000'000;
constexpr char kAck[] = {1, 6};

// Direct descriptors count against the soft limit of open files, though they take none.
unsigned slots_allowed() {
  rlimit limit{};
  IMS_ASSERT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  IMS_ASSERT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  return static_cast<unsigned>(std::min<rlim_t>(limit.rlim_max, RelayFloor::kPeersMax));
}

// The bytes of the frame that starts here, its length prefix included; 0: the prefix is cut.
std::size_t frame_bytes(const char* bytes, std::size_t size) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  if (byte(0) < 0x80) return std::size_t{1} + byte(0);
  if (size < 2) return 0;
  IMS_ASSERT(byte(1) < 0x80);
  return std::size_t{2} + (byte(0) & 0x7fu) + (std::size_t{byte(1)} << 7);
}

}  // namespace

RelayFloor::RelayFloor(int listener, std::uint32_t group_members, Fault fault)
    : listener_(listener),
      group_members_(group_members),
      faults_(fault),
      peers_(kPeersMax),
      slot_of_(kPeersMax, kPeersMax) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
  params.cq_entries = 4 * kEntries;
  IMS_ASSERT(io_uring_queue_init_params(kEntries, &ring_, &params) == 0);
  IMS_ASSERT(io_uring_register_files_sparse(&ring_, slots_allowed()) == 0);
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
  io_uring_buf_ring_advance(buffers_, std::exchange(given_, 0));
  arm_accept();
}

void RelayFloor::run() {
  for (;;) {
    wait();
    io_uring_cqe* cqes[kCompletionsAtOnce];
    for (unsigned count = 0;
         (count = io_uring_peek_batch_cqe(&ring_, cqes, kCompletionsAtOnce)) != 0;) {
      for (unsigned i = 0; i < count; ++i) on_cqe(*cqes[i]);
      io_uring_cq_advance(&ring_, count);
    }
    io_uring_buf_ring_advance(buffers_, std::exchange(given_, 0));
    for (const std::uint32_t slot : dirty_) {
      peers_[slot].dirty = false;
      send(slot);
    }
    dirty_.clear();
  }
}

// Until something is there. The kernel may have told nobody of the last ones of a burst of
// connections (gateway/uring_accept.cc): when nothing comes for a while after some, the listener is
// looked at, and an accept that missed somebody is ended; who sees its end arms it anew.
void RelayFloor::wait() {
  __kernel_timespec time{0, kListenerLookNs};
  io_uring_cqe* cqe = nullptr;
  const int result = accepted_ ? io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &time, nullptr)
                               : io_uring_submit_and_wait(&ring_, 1);
  IMS_ASSERT(result >= 0 || result == -EINTR || result == -ETIME);
  if (result != -ETIME) return;
  accepted_ = false;
  pollfd listener{listener_, POLLIN, 0};
  if (!accepting_ || poll(&listener, 1, 0) != 1) return;
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_cancel64(sqe, user_data(Tag::kAccept, 0), 0);
  set_tag(sqe, Tag::kNobody, 0);
}

// ---- requests ----------------------------------------------------------------------------------

io_uring_sqe* RelayFloor::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

std::uint64_t RelayFloor::user_data(Tag tag, std::uint32_t slot) {
  return static_cast<std::uint64_t>(tag) << 32 | slot;
}

void RelayFloor::set_tag(io_uring_sqe* sqe, Tag tag, std::uint32_t slot) {
  sqe->user_data = user_data(tag, slot);
}

void RelayFloor::arm_accept() {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_multishot_accept_direct(sqe, listener_, nullptr, nullptr, 0);
  set_tag(sqe, Tag::kAccept, 0);
  accepting_ = true;
}

void RelayFloor::arm_receive(std::uint32_t slot) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_recv_multishot(sqe, static_cast<int>(slot), nullptr, 0, 0);
  sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
  sqe->buf_group = 0;
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
  set_tag(sqe, Tag::kRecv, slot);
}

void RelayFloor::give_buffer(unsigned buffer) {
  io_uring_buf_ring_add(buffers_, bytes_ + buffer * kBufferBytes, kBufferBytes,
                        static_cast<unsigned short>(buffer), io_uring_buf_ring_mask(kBuffers),
                        given_++);
}

// ---- completions -------------------------------------------------------------------------------

void RelayFloor::on_cqe(const io_uring_cqe& cqe) {
  const auto slot = static_cast<std::uint32_t>(cqe.user_data);
  switch (static_cast<Tag>(cqe.user_data >> 32)) {
    case Tag::kAccept:
      if (cqe.res >= 0) {
        accepted_ = true;
        arm_receive(static_cast<std::uint32_t>(cqe.res));
      }
      if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
      accepting_ = false;
      if (cqe.res != -ENFILE) arm_accept();  // else the next slot that is given back does
      return;
    case Tag::kRecv: return on_received(slot, cqe);
    case Tag::kSend: return on_sent(slot, cqe.res);
    case Tag::kNobody: return;
  }
}

void RelayFloor::on_received(std::uint32_t slot, const io_uring_cqe& cqe) {
  if (cqe.res > 0) {
    const unsigned buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
    feed(slot, bytes_ + buffer * kBufferBytes, static_cast<std::size_t>(cqe.res));
    give_buffer(buffer);
  }
  if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
  if (cqe.res > 0 || cqe.res == -ENOBUFS) return arm_receive(slot);
  on_end(slot);
}

// EOF or a reset. A send that is in flight reads the peer's memory until it is completed.
void RelayFloor::on_end(std::uint32_t slot) {
  Peer& peer = peers_[slot];
  peer.closing = true;
  if (peer.known) slot_of_[peer.number] = kPeersMax;
  if (!peer.sending) return close_slot(slot);
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_shutdown(sqe, static_cast<int>(slot), SHUT_RDWR);
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
  set_tag(sqe, Tag::kNobody, slot);
}

void RelayFloor::close_slot(std::uint32_t slot) {
  const bool dirty = peers_[slot].dirty;
  peers_[slot] = {};
  peers_[slot].dirty = dirty;  // it may be in dirty_ once more this turn, with nothing to send
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_close_direct(sqe, slot);
  set_tag(sqe, Tag::kNobody, slot);
  if (!accepting_) arm_accept();
}

void RelayFloor::feed(std::uint32_t slot, const char* bytes, std::size_t size) {
  Peer& peer = peers_[slot];
  if (peer.in.empty()) return take_frames(slot, bytes, size);
  peer.in.append(bytes, size);
  const std::string whole = std::exchange(peer.in, {});
  take_frames(slot, whole.data(), whole.size());
}

void RelayFloor::take_frames(std::uint32_t slot, const char* bytes, std::size_t size) {
  Peer& peer = peers_[slot];
  while (size > 0) {
    const std::size_t frame = frame_bytes(bytes, size);
    if (frame == 0 || frame > size) {
      peer.in.assign(bytes, size);
      break;
    }
    Fault::Kind fault = Fault::Kind::kNone;
    if (!peer.known) {
      take_hello(slot, bytes, frame);
    } else {
      fault = faults_.next();
      if (fault != Fault::Kind::kNone || !peer.held.empty()) {
        relay_faulty(fault, slot, bytes, frame);
      } else {
        relay(peer, bytes, frame);
      }
    }
    if (fault != Fault::Kind::kNoAck) peer.out.append(kAck, sizeof kAck);
    bytes += frame;
    size -= frame;
  }
  mark(slot);
}

void RelayFloor::take_hello(std::uint32_t slot, const char* bytes, std::size_t size) {
  Peer& peer = peers_[slot];
  IMS_ASSERT(size == 1 + sizeof peer.number);
  std::memcpy(&peer.number, bytes + 1, sizeof peer.number);
  IMS_ASSERT(peer.number < kPeersMax);
  slot_of_[peer.number] = slot;
  peer.known = true;
}

void RelayFloor::relay(const Peer& from, const char* bytes, std::size_t size) {
  const std::uint32_t begin = from.number - from.number % group_members_;
  const std::uint32_t end = std::min(begin + group_members_, kPeersMax);
  for (std::uint32_t number = begin; number < end; ++number) {
    const std::uint32_t to = slot_of_[number];
    if (number == from.number || to == kPeersMax) continue;
    peers_[to].out.append(bytes, size);
    mark(to);
  }
}

void RelayFloor::relay_faulty(Fault::Kind kind, std::uint32_t slot, const char* bytes,
                              std::size_t size) {
  Peer& peer = peers_[slot];
  const std::string held = std::exchange(peer.held, {});
  std::string changed(bytes, size);
  switch (kind) {
    case Fault::Kind::kDrop: break;
    case Fault::Kind::kDup:
      relay(peer, bytes, size);
      relay(peer, bytes, size);
      break;
    case Fault::Kind::kReorder: peer.held = std::move(changed); break;
    case Fault::Kind::kCorrupt:
      changed.back() = static_cast<char>(changed.back() ^ 1);
      relay(peer, changed.data(), changed.size());
      break;
    case Fault::Kind::kStray: peer.out.append(bytes, size); break;
    case Fault::Kind::kNone:
    case Fault::Kind::kNoAck: relay(peer, bytes, size); break;
  }
  if (!held.empty()) relay(peer, held.data(), held.size());
}

// ---- sending -----------------------------------------------------------------------------------

void RelayFloor::mark(std::uint32_t slot) {
  if (peers_[slot].dirty) return;
  peers_[slot].dirty = true;
  dirty_.push_back(slot);
}

void RelayFloor::send(std::uint32_t slot) {
  Peer& peer = peers_[slot];
  if (peer.sending || peer.closing || peer.out.empty()) return;
  peer.sent.swap(peer.out);
  peer.out.clear();
  peer.sent_at = 0;
  submit_send(slot);
}

void RelayFloor::submit_send(std::uint32_t slot) {
  Peer& peer = peers_[slot];
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_send(sqe, static_cast<int>(slot), peer.sent.data() + peer.sent_at,
                     peer.sent.size() - peer.sent_at, MSG_NOSIGNAL);
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
  set_tag(sqe, Tag::kSend, slot);
  peer.sending = true;
}

void RelayFloor::on_sent(std::uint32_t slot, int result) {
  Peer& peer = peers_[slot];
  peer.sending = false;
  if (peer.closing) return close_slot(slot);
  if (result < 0) return;  // its receive says the end
  peer.sent_at += static_cast<std::size_t>(result);
  if (peer.sent_at < peer.sent.size()) return submit_send(slot);
  if (!peer.out.empty()) mark(slot);
}

}  // namespace ims::bench
