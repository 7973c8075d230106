// Reading /proc/PID (server_use.h); the formats are proc(5)'s.
#include "bench/report/server_use.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace ims::bench {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The number behind `key` at the start of a line of a status file; 0 without one.
std::uint64_t status_number(const std::string& status, const std::string& key) {
  const std::size_t at = status.find("\n" + key + ":");
  return at == std::string::npos ? 0 : std::stoull(status.substr(at + key.size() + 2));
}

}  // namespace

ServerUse ServerUse::since(const ServerUse& before) const noexcept {
  return {.cpu_ns = cpu_ns - before.cpu_ns,
          .user_s = user_s - before.user_s,
          .kernel_s = kernel_s - before.kernel_s,
          .sleeps = sleeps - before.sleeps,
          .preempted = preempted - before.preempted,
          .rss_anon_bytes = rss_anon_bytes};
}

std::optional<ServerUse> read_server_use(pid_t pid) {
  const std::filesystem::path process = "/proc/" + std::to_string(pid);
  ServerUse use;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(process / "task", error)) {
    std::istringstream schedstat(text_of(task.path() / "schedstat"));
    std::uint64_t cpu_ns = 0;
    schedstat >> cpu_ns;
    use.cpu_ns += cpu_ns;
    const std::string status = text_of(task.path() / "status");
    use.sleeps += status_number(status, "voluntary_ctxt_switches");
    use.preempted += status_number(status, "nonvoluntary_ctxt_switches");
  }
  const std::string stat = text_of(process / "stat");
  const std::size_t name_end = stat.rfind(')');  // the name may hold blanks and brackets
  if (error || name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // state .. cmajflt
  fields >> use.user_s >> use.kernel_s;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  use.user_s /= ticks;
  use.kernel_s /= ticks;
  use.rss_anon_bytes = status_number(text_of(process / "status"), "RssAnon") * 1024;
  return use;
}

}  // namespace ims::bench
