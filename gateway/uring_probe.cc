// Asking the kernel (uring_probe.h).
#include "gateway/uring_probe.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "shared/assert.h"

namespace ims::gateway {
namespace {

// The flags that a kernel may lack, most wanted first. R_DISABLED: the thread that waits enables
// it.
constexpr unsigned kFlagSets[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
        IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
        IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
};

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
  int result = make_uring(ring, 8, 0);
  if (result < 0) return uring_refusal("io_uring_setup", -result);
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
    why_not = uring_refusal("a ring of provided buffers (Linux 5.19)", -result);
  } else {
    io_uring_buf_ring_init(buffer_ring);
    io_uring_buf_ring_add(buffer_ring, static_cast<std::byte*>(memory) + 4096, 4096, 0,
                          io_uring_buf_ring_mask(2), 0);
    io_uring_buf_ring_advance(buffer_ring, 1);
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recv_multishot(sqe, pair[0], nullptr, 0, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    if (write(pair[1], "x", 1) != 1) why_not = uring_refusal("write", errno);
    io_uring_cqe* cqe = nullptr;
    __kernel_timespec second{1, 0};
    result = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &second, nullptr);
    constexpr unsigned kExpected = IORING_CQE_F_BUFFER | IORING_CQE_F_MORE;
    if (result < 0 || cqe == nullptr) {
      why_not = uring_refusal("a multishot receive", result < 0 ? -result : ETIME);
    } else if (cqe->res != 1 || (cqe->flags & kExpected) != kExpected) {
      why_not = uring_refusal("a multishot receive (Linux 6.0)", cqe->res < 0 ? -cqe->res : EINVAL);
    }
  }
  io_uring_queue_exit(&ring);
  for (const int fd : pair) {
    if (fd >= 0) close(fd);
  }
  munmap(memory, 8192);
  return why_not;
}

}  // namespace

std::string uring_refusal(const char* what, int error) {
  std::string text = std::string(what) + ": " + std::strerror(error);
  if (error == EPERM) text += " (kernel.io_uring_disabled, or a seccomp filter as in containers?)";
  if (error == ENOSYS) text += " (this kernel has no io_uring, or a seccomp filter hides it)";
  if (error == ENOMEM) text += " (RLIMIT_MEMLOCK?)";
  return text;
}

int make_uring(io_uring& ring, unsigned entries, unsigned more) {
  int result = -EINVAL;
  for (const unsigned flags : kFlagSets) {
    io_uring_params params{};
    params.flags = flags | more;
    params.cq_entries = entries * 4;
    result = io_uring_queue_init_params(entries, &ring, &params);
    if (result != -EINVAL) break;
  }
  return result;
}

std::string probe_uring() {
  io_uring ring{};
  const int result = make_uring(ring, 8, 0);
  if (result < 0) return uring_refusal("io_uring_setup", -result);
  const char* missing = missing_operation(ring);
  io_uring_queue_exit(&ring);
  if (missing != nullptr) return std::string("the kernel lacks the operation ") + missing;
  return try_receive();
}

}  // namespace ims::gateway
