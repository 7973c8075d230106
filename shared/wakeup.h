// Wakeup: how a producer wakes the thread that eats from its rings, and never one that is awake.
//
//   consumer                                producer
//     prepare_sleep()   flag := 1             push into a ring
//                       fence                 notify()   fence
//     look into every ring again                         flag == 1? exchange it to 0 and wake
//     nothing: sleep()   something: cancel_sleep()
//
// This is Dekker's pattern: each side stores its own word, then loads the other's. Release and
// acquire let both loads pass both stores, and then the push is not seen, the flag is not seen, and
// the consumer sleeps on a full ring. The two sequentially consistent fences forbid it: at least
// one side sees the other's store. It is the one place where release and acquire are not enough.
//
// Kinds      kFutex: the consumer sleeps in sleep(). kEventFd: it sleeps in its own epoll_wait or
//            io_uring wait, in which fd() is registered for reading.
// Threads    One consumer. Any number of producers: the exchange lets one of them make the call.
// Spurious   A wake may come with nothing to do (a producer that read the flag just before
//            cancel_sleep()); the consumer looks into its rings again in any case.
// Cost       notify() to an awake consumer is a fence and a load of a line that stays shared: no
//            system call, no write. Call it once per turn, after all pushes.
#pragma once

#include <atomic>
#include <cstdint>

namespace ims {

class Wakeup {
 public:
  enum class Kind : std::uint8_t { kFutex, kEventFd };

  explicit Wakeup(Kind kind);  // throws std::system_error when no eventfd can be had
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  Kind kind() const noexcept { return kind_; }

  // ---- consumer ----

  // From here on producers wake this thread. Look into every ring after it and before sleeping.
  void prepare_sleep() noexcept;
  // Awake after all (the re-check found something), or back from the wait on fd().
  void cancel_sleep() noexcept;

  // kFutex: returns when woken, at once if notified since prepare_sleep(), or after `timeout_ms`
  // (negative: no timeout). A signal may end it early. Afterwards as after cancel_sleep().
  void sleep(int timeout_ms) noexcept;

  // kEventFd: readable once woken, until drain(). Owned by this object.
  int fd() const noexcept { return fd_; }
  void drain() noexcept;

  // ---- producers ----

  // Returns true when it made a system call.
  bool notify() noexcept;

  // The first half of notify(), for a producer with a wake of its own (MSG_RING): true means that
  // the consumer was asleep, that this caller alone was told so, and that it must wake it now.
  [[nodiscard]] bool claim_sleeper() noexcept;

 private:
  static constexpr std::uint32_t kAwake = 0;
  static constexpr std::uint32_t kAsleep = 1;

  const Kind kind_;
  int fd_ = -1;
  // kAsleep exactly from prepare_sleep() until cancel_sleep(), the end of sleep(), or the exchange
  // of a producer that takes over the waking. Also the futex word. On its own line pair.
  alignas(128) std::atomic<std::uint32_t> flag_{kAwake};
};

}  // namespace ims
