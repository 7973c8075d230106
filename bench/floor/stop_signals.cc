// Remembering a signal, and ending by it (stop_signals.h).
#include "bench/floor/stop_signals.h"

#include <unistd.h>

#include <csignal>

namespace ims::bench {
namespace {

volatile std::sig_atomic_t g_stop_asked = 0;

}  // namespace

StopSignals::StopSignals() {
  g_stop_asked = 0;
  struct sigaction action {};
  action.sa_handler = [](int signal) { g_stop_asked = signal; };
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  for (int i = 0; i < 3; ++i) sigaction(kSignals[i], &action, &before_[i]);
}

StopSignals::~StopSignals() {
  for (int i = 0; i < 3; ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

int stop_asked() noexcept { return g_stop_asked; }

void end_by(int signal) noexcept {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  raise(signal);
  _exit(128 + signal);
}

}  // namespace ims::bench
