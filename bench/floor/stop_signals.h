// SIGINT, SIGTERM and SIGHUP as a word to stop, so that what a program made is removed before it
// ends. The first is only remembered; a second one of the same kind ends the process at once.
//
//   { const StopSignals signals; work, which throws Stopped where stop_asked(); }  // removed here
//   end_by(signal);
//
// Threads  any may take the signal, any may ask.
#pragma once

#include <signal.h>

#include <exception>

namespace ims::bench {

class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[3] = {};
};

// The signal that came since the last StopSignals was made; 0: none.
int stop_asked() noexcept;

class Stopped final : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped by a signal"; }
};

// As if nobody had caught it: who waits for the process learns why it ended.
[[noreturn]] void end_by(int signal) noexcept;

}  // namespace ims::bench
