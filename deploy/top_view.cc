// Looking, subtracting, printing (top_view.h).
#include "deploy/top_view.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "deploy/live_counters.h"
#include "deploy/stage_report.h"
#include "shared/clock.h"

namespace ims {
namespace {

using nlohmann::json;

// Nanoseconds on a CPU by thread name, from the scheduler.
std::map<std::string, std::uint64_t> read_cpu(std::uint64_t pid) {
  std::map<std::string, std::uint64_t> cpu;
  std::error_code error;
  const std::filesystem::path tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::string name;
    std::uint64_t ns = 0;
    std::ifstream comm(task.path() / "comm");
    std::ifstream schedstat(task.path() / "schedstat");
    if (std::getline(comm, name) && schedstat >> ns) cpu[name] += ns;
  }
  return cpu;
}

// Rates of counters between two looks.
class Rates {
 public:
  Rates(const Look& before, const Look& after) : before_(before), after_(after) {
    seconds_ = static_cast<double>(after.mono_ns - before.mono_ns) / 1e9;
  }

  double seconds() const { return seconds_; }
  // Growth over the threads whose names begin so.
  double grown(const std::string& name, const std::string& threads = {}) const {
    return static_cast<double>(sum(after_, name, threads) - sum(before_, name, threads));
  }
  double rate(const std::string& name, const std::string& threads = {}) const {
    return grown(name, threads) / seconds_;
  }
  double rate_of(const std::string& thread, const std::string& name) const {
    const auto& now = after_.counters.at(name);
    const auto found = now.find(thread);
    if (found == now.end()) return 0;  // one that counts nothing
    return static_cast<double>(found->second - before_.counters.at(name).at(thread)) / seconds_;
  }
  double ratio(const std::string& part, const std::string& whole) const {
    const double all = grown(whole);
    return all == 0 ? 0 : grown(part) / all;
  }
  std::uint64_t level(const std::string& name) const { return sum(after_, name, {}); }

 private:
  static std::uint64_t sum(const Look& at, const std::string& name, const std::string& threads) {
    std::uint64_t total = 0;
    for (const auto& [thread, value] : at.counters.at(name)) {
      if (thread.starts_with(threads)) total += value;
    }
    return total;
  }

  const Look& before_;
  const Look& after_;
  double seconds_;
};

json threads_json(const Rates& rates, const Look& before, const Look& after) {
  json threads = json::array();
  for (const auto& [name, ns] : after.cpu_ns) {
    const auto old = before.cpu_ns.find(name);
    if (old == before.cpu_ns.end()) continue;
    const double turns = rates.rate_of(name, "ims_turns_total");
    const double busy = rates.rate_of(name, "ims_busy_turns_total");
    threads.push_back(
        {{"thread", name},
         {"cpu", static_cast<double>(ns - old->second) / 1e9 / rates.seconds()},
         {"turns", turns},
         {"busy", turns == 0 ? 0 : busy / turns}});
  }
  return threads;
}

std::string per_second(const json& number) { return amount_text(number.get<double>()) + "/s"; }

}  // namespace

Look look(const CounterFile& file) {
  Look now;
  now.mono_ns = read_clock().ticks;
  now.cpu_ns = read_cpu(file.pid());
  now.trace_sample = file.trace_sample();
  const std::vector<std::string> threads = file.threads();
  for (const std::string& name : file.names()) {
    auto& by_thread = now.counters[name];
    for (const std::string& thread : threads) by_thread[thread] = file.get(name, thread);
  }
  for (const std::string& kind : file.trace_kinds()) {
    now.followed[kind] = summarize(file.stage_times(kind, "total")).count;
  }
  return now;
}

