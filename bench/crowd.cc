// imscrowd: members of one group who are online and only read: each checks that the group's rows
// come to it once, in the order of seq and without a gap.
//
//   imscrowd --address A --secret S --first-user 0 --connections 10000 --group big
//     lines in:    expect SEQ     answered by `have SEQ` once every member was pushed that row
//                  quit           or the end of the input
//     lines out:   online         all are logged in
//                  have SEQ
//                  {"frames": N, "bytes": N}   at the end; all was as it should be
//
// Nobody in it may send to the group: a session is not pushed what it caused itself, which would
// look like a gap.
// Exit codes  0, or 1 and a sentence: a row missing, doubled or out of order, a push of anything
//             else, a connection that ended.
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/load_sockets.h"
#include "bench/load_wire.h"
#include "logic/jwt.h"
#include "shared/client/requests.h"
#include "shared/wire.h"

namespace ims::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint32_t kLoginsInFlight = 256;
constexpr std::int64_t kTokenSeconds = 24 * 3600;
constexpr std::chrono::seconds kPatience{60};  // without anything that comes, while it is awaited

struct CrowdOptions {
  std::string address;
  std::string org = "bench";
  std::string appkey = "load";
  std::string secret;
  std::string group;
  std::uint32_t first_user = 0;
  std::uint32_t connections = 1000;
};

// The seq of a pushed row of `group`: of a Message or of a GroupEvent; 0: it is something else.
std::uint64_t row_seq(ByteView frame, std::string_view group) noexcept {
  ByteView request;
  WireReader outer(frame);
  while (outer.next()) {
    if (outer.tag() == bytes_tag(6)) request = outer.bytes();
  }
  std::uint64_t type = 0;
  ByteView payload;
  WireReader fields(request);
  while (fields.next()) {
    if (fields.tag() == varint_tag(1)) type = fields.varint();
    if (fields.tag() == bytes_tag(2)) payload = fields.bytes();
  }
  const bool event = type == static_cast<std::uint64_t>(RequestType::kGroup);
  if (!event && type != static_cast<std::uint64_t>(RequestType::kMessage)) return 0;
  std::uint64_t seq = 0;
  bool of_group = false;
  WireReader inner(payload);
  while (inner.next()) {
    if (inner.tag() == bytes_tag(event ? 2 : 5)) of_group = as_text(inner.bytes()) == group;
    if (inner.tag() == varint_tag(event ? 5 : 7)) seq = inner.varint();
  }
  return outer.ok() && fields.ok() && inner.ok() && of_group ? seq : 0;
}

class Crowd {
 public:
  explicit Crowd(const CrowdOptions& options)
      : options_(options),
        sockets_(options.address, options.connections,
                 [this](Connection& connection, ByteView frame) { on_frame(connection, frame); }),
        last_seq_(options.connections) {}

  void run() {
    log_in();
    say("online");
    while (read_lines()) {
      sockets_.turn(milliseconds(awaited_ == 0 ? 10 : 1));
      if (awaited_ == 0) continue;
      if (behind_ == 0) {
        say("have " + std::to_string(awaited_));
        awaited_ = 0;
      } else if (Clock::now() - heard_ > kPatience) {
        throw std::runtime_error(std::to_string(behind_) + " members were not pushed row " +
                                 std::to_string(awaited_));
      }
    }
    say("{\"frames\": " + std::to_string(frames_) + ", \"bytes\": " + std::to_string(bytes_) + "}");
  }

 private:
  void log_in() {
    const std::int64_t exp_s =
        std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1) +
        kTokenSeconds;
    std::uint32_t next = 0;
    heard_ = Clock::now();
    while (logged_in_ < options_.connections) {
      while (next < options_.connections && next - logged_in_ < kLoginsInFlight) {
        Connection& connection = sockets_.all()[next];
        client::Login login;
        login.org = options_.org;
        login.appkey = options_.appkey;
        login.user = user_name(options_.first_user + next++);
        login.token = logic::sign_jwt_hs256(options_.secret,
                                            {.user = login.user, .org = {}, .app = {}, .kid = {},
                                             .exp_s = exp_s, .nbf_s = 0});
        connection.out = client::connect_frame(client::kTyped, 1, login);
        sockets_.connect(connection);
        sockets_.touched(connection);
      }
      sockets_.turn(milliseconds(100));
      if (Clock::now() - heard_ > kPatience) {
        throw std::runtime_error("logins stopped at " + std::to_string(logged_in_));
      }
    }
  }

  void on_frame(Connection& connection, ByteView frame) {
    heard_ = Clock::now();
    if (!connection.logged_in) {
      const Seen seen = see_frame(false, Edition::kV2, frame, true);
      if (seen.kind != Seen::Kind::kLogin || seen.code != Code::kOk) {
        throw std::runtime_error("login refused: " + std::string(seen.reason));
      }
      connection.logged_in = true;
      ++logged_in_;
      return;
    }
    const std::uint64_t seq = row_seq(frame, options_.group);
    std::uint64_t& last = last_seq_[connection.index];
    if (seq == 0) throw std::runtime_error("a frame that is no row of the group");
    if (last != 0 && seq != last + 1) {
      throw std::runtime_error(user_name(options_.first_user + connection.index) +
                               " was pushed row " + std::to_string(seq) + " behind " +
                               std::to_string(last));
    }
    last = seq;
    if (seq == awaited_) --behind_;
    ++frames_;
    bytes_ += frame.size();
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
      heard_ = Clock::now();
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
  std::string lines_;
  Clock::time_point heard_ = Clock::now();
  std::uint32_t logged_in_ = 0;
  std::uint64_t awaited_ = 0;  // 0: nothing is
  std::ptrdiff_t behind_ = 0;  // members whose last row is below `awaited_`
  std::uint64_t frames_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace
}  // namespace ims::bench

int main(int argc, char** argv) {
  ims::bench::CrowdOptions options;
  CLI::App app("Members of a group who read, and check what they are pushed.");
  app.add_option("--address", options.address, "the server's, numeric")->required();
  app.add_option("--org", options.org);
  app.add_option("--appkey", options.appkey);
  app.add_option("--secret", options.secret, "signs the tokens (HS256)")->required();
  app.add_option("--group", options.group)->required();
  app.add_option("--first-user", options.first_user, "number of the first connection's user");
  app.add_option("--connections", options.connections)->check(CLI::Range(1u, 1'000'000u));
  CLI11_PARSE(app, argc, argv);
  try {
    ims::bench::Crowd(options).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imscrowd: %s\n", error.what());
    return 1;
  }
  return 0;
}
