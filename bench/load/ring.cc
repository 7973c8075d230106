// Setting a ring up, and entering the kernel (ring.h).
#include "bench/load/ring.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include "bench/load/clock.h"
#include "shared/assert.h"

namespace ims::bench {
namespace {

constexpr unsigned kEntries = 4096;
constexpr std::size_t kRingBytes = Ring::kBufferCount * sizeof(io_uring_buf);
constexpr std::size_t kMappedBytes = kRingBytes + Ring::kBufferCount * Ring::kBufferBytes;

void expect(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
}

}  // namespace

Ring::Ring(std::uint32_t table_slots) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  params.cq_entries = 4 * kEntries;
  expect(io_uring_queue_init_params(kEntries, &ring_, &params), "io_uring_setup (Linux 6.1)");
  expect(io_uring_register_files_sparse(&ring_, table_slots),
         "a table of direct descriptors, at most RLIMIT_NOFILE of them");
  void* memory = mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  buffers_ = static_cast<std::byte*>(memory) + kRingBytes;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(buffer_ring_);
  registration.ring_entries = kBufferCount;
  expect(io_uring_register_buf_ring(&ring_, &registration, 0), "a ring of provided buffers");
  io_uring_buf_ring_init(buffer_ring_);
  io_uring_register_ring_fd(&ring_);  // cheaper enters; not essential
  used_.reserve(kBufferCount);
  for (std::uint16_t buffer = 0; buffer < kBufferCount; ++buffer) used_.push_back(buffer);
  return_buffers();
}

Ring::~Ring() {
  io_uring_queue_exit(&ring_);
  munmap(buffer_ring_, kMappedBytes);
}

io_uring_sqe* Ring::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    const int result = io_uring_submit(&ring_);
    IMS_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void Ring::install(std::uint32_t slot, int fd) {
  const int result = io_uring_register_files_update(&ring_, slot, &fd, 1);
  expect(result, "a slot of the table of direct descriptors");
}

// POLL_FIRST: armed while the buffers are out it would fail at once.
void Ring::prepare_receive(std::uint32_t slot, std::uint64_t user_data) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_recv_multishot(sqe, static_cast<int>(slot), nullptr, 0, 0);
  sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
  sqe->buf_group = 0;
  io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
  sqe->user_data = user_data;
}

void Ring::enter(std::uint64_t wait_ns) {
  if (wait_ns == 0 || io_uring_sq_ready(&ring_) != 0 || io_uring_cq_ready(&ring_) != 0) {
    const int result = io_uring_submit_and_get_events(&ring_);
    IMS_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
    return;
  }
  __kernel_timespec time{static_cast<long long>(wait_ns / kNsPerSecond),
                         static_cast<long long>(wait_ns % kNsPerSecond)};
  io_uring_cqe* cqe = nullptr;
  const std::uint64_t begin_ns = read_ns();
  const int result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &time, nullptr);
  IMS_ASSERT(result >= 0 || result == -EINTR || result == -ETIME || result == -EAGAIN ||
             result == -EBUSY);
  if (cqe != nullptr) waited_ns_ += read_ns() - begin_ns;
}

ByteView Ring::take_buffer(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_BUFFER) == 0) return {};
  const auto buffer = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
  used_.push_back(buffer);
  if (cqe.res <= 0) return {};
  return {buffers_ + buffer * kBufferBytes, static_cast<std::size_t>(cqe.res)};
}

void Ring::signal(int fd) {
  expect(io_uring_register_eventfd(&ring_, fd), "an eventfd of the ring");
}

void Ring::return_buffers() {
  const int mask = io_uring_buf_ring_mask(kBufferCount);
  int offset = 0;
  for (const std::uint16_t buffer : used_) {
    io_uring_buf_ring_add(buffer_ring_, buffers_ + buffer * kBufferBytes, kBufferBytes, buffer,
                          mask, offset++);
  }
  io_uring_buf_ring_advance(buffer_ring_, offset);
  used_.clear();
}

}  // namespace ims::bench
