// Making one ring, entering it, and its receive buffers (uring.h).
#include "gateway/uring.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "gateway/uring_probe.h"
#include "shared/assert.h"

namespace ims::gateway {
namespace {

constexpr std::size_t kBufferListBytes = kReceiveBufferCount * sizeof(io_uring_buf);

bool is_transient(int result) noexcept {
  return result == -EINTR || result == -EAGAIN || result == -EBUSY;
}

}  // namespace

// ---- the buffers' memory -----------------------------------------------------------------------

std::string ReceiveBuffers::map() {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return uring_refusal("mmap of the receive buffers", errno);
  memory_ = static_cast<std::byte*>(memory);
  return {};
}

ReceiveBuffers::~ReceiveBuffers() {
  if (memory_ != nullptr) munmap(memory_, kBytes);
}

// ---- making ------------------------------------------------------------------------------------

std::unique_ptr<Uring> Uring::make(const Options& options, const ReceiveBuffers& buffers,
                                   CounterBlock& counters, std::string& why_not) {
  std::unique_ptr<Uring> made(new Uring(options.index, buffers, counters));
  Uring& ring = *made;
  // TASKRUN_FLAG: a ring that is not waited on shows in its memory whether it has work.
  int result = make_uring(ring.ring_, options.entries,
                          options.index == 0 ? 0 : IORING_SETUP_TASKRUN_FLAG);
  if (result < 0) {
    why_not = uring_refusal("io_uring_setup", -result);
    return nullptr;
  }
  ring.made_ = true;
  ring.no_iowait_ = (ring.ring_.features & IORING_FEAT_NO_IOWAIT) != 0;
  if ((ring.ring_.features & IORING_FEAT_EXT_ARG) == 0) {
    why_not = "the kernel lacks EXT_ARG (Linux 5.11)";
    return nullptr;
  }
  result = io_uring_register_files_sparse(&ring.ring_, options.table_slots);
  if (result < 0) {
    why_not = uring_refusal("a table of direct descriptors (at most RLIMIT_NOFILE of them)",
                            -result);
    return nullptr;
  }
  ring.room.slots = options.table_slots;
  void* list = mmap(nullptr, kBufferListBytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (list == MAP_FAILED) {
    why_not = uring_refusal("mmap of a list of receive buffers", errno);
    return nullptr;
  }
  ring.buffer_list_ = static_cast<io_uring_buf_ring*>(list);
  ring.lent_.reserve(kReceiveBufferCount);
  return made;
}

Uring::~Uring() {
  if (made_) io_uring_queue_exit(&ring_);
  if (buffer_list_ != nullptr) munmap(buffer_list_, kBufferListBytes);
}

int Uring::enable() noexcept {
  const int result = enable_ring(ring_);
  if (result < 0) return errno;
  io_uring_register_ring_fd(&ring_);  // cheaper enters; not essential
  return 0;
}

int Uring::ring_bell(int fd) noexcept {
  listen(false);
  return -io_uring_register_eventfd(&ring_, fd);
}

// ---- entering ----------------------------------------------------------------------------------

void Uring::submit() {
  counters_.add(Counter::kSyscalls);
  const int result = io_uring_submit(&ring_);
  IMS_ASSERT(result >= 0 || is_transient(result));
}

io_uring_sqe* Uring::next_sqe_of_full_queue() {
  io_uring_sqe* sqe = nullptr;
  while (sqe == nullptr) {
    submit();
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void Uring::enter(std::chrono::milliseconds timeout) {
  counters_.add(Counter::kSyscalls);
  if (overflowed()) counters_.add(Counter::kCqOverflow);
  const bool may_block = timeout.count() > 0 && io_uring_sq_ready(&ring_) == 0 &&
                         io_uring_cq_ready(&ring_) == 0;
  if (!may_block) {
    const int result = io_uring_submit_and_get_events(&ring_);
    IMS_ASSERT(result >= 0 || is_transient(result));
    return;
  }
  __kernel_timespec wait_time{timeout.count() / 1000, timeout.count() % 1000 * 1'000'000};
  io_uring_getevents_arg argument{};
  argument.ts = reinterpret_cast<std::uint64_t>(&wait_time);
  unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  if (no_iowait_) flags |= IORING_ENTER_NO_IOWAIT;
  if ((ring_.int_flags & 1) != 0) flags |= IORING_ENTER_REGISTERED_RING;
  const int result = io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), 0, 1, flags,
                                     reinterpret_cast<sigset_t*>(&argument), sizeof argument);
  IMS_ASSERT(result >= 0 || result == -ETIME || is_transient(result));
}

bool Uring::idle() const noexcept {
  constexpr unsigned kPending = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;
  return (IO_URING_READ_ONCE(*ring_.sq.kflags) & kPending) == 0 &&
         io_uring_sq_ready(&ring_) == 0 && io_uring_cq_ready(&ring_) == 0;
}

// ---- receive buffers ---------------------------------------------------------------------------

std::string Uring::share_buffers(std::uint16_t first, std::uint16_t count) {
  IMS_ASSERT(lent_.empty());
  if (buffers_shared_) io_uring_unregister_buf_ring(&ring_, 0);
  buffers_shared_ = false;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(buffer_list_);
  registration.ring_entries = kReceiveBufferCount;
  registration.bgid = 0;
  const int result = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (result < 0) return uring_refusal("a ring of provided buffers (Linux 5.19)", -result);
  buffers_shared_ = true;
  io_uring_buf_ring_init(buffer_list_);
  for (std::uint16_t i = 0; i < count; ++i) {
    lent_.push_back(static_cast<std::uint16_t>(first + i));
  }
  return_buffers();
  return {};
}

void Uring::give_lent_buffers() {
  const int mask = io_uring_buf_ring_mask(kReceiveBufferCount);
  int offset = 0;
  for (const std::uint16_t buffer : lent_) {
    io_uring_buf_ring_add(buffer_list_, buffers_.at(buffer), kReceiveBufferBytes, buffer, mask,
                          offset++);
  }
  io_uring_buf_ring_advance(buffer_list_, offset);
  lent_.clear();
}

}  // namespace ims::gateway