json top_json(const Look& before, const Look& after) {
  const Rates rates(before, after);
  json followed = json::object();
  for (const auto& [kind, count] : after.followed) {
    followed[kind] = static_cast<double>(count - before.followed.at(kind)) / rates.seconds();
  }
  const auto ring = [&](const std::string& name) {
    return json{{"bytes", rates.level("ims_ring_bytes{ring=\"" + name + "\"}")},
                {"full", rates.rate("ims_ring_full_total{ring=\"" + name + "\"}")}};
  };
  return {
      {"interval_seconds", rates.seconds()},
      {"threads", threads_json(rates, before, after)},
      {"messages",
       {{"relayed", rates.rate("ims_messages_relayed_total")},
        {"stored", rates.rate("ims_rows_stored_total")},
        // These are counted by the worker as well.
        {"pushed", rates.rate("ims_rows_pushed_total", "gw")},
        {"logins", rates.rate("ims_logins_total{result=\"ok\"}", "gw")},
        {"refused_logins", rates.rate("ims_logins_total{result=\"failed\"}", "gw")}}},
      {"followed", followed},
      {"frames",
       {{"in", rates.rate("ims_frames_total{dir=\"in\"}")},
        {"out", rates.rate("ims_frames_total{dir=\"out\"}")}}},
      {"bytes",
       {{"in", rates.rate("ims_bytes_total{dir=\"in\"}")},
        {"out", rates.rate("ims_bytes_total{dir=\"out\"}")}}},
      {"sends", rates.rate("ims_sends_total")},
      {"frames_per_send", rates.ratio("ims_frames_total{dir=\"out\"}", "ims_sends_total")},
      {"receives", rates.rate("ims_recvs_total")},
      {"syscalls", rates.rate("ims_syscalls_total")},
      {"wakes",
       {{"sent", rates.rate("ims_wakes_total{result=\"sent\"}")},
        {"suppressed", rates.rate("ims_wakes_total{result=\"suppressed\"}")}}},
      {"rings",
       {{"requests", ring("requests")},
        {"deliveries", ring("deliveries")},
        {"handoffs", ring("handoffs")}}},
      {"commits", rates.rate("ims_commits_total")},
      {"rows_per_commit", rates.ratio("ims_batch_messages_total", "ims_commits_total")},
      {"commit_ns", rates.ratio("ims_commit_nanoseconds_total", "ims_commits_total")},
      {"connections", rates.level("ims_connections")},
      {"sessions", rates.level("ims_sessions")},
      {"queue_bytes", rates.level("ims_send_queue_bytes")},
      {"carry_bytes", rates.level("ims_carry_bytes")},
      {"paused_reads", rates.rate("ims_paused_reads_total")}};
}

std::string top_text(const json& top) {
  std::string text = fmt::format("connections {}  sessions {}  queued {} B  carried {} B\n",
                                 top["connections"].get<std::uint64_t>(),
                                 top["sessions"].get<std::uint64_t>(),
                                 amount_text(top["queue_bytes"].get<double>()),
                                 amount_text(top["carry_bytes"].get<double>()));
  const json& messages = top["messages"];
  text += fmt::format("messages    relayed {}  stored {}  pushed {}  logins {}, refused {}\n",
                      per_second(messages["relayed"]), per_second(messages["stored"]),
                      per_second(messages["pushed"]), per_second(messages["logins"]),
                      per_second(messages["refused_logins"]));
  text += fmt::format("frames      in {}  out {}  sends {}, {:.1f} frames each  receives {}\n",
                      per_second(top["frames"]["in"]), per_second(top["frames"]["out"]),
                      per_second(top["sends"]), top["frames_per_send"].get<double>(),
                      per_second(top["receives"]));
  text += fmt::format("bytes       in {}  out {}  system calls {}  paused reads {}\n",
                      per_second(top["bytes"]["in"]), per_second(top["bytes"]["out"]),
                      per_second(top["syscalls"]), per_second(top["paused_reads"]));
  text += fmt::format("wake-ups    sent {}  not needed {}\n", per_second(top["wakes"]["sent"]),
                      per_second(top["wakes"]["suppressed"]));
  text += "rings      ";
  for (const char* name : {"requests", "deliveries", "handoffs"}) {
    const json& ring = top["rings"][name];
    text += fmt::format(" {} {} B, full {} ", name, amount_text(ring["bytes"].get<double>()),
                        per_second(ring["full"]));
  }
  text.back() = '\n';
  text += fmt::format("commits     {}  {:.1f} rows each  {} each\n", per_second(top["commits"]),
                      top["rows_per_commit"].get<double>(),
                      duration_text(static_cast<std::uint64_t>(top["commit_ns"].get<double>())));
  std::vector<TableRow> rows = {{"THREAD", "CPU", "TURNS", "BUSY"}};
  for (const json& thread : top["threads"]) {
    const double turns = thread["turns"].get<double>();
    rows.push_back({thread["thread"].get<std::string>(),
                    fmt::format("{:.1f} %", 100 * thread["cpu"].get<double>()),
                    turns == 0 ? "" : per_second(thread["turns"]),
                    turns == 0 ? "" : fmt::format("{:.0f} %", 100 * thread["busy"].get<double>())});
  }
  return text + "\n" + table_text(rows);
}

}  // namespace ims
