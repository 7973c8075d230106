// Reading members of a group (crowd.h).
#include "bench/load/crowd.h"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/load/clock.h"
#include "bench/load/sockets.h"
#include "bench/load/wire.h"
#include "bench/report/report.h"
#include "logic/jwt.h"
#include "shared/client/requests.h"

namespace ims::bench {
namespace {

constexpr std::uint32_t kLoginsInFlight = 256;
constexpr std::int64_t kTokenSeconds = 24 * 3600;
constexpr std::uint64_t kPatienceNs = 60 * kNsPerSecond;  // without anything, while it is awaited
constexpr std::uint64_t kLookNs = 10 * kNsPerMillisecond;

struct CrowdOptions {
  std::string address;
  std::string org = "bench";
  std::string appkey = "load";
  std::string secret;
  std::string group;
  std::uint32_t first_user = 0;
  std::uint32_t connections = 1000;
};

class Crowd final : private SocketsListener {
 public:
  explicit Crowd(const CrowdOptions& options)
      : options_(options),
        sockets_({.address = options.address, .connections = options.connections}, *this),
        last_seq_(options.connections),
        is_online_(options.connections) {}

  void run() {
    log_in();
    say("online");
    while (read_lines()) {
      sockets_.turn(read_ns() + kLookNs);
      if (awaited_ == 0) continue;
      if (behind_ == 0) {
        say("have " + std::to_string(awaited_));
        awaited_ = 0;
      } else if (is_silent()) {
        throw std::runtime_error(std::to_string(behind_) + " members were not pushed row " +
                                 std::to_string(awaited_));
      }
    }
    say("{\"frames\": " + std::to_string(frames_) + ", \"bytes\": " + std::to_string(bytes_) +
        "}");
  }

 private:
  bool is_silent() const { return read_ns() > heard_ns_ + kPatienceNs; }

  void log_in() {
    heard_ns_ = read_ns();
    for (std::uint32_t next = 0; logged_in_ < options_.connections;) {
      while (next < options_.connections && next - logged_in_ < kLoginsInFlight) {
        sockets_.connect(next++);
      }
      sockets_.turn(read_ns() + kLookNs);
      if (is_silent()) {
        throw std::runtime_error("logins stopped at " + std::to_string(logged_in_));
      }
    }
  }

  void on_open(std::uint32_t index) override {
    const std::int64_t now_s =
        std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
    client::Login login;
    login.org = options_.org;
    login.appkey = options_.appkey;
    login.user = UserName(options_.first_user + index).view();
    login.token = logic::sign_jwt_hs256(options_.secret,
                                        {.user = login.user, .org = {}, .app = {}, .kid = {},
                                         .exp_s = now_s + kTokenSeconds, .nbf_s = 0});
    sockets_.put(index, client::connect_frame(client::kTyped, 1, login));
  }

  void on_end(std::uint32_t index, int error) override {
    throw std::runtime_error("the connection of " + name_of(index) + " ended: " +
                             (error > 0 ? std::strerror(error) : "closed by the server"));
  }

  void on_frame(std::uint32_t index, ByteView frame) override {
    heard_ns_ = read_ns();
    const Seen seen = see_frame(false, Edition::kV2, frame, !is_online_[index]);
    if (!is_online_[index]) {
      if (seen.kind != Seen::Kind::kAnswer || seen.code != Code::kOk) {
        throw std::runtime_error("login refused: " + std::string(seen.reason));
      }
      is_online_[index] = true;
      ++logged_in_;
      return;
    }
    const bool row = seen.kind == Seen::Kind::kMessage || seen.kind == Seen::Kind::kGroupEvent;
    if (!row || seen.group != options_.group || seen.seq == 0) {
      throw std::runtime_error("a frame that is no row of the group");
    }
    std::uint64_t& last = last_seq_[index];
    if (last != 0 && seen.seq != last + 1) {
      throw std::runtime_error(name_of(index) + " was pushed row " + std::to_string(seen.seq) +
                               " behind " + std::to_string(last));
    }
    last = seen.seq;
    if (seen.seq == awaited_) --behind_;
    ++frames_;
    bytes_ += frame.size();
  }

  std::string name_of(std::uint32_t index) const {
    return std::string(UserName(options_.first_user + index).view());
  }

  // False: it is over.
  bool read_lines() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, 0) <= 0) return true;
    char buffer[256];
    const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got <= 0) return false;
    lines_.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = lines_.find('\n')) != std::string::npos;) {
      const std::string line = lines_.substr(0, end);
      lines_.erase(0, end + 1);
      if (line == "quit") return false;
      if (line.rfind("expect ", 0) != 0) throw std::runtime_error("unknown line: " + line);
      awaited_ = std::stoull(line.substr(7));
      behind_ = std::count_if(last_seq_.begin(), last_seq_.end(),
                              [this](std::uint64_t seq) { return seq < awaited_; });
      heard_ns_ = read_ns();
    }
    return true;
  }

  static void say(const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
  }

  const CrowdOptions options_;
  Sockets sockets_;
  std::vector<std::uint64_t> last_seq_;  // by connection; 0: none yet
  std::vector<bool> is_online_;
  std::string lines_;
  std::uint64_t heard_ns_ = 0;
  std::uint32_t logged_in_ = 0;
  std::uint64_t awaited_ = 0;  // 0: nothing is
  std::ptrdiff_t behind_ = 0;  // members whose last row is below `awaited_`
  std::uint64_t frames_ = 0;
  std::uint64_t bytes_ = 0;
};

int run_crowd(const CrowdOptions& options) {
  try {
    Crowd(options).run();
    return kExitMet;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsbench crowd: %s\n", error.what());
    return kExitViolated;
  }
}

}  // namespace

void add_crowd_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<CrowdOptions>();
  CLI::App* const command = app.add_subcommand(
      "crowd", "members of a group who read and check; driven by lines on standard input");
  command->add_option("--address", options->address, "the server's, numeric")->required();
  command->add_option("--org", options->org)->capture_default_str();
  command->add_option("--appkey", options->appkey)->capture_default_str();
  command->add_option("--secret", options->secret, "signs the tokens (HS256)")->required();
  command->add_option("--group", options->group)->required();
  command->add_option("--first-user", options->first_user, "number of the first one");
  command->add_option("--connections", options->connections)
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
  command->callback([options, &exit_code] {
    if (std::uint64_t{options->first_user} + options->connections > kUsersMax) {
      throw CLI::ValidationError("--first-user",
                                 "with --connections it goes beyond user 9,999,999");
    }
    exit_code = run_crowd(*options);
  });
}

}  // namespace ims::bench
