// Wakeup by futex and by eventfd.
#include "shared/wakeup.h"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <system_error>

#include "shared/assert.h"

// ThreadSanitizer does not model fences, and g++ says so. The fence instruction is there all the
// same; and the data that is handed over travels by the rings' own release and acquire, which it
// does model.
#if defined(__SANITIZE_THREAD__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

namespace ims {
namespace {

// The futex word is the atomic's own storage.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

long futex(std::atomic<std::uint32_t>& word, int op, std::uint32_t value,
           const timespec* timeout) noexcept {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), op | FUTEX_PRIVATE_FLAG, value,
                 timeout, nullptr, 0);
}

}  // namespace

Wakeup::Wakeup(Kind kind) : kind_(kind) {
  if (kind_ != Kind::kEventFd) return;
  fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd for a wakeup");
}

Wakeup::~Wakeup() {
  if (fd_ >= 0) close(fd_);
}

void Wakeup::prepare_sleep() noexcept {
  // relaxed: the fence orders it.
  flag_.store(kAsleep, std::memory_order_relaxed);
  // Dekker, consumer's half: flag_ stored before any ring is looked at again. Pairs with the fence
  // in claim_sleeper().
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Wakeup::cancel_sleep() noexcept {
  // relaxed: a producer that still sees kAsleep wakes us once for nothing.
  flag_.store(kAwake, std::memory_order_relaxed);
}

void Wakeup::sleep(int timeout_ms) noexcept {
  IMS_ASSERT(kind_ == Kind::kFutex);
  timespec timeout{};
  if (timeout_ms >= 0) {
    timeout.tv_sec = timeout_ms / 1000;
    timeout.tv_nsec = timeout_ms % 1000 * 1'000'000L;
  }
  // The kernel compares the word under its own lock: a producer that exchanged it in the meantime
  // makes this return at once (EAGAIN). Woken, timed out (ETIMEDOUT) and interrupted (EINTR) all
  // mean the same to the caller: look into the rings.
  futex(flag_, FUTEX_WAIT, kAsleep, timeout_ms >= 0 ? &timeout : nullptr);
  cancel_sleep();
}

void Wakeup::drain() noexcept {
  IMS_ASSERT(kind_ == Kind::kEventFd);
  std::uint64_t count = 0;
  // EAGAIN: nothing to drain.
  [[maybe_unused]] const ssize_t result = read(fd_, &count, sizeof count);
}

bool Wakeup::claim_sleeper() noexcept {
  // Dekker, producer's half: what was pushed is stored before flag_ is looked at. Pairs with the
  // fence in prepare_sleep().
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // relaxed: the fence ordered it. Read first, so that while the consumer is awake the line stays
  // shared among all producers; the exchange then lets one of them through.
  return flag_.load(std::memory_order_relaxed) == kAsleep &&
         flag_.exchange(kAwake, std::memory_order_relaxed) == kAsleep;
}

bool Wakeup::notify() noexcept {
  if (!claim_sleeper()) return false;
  if (kind_ == Kind::kFutex) {
    futex(flag_, FUTEX_WAKE, 1, nullptr);
  } else {
    const std::uint64_t one = 1;
    // Cannot fail: the counter would have to stand at 2^64 - 2 for EAGAIN.
    const ssize_t written = write(fd_, &one, sizeof one);
    IMS_ASSERT(written == sizeof one);
  }
  return true;
}

}  // namespace ims
