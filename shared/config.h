// The configuration: one immutable value, made once at start and passed to whoever needs it.
//
//   Config config = load_config(argc, argv, environ);   flag > IMS_... environment > file > default
//
// Every key is described once, in shared/config_keys.cc: name, unit, default, range, help. From
// that table come the flags (max_frame_bytes is --max-frame-bytes), the environment
// (IMS_MAX_FRAME_BYTES), the TOML keys, --help, --print-config and deploy/imsd.toml. Names and
// defaults that PROTOCOL.md writes in code style are keys here.
//
// Units:  fields end in their unit: _ms, _bytes; counts have none. A key is written "5s", "500ms",
//         "10m", "1h", "7d" or whole seconds; "64KiB", "1MiB", "1GiB" or bytes
// Errors: ConfigError, one sentence that names the key, where it was set, and what is allowed
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "shared/codes.h"
#include "shared/limits.h"
#include "shared/log.h"

namespace ims {

enum class IoChoice : std::uint8_t { kAuto = 0, kUring = 1, kEpoll = 2 };
enum class Placement : std::uint8_t { kAuto = 0, kSplit = 1, kFused = 2 };
enum class EditionChoice : std::uint8_t { kAuto = 0, kV1 = 1, kV2 = 2 };

// What the command line asks the program to do.
enum class Action : std::uint8_t {
  kServe,
  kPrintHelp,
  kPrintVersion,
  kPrintConfig,
  kPrintConfigTemplate,
  kPrintLimits,
};

struct Config {
  Action action = Action::kServe;

  // ---- where ----
  std::string data = "./data";
  std::string listen = "127.0.0.1:7000";  // parse_listen_address() turns it into a sockaddr

  // ---- threads ----
  IoChoice io = IoChoice::kAuto;
  Placement placement = Placement::kAuto;  // resolved: never kAuto after load_config()
  std::uint32_t gateways = 0;              // resolved: 1..kGatewaysMax
  std::uint32_t workers = 0;               // resolved: 1..kWorkersMax
  bool pin = false;

  // ---- wire ----
  EditionChoice edition = EditionChoice::kAuto;
  std::uint32_t max_frame_bytes = kMaxFrameBytesDefault;
  std::uint32_t max_message_bytes = 0;  // resolved: max_frame_bytes - kFrameOverheadBytes
  std::uint32_t max_inflight = kMaxInflightDefault;
  std::int64_t login_timeout_ms = 5'000;

  // ---- slow readers ----
  std::uint32_t push_window = kPushWindowDefault;
  std::uint32_t send_queue_bytes = kSendQueueBytesDefault;
  std::uint64_t send_memory_bytes = 0;  // per gateway; resolved: RAM / 8 / gateways
  std::int64_t stall_timeout_ms = 30'000;

  // ---- sockets ----
  std::uint32_t so_rcvbuf_bytes = kSoRcvbufBytesDefault;
  std::uint32_t so_sndbuf_bytes = kSoSndbufBytesDefault;
  std::uint32_t tcp_notsent_lowat_bytes = 16 * kKiB;
  std::string tcp_congestion;  // empty: the system's
  std::int64_t tcp_user_timeout_ms = 90'000;
  std::int64_t tcp_keepalive_idle_ms = 60'000;
  std::uint32_t listen_backlog = 4096;
  std::uint32_t max_connections = 0;  // per gateway; 0: connections_per_gateway() decides

  // ---- messages ----
  std::int64_t dedupe_window_ms = 600'000;
  std::int64_t retention_ms = 7 * 86'400'000ll;
  std::int64_t recall_window_ms = 120'000;
  std::uint64_t max_timeline_rows = 1'000'000;

  // ---- users and groups ----
  std::uint32_t max_contacts = 5000;
  std::uint32_t max_groups_per_user = 1000;
  std::uint32_t max_group_members = 100'000;
  std::uint32_t max_watches = 1000;
  std::uint32_t max_devices = kMaxDevicesDefault;
  std::uint32_t max_known_devices = kMaxKnownDevicesDefault;
  std::uint32_t max_send_only = kMaxSendOnlyDefault;

  // ---- passwords ----
  std::int64_t password_timeout_ms = 10'000;
  std::uint32_t password_queue = kPasswordQueueDefault;

  // ---- store ----
  Durability durability = Durability::kSync;
  std::int64_t durability_interval_ms = 100;
  StoreEngine store_engine = StoreEngine::kAuto;
  std::uint64_t segment_bytes = kSegmentBytesDefault;
  std::uint64_t state_cache_bytes = 64 * kMiB;  // per worker
  std::uint64_t dedupe_bytes = 64 * kMiB;       // per worker
  std::uint64_t block_cache_bytes = 128 * kMiB;
  std::uint64_t write_buffer_bytes = 64 * kMiB;
  std::uint64_t store_reserve_bytes = 256 * kMiB;  // free space below which nothing is stored
  bool accept_clock = false;                       // take a clock that jumped over a day
  bool accept_loss = false;                        // start although acknowledged rows are missing

  // ---- instruments ----
  std::uint32_t trace_sample = 64;  // one message of so many is followed; 1: all, 0: none

  // ---- logging ----
  LogLevel log_level = LogLevel::kInfo;
};

class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads the command line, the environment and the file that --config or IMS_CONFIG names; resolves
// what is left to the machine. The result's `action` says what to do; for all but kServe the caller
// prints action_text() and exits 0. Throws ConfigError.
Config load_config(int argc, const char* const* argv, const char* const* environment);

// Slots of one gateway's connection table: max_connections, or what RLIMIT_NOFILE (`nofile`) lets
// the backend hold. A ring's table of direct descriptors may not exceed it, but a gateway has up to
// kRingsPerGatewayMax rings; epoll's sockets are ordinary descriptors, shared by all gateways,
// files and rings.
std::uint32_t connections_per_gateway(const Config& config, bool uring, std::uint64_t nofile);
// How many rings that takes.
std::uint32_t rings_per_gateway(std::uint32_t slots, std::uint64_t nofile);

// What an action other than kServe prints, with its newline.
std::string action_text(const Config& config);

// The memory ceiling that follows from a resolved config, as a table, one line per bound.
std::string describe_limits(const Config& config);

// deploy/imsd.toml: every key with its help, range and default, the default commented out.
std::string config_template();

// The config as TOML: every key, resolved. Loading it gives the same config.
std::string describe_config(const Config& config);

}  // namespace ims
