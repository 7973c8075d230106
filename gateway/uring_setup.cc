// Setting a ring up, and finding out whether this kernel can do what UringIo needs.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "gateway/uring_io.h"
#include "shared/assert.h"

namespace ims::gateway {
namespace {

constexpr std::size_t kBufferRingBytes = kReceiveBufferCount * sizeof(io_uring_buf);
constexpr std::size_t kBufferBytes = kReceiveBufferCount * kReceiveBufferBytes;

std::string sentence(const char* what, int error) {
  std::string text = std::string(what) + ": " + std::strerror(error);
  if (error == EPERM) text += " (kernel.io_uring_disabled, or a seccomp filter as in containers?)";
  if (error == ENOSYS) text += " (this kernel has no io_uring, or a seccomp filter hides it)";
  if (error == ENOMEM) text += " (RLIMIT_MEMLOCK?)";
  return text;
}

// The flags that a kernel may lack, most wanted first. R_DISABLED: the thread that waits enables
// it.
constexpr unsigned kFlagSets[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
        IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
        IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
};

int make_ring(io_uring& ring, unsigned entries) {
  int result = -EINVAL;
  for (const unsigned flags : kFlagSets) {
    io_uring_params params{};
    params.flags = flags;
    params.cq_entries = entries * 4;
    result = io_uring_queue_init_params(entries, &ring, &params);
    if (result != -EINVAL) break;
  }
  return result;
}

const char* missing_operation(io_uring& ring) {
  struct Needed {
    int op;
    const char* name;
  };
  constexpr Needed kNeeded[] = {
      {IORING_OP_RECV, "RECV"},         {IORING_OP_SEND, "SEND"},
      {IORING_OP_ACCEPT, "ACCEPT"},     {IORING_OP_SHUTDOWN, "SHUTDOWN"},
      {IORING_OP_CLOSE, "CLOSE"},       {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
      {IORING_OP_POLL_ADD, "POLL_ADD"},
  };
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  if (probe == nullptr) return "the probe";
  const char* missing = nullptr;
  for (const Needed& needed : kNeeded) {
    if (io_uring_opcode_supported(probe, needed.op) == 0) missing = needed.name;
  }
  io_uring_free_probe(probe);
  return missing;
}

// Receives one byte through a multishot receive from a provided buffer: newer than every operation
// and flag that could be asked about.
std::string try_receive() {
  io_uring ring{};
  int result = make_ring(ring, 8);
  if (result < 0) return sentence("io_uring_setup", -result);
  std::string why_not;
  int pair[2] = {-1, -1};
  void* memory = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  IMS_ASSERT(memory != MAP_FAILED);
  auto* buffer_ring = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(buffer_ring);
  registration.ring_entries = 2;
  result = enable_ring(ring) < 0 ? -errno : 0;
  if (result >= 0) result = io_uring_register_buf_ring(&ring, &registration, 0);
  if (result >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) result = -errno;
  if (result < 0) {
    why_not = sentence("a ring of provided buffers (Linux 5.19)", -result);
  } else {
    io_uring_buf_ring_init(buffer_ring);
    io_uring_buf_ring_add(buffer_ring, static_cast<std::byte*>(memory) + 4096, 4096, 0,
                          io_uring_buf_ring_mask(2), 0);
    io_uring_buf_ring_advance(buffer_ring, 1);
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recv_multishot(sqe, pair[0], nullptr, 0, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    if (write(pair[1], "x", 1) != 1) why_not = sentence("write", errno);
    io_uring_cqe* cqe = nullptr;
    __kernel_timespec second{1, 0};
    result = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &second, nullptr);
    constexpr unsigned kExpected = IORING_CQE_F_BUFFER | IORING_CQE_F_MORE;
    if (result < 0 || cqe == nullptr) {
      why_not = sentence("a multishot receive", result < 0 ? -result : ETIME);
    } else if (cqe->res != 1 || (cqe->flags & kExpected) != kExpected) {
      why_not = sentence("a multishot receive (Linux 6.0)", cqe->res < 0 ? -cqe->res : EINVAL);
    }
  }
  io_uring_queue_exit(&ring);
  for (const int fd : pair) {
    if (fd >= 0) close(fd);
  }
  munmap(memory, 8192);
  return why_not;
}

std::string probe_here() {
  io_uring ring{};
  const int result = make_ring(ring, 8);
  if (result < 0) return sentence("io_uring_setup", -result);
  const char* missing = missing_operation(ring);
  io_uring_queue_exit(&ring);
  if (missing != nullptr) return std::string("the kernel lacks the operation ") + missing;
  return try_receive();
}

// Rings are made on a thread of their own: one that goes away interrupts system calls of every
// thread that ever touched it, and the caller's may be in the middle of anything.
std::string on_own_thread(auto work) {
  std::string why_not;
  std::thread([&] { why_not = work(); }).join();
  return why_not;
}

}  // namespace

std::string UringIo::probe() { return on_own_thread(probe_here); }

std::unique_ptr<UringIo> UringIo::create(Listener& listener, Wakeup& wakeup, CounterBlock& counters,
                                         GatewayIndex gateway, std::uint32_t table_slots,
                                         std::string& why_not) {
  std::unique_ptr<UringIo> io(new UringIo(listener, wakeup, counters, gateway));
  why_not = on_own_thread([&] {
    const std::string refused = probe_here();
    return refused.empty() ? io->set_up(table_slots) : refused;
  });
  if (!why_not.empty()) return nullptr;
  return io;
}

std::string UringIo::set_up(std::uint32_t table_slots) {
  int result = make_ring(ring_, kUringEntries);
  if (result < 0) return sentence("io_uring_setup", -result);
  ring_made_ = true;
  no_iowait_ = (ring_.features & IORING_FEAT_NO_IOWAIT) != 0;
  if ((ring_.features & IORING_FEAT_EXT_ARG) == 0) return "the kernel lacks EXT_ARG (Linux 5.11)";

  result = io_uring_register_files_sparse(&ring_, table_slots);
  if (result < 0) {
    return sentence("a table of direct descriptors (at most RLIMIT_NOFILE of them)", -result);
  }
  void* memory = mmap(nullptr, kBufferRingBytes + kBufferBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return sentence("mmap of the receive buffers", errno);
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  buffers_ = static_cast<std::byte*>(memory) + kBufferRingBytes;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(buffer_ring_);
  registration.ring_entries = kReceiveBufferCount;
  registration.bgid = 0;
  result = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (result < 0) return sentence("a ring of provided buffers (Linux 5.19)", -result);
  io_uring_buf_ring_init(buffer_ring_);
  for (std::uint16_t buffer = 0; buffer < kReceiveBufferCount; ++buffer) {
    used_buffers_.push_back(buffer);  // enable() hands them all over
  }
  return {};
}

UringIo::~UringIo() {
  if (ring_made_) io_uring_queue_exit(&ring_);
  if (buffer_ring_ != nullptr) munmap(buffer_ring_, kBufferRingBytes + kBufferBytes);
}

}  // namespace ims::gateway
