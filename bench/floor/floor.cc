// Listening, and the command line of it (floor.h).
#include "bench/floor/floor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>

#include "bench/floor/relay.h"
#include "bench/report/report.h"
#include "shared/assert.h"
#include "shared/config_value.h"

namespace ims::bench {
namespace {

constexpr int kBacklog = 4096;

struct FloorOptions {
  std::string address;
  std::string fault;
  std::uint32_t group_members = 2;
};

int listen_on(const ListenAddress& address) {
  const int listener = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0 &&
      listen(listener, kBacklog) == 0) {
    return listener;
  }
  std::perror("imsbench floor: listen");
  close(listener);
  return -1;
}

// With the port that the kernel chose for 0.
std::string bound_address(int listener) {
  ListenAddress address;
  address.size = sizeof address.storage;
  const int result =
      getsockname(listener, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  IMS_ASSERT(result == 0);
  return format_listen_address(address);
}

int run_floor(const FloorOptions& options) {
  const int listener = listen_on(parse_listen_address(options.address).value());
  if (listener < 0) return kExitFailed;
  RelayFloor floor(listener, options.group_members,
                   options.fault.empty() ? Fault{} : parse_fault(options.fault).value());
  std::fprintf(stderr, "listening on %s\n", bound_address(listener).c_str());
  floor.run();
}

}  // namespace

void add_floor_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<FloorOptions>();
  CLI::App* const command =
      app.add_subcommand("floor", "the least that a server of such frames can do: a relay that "
                                  "acknowledges and parses nothing");
  command->add_option("address", options->address, "where it listens: ADDRESS:PORT, numeric")
      ->required()
      ->check([](const std::string& text) {
        return parse_listen_address(text) ? "" : "an address is written 127.0.0.1:7000";
      });
  command->add_option("--group", options->group_members, "connections that hear each other")
      ->check(CLI::Range(2u, RelayFloor::kPeersMax))
      ->capture_default_str();
  command->add_option("--fault", options->fault,
                      "made on purpose: drop, dup, reorder, corrupt, noack or stray, =N: every Nth "
                      "frame")
      ->check([](const std::string& text) {
        return parse_fault(text) ? "" : "a fault is written drop=1000";
      });
  command->callback([options, &exit_code] { exit_code = run_floor(*options); });
}

}  // namespace ims::bench
