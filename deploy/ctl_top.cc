// imsctl top (ctl_watch.h).
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "deploy/ctl_watch.h"
#include "deploy/live_counters.h"
#include "deploy/operator_line.h"
#include "deploy/top_view.h"

namespace ims {
namespace {

constexpr char kClearScreen[] = "\x1b[H\x1b[J";

}  // namespace

int run_top(const TopOptions& options) {
  const CounterFile file = open_live_counters(options.data, true);
  const bool screen = !options.json && !options.once && isatty(STDOUT_FILENO) == 1;
  for (Look before = look(file);;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(options.interval_ms));
    Look after = look(file);
    if (!is_running(file)) throw OperatorError("the server has ended");
    const nlohmann::json top = top_json(before, after);
    if (options.json) {
      print_text(top.dump() + "\n");
    } else {
      print_text(fmt::format("{}{}{}", screen ? kClearScreen : "", top_text(top),
                             screen || options.once ? "" : "\n"));
    }
    if (options.once) return 0;
    before = std::move(after);
  }
}

}  // namespace ims
