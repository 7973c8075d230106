// The table itself. A new key is a field of Config and one row here; the tests then demand that
// deploy/imsd.toml is made anew (imsd --print-config-template).
#include "shared/config_keys.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <type_traits>

namespace ims {
namespace {

constexpr std::uint64_t kSecond = 1000;  // durations are in ms
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;
constexpr std::uint64_t kTiB = 1024 * kGiB;

template <auto Member>
void set_field(Config& config, std::uint64_t value) {
  auto& field = config.*Member;
  field = static_cast<std::remove_reference_t<decltype(field)>>(value);
}

template <auto Member>
std::uint64_t get_field(const Config& config) {
  return static_cast<std::uint64_t>(config.*Member);
}

struct Range {
  std::uint64_t min;
  std::uint64_t max;
  std::string_view zero = {};
};

template <auto Member>
constexpr ConfigKey number(std::string_view section, std::string_view name, KeyKind kind,
                           Range range, std::string_view help) {
  return {.name = name, .section = section, .kind = kind, .min = range.min, .max = range.max,
          .zero = range.zero, .words = {}, .help = help, .set = &set_field<Member>,
          .get = &get_field<Member>};
}

template <auto Member>
constexpr ConfigKey choice(std::string_view section, std::string_view name, std::string_view words,
                           std::string_view help) {
  return {.name = name, .section = section, .kind = KeyKind::kChoice, .zero = {}, .words = words,
          .help = help, .set = &set_field<Member>, .get = &get_field<Member>};
}

template <auto Member>
constexpr ConfigKey boolean(std::string_view section, std::string_view name,
                            std::string_view help) {
  return {.name = name, .section = section, .kind = KeyKind::kBool, .zero = {}, .words = {},
          .help = help, .set = &set_field<Member>, .get = &get_field<Member>};
}

// `min` 1: may not be empty.
constexpr ConfigKey text(std::string_view section, std::string_view name, KeyKind kind,
                         std::uint64_t min, std::string Config::*member, std::string_view help) {
  return {.name = name, .section = section, .kind = kind, .min = min, .zero = {}, .words = {},
          .help = help, .text = member};
}

constexpr auto kCount = KeyKind::kCount;
constexpr auto kBytes = KeyKind::kBytes;
constexpr auto kDuration = KeyKind::kDuration;

#define KEY(make, section, key, ...) make<&Config::key>(section, #key, __VA_ARGS__)
#define KEY_MS(section, key, ...) number<&Config::key##_ms>(section, #key, kDuration, __VA_ARGS__)

const ConfigKey kKeys[] = {
    text("where", "data", KeyKind::kText, 1, &Config::data,
         "The data directory: store, run files and the administration socket."),
    text("where", "listen", KeyKind::kAddress, 1, &Config::listen,
         "Where clients connect: ADDR:PORT or [ADDR]:PORT with a numeric address; port 0 lets the "
         "system choose."),

    KEY(choice, "threads", io, "auto|uring|epoll",
        "How sockets are driven; auto takes io_uring where the kernel allows it, else epoll."),
    KEY(choice, "threads", placement, "auto|split|fused",
        "split gives each gateway and each worker a thread, fused runs gateway i and worker i on "
        "one; auto is fused below 4 CPUs."),
    KEY(number, "threads", gateways, kCount, {1, kGatewaysMax, "by the number of CPUs"},
        "Threads that own sockets."),
    KEY(number, "threads", workers, kCount, {1, kWorkersMax, "by the number of CPUs"},
        "Threads that own users and groups; may change at every start."),
    KEY(boolean, "threads", pin, "Pin each gateway and worker thread to a CPU of its own."),

    KEY(choice, "wire", edition, "auto|v1|v2",
        "The editions that are spoken: v1 the envelope, v2 the typed one; auto lets the first "
        "frame of a connection decide."),
    KEY(number, "wire", max_frame_bytes, kBytes, {kMaxFrameBytesFloor, kMaxFrameBytesCeiling},
        "The longest frame in either direction."),
    KEY(number, "wire", max_message_bytes, kBytes,
        {1, kMaxFrameBytesCeiling - kFrameOverheadBytes, "max_frame_bytes less 1024"},
        "The longest payload of a message; at most max_frame_bytes less 1024."),
    KEY(number, "wire", max_inflight, kCount, {1, kMaxInflightCeiling},
        "Unanswered requests of a connection, above which it is not read."),
    KEY_MS("wire", login_timeout, {100, 10 * kMinute},
           "A connection without a complete first frame is closed after this."),

    KEY(number, "slow readers", push_window, kCount, {1, kPushWindowMax},
        "Rows pushed to a session and not acknowledged, per timeline."),
    KEY(number, "slow readers", send_queue_bytes, kBytes, {16 * kKiB, 64 * kMiB},
        "Bytes queued for one connection; at least 4 times max_frame_bytes."),
    KEY(number, "slow readers", send_memory_bytes, kBytes,
        {1 * kMiB, kTiB, "an eighth of the memory, over all gateways"},
        "Bytes of all send queues and carries of one gateway together."),
    KEY_MS("slow readers", stall_timeout, {100, kHour},
           "A connection that is owed bytes and takes none is closed after this."),

    KEY(number, "sockets", so_rcvbuf_bytes, kBytes, {4 * kKiB, 16 * kMiB},
        "SO_RCVBUF of a connection."),
    KEY(number, "sockets", so_sndbuf_bytes, kBytes, {4 * kKiB, 16 * kMiB},
        "SO_SNDBUF of a connection."),
    KEY(number, "sockets", tcp_notsent_lowat_bytes, kBytes, {1 * kKiB, 16 * kMiB},
        "TCP_NOTSENT_LOWAT: unsent bytes above which a socket is not writable."),
    text("sockets", "tcp_congestion", KeyKind::kText, 0, &Config::tcp_congestion,
         "TCP_CONGESTION by name, as \"bbr\"; empty is the system's."),
    KEY_MS("sockets", tcp_user_timeout, {kSecond, kHour, "the system's"},
           "TCP_USER_TIMEOUT: sent bytes that the peer does not acknowledge for this end the "
           "connection; and so does silence for this long with a lost keepalive probe in it, so "
           "that it has to be well above tcp_keepalive_idle."),
    KEY_MS("sockets", tcp_keepalive_idle, {kSecond, 32'767 * kSecond, "no TCP keepalive"},
           "TCP_KEEPIDLE: silence after which the kernel probes the peer."),
    KEY(number, "sockets", listen_backlog, kCount, {1, 65'535},
        "Connections that wait to be accepted; the kernel's somaxconn caps it."),
    KEY(number, "sockets", max_connections, kCount,
        {32, kConnectionsPerGatewayMax, "262144, or less where RLIMIT_NOFILE is small"},
        "Connections of one gateway: with io_uring at most 32 times RLIMIT_NOFILE, with epoll "
        "RLIMIT_NOFILE for all gateways together."),

    KEY_MS("messages", dedupe_window, {kSecond, 7 * kDay},
           "How long a client_id is remembered for a repeat."),
    KEY_MS("messages", retention, {kSecond, 3650 * kDay}, "How long stored rows are kept."),
    KEY_MS("messages", recall_window, {kSecond, 7 * kDay}, "How long a message may be recalled."),
    KEY(number, "messages", max_timeline_rows, kCount, {1, 1'000'000'000},
        "Rows of one inbox or group within retention; then QUEUE_FULL."),

    KEY(number, "users and groups", max_contacts, kCount, {1, 1'000'000}, "Contacts of a user."),
    KEY(number, "users and groups", max_groups_per_user, kCount, {1, 1'000'000},
        "Groups of a user."),
    KEY(number, "users and groups", max_group_members, kCount, {1, 10'000'000},
        "Members of a group."),
    KEY(number, "users and groups", max_watches, kCount, {1, 100'000},
        "Users whose presence a session watches."),
    KEY(number, "users and groups", max_devices, kCount, {1, 1024},
        "Sessions of a user, each of another device."),
    KEY(number, "users and groups", max_known_devices, kCount, {1, 4096},
        "Devices of a user that are remembered; at least max_devices."),
    KEY(number, "users and groups", max_send_only, kCount, {1, 65'536},
        "send_only sessions of a user."),

    KEY_MS("passwords", password_timeout, {100, 5 * kMinute},
           "A password that is not checked by then: OVERLOADED."),
    KEY(number, "passwords", password_queue, kCount, {1, 65'536},
        "Passwords that wait to be checked; more: OVERLOADED."),

    KEY(choice, "store", durability, "sync|interval|os",
        "sync: an OK survives a power cut; interval: it may be lost for durability_interval; os: "
        "it survives a crash of the process alone."),
    KEY_MS("store", durability_interval, {1, kMinute},
           "How often the log is synced with durability = \"interval\"."),
    KEY(choice, "store", store_engine, "auto|rocksdb|segments",
        "rocksdb: one RocksDB for all; segments: messages stay in a log of segments, RocksDB says "
        "where. auto keeps what made the store, a new one is of rocksdb. segments takes over a "
        "store of rocksdb, never the other way."),
    KEY(number, "store", segment_bytes, kBytes, {kSegmentBytesMin, kSegmentBytesCeiling},
        "The largest file of the segment log; a new store begins with smaller ones."),
    KEY(number, "store", state_cache_bytes, kBytes, {1 * kMiB, kTiB},
        "State of users and groups in memory, per worker."),
    KEY(number, "store", dedupe_bytes, kBytes, {1 * kMiB, kTiB},
        "Which client_ids came in dedupe_window, per worker. Each further sixth of it keeps four "
        "times as many: a repeat of one of them is found more slowly."),
    KEY(number, "store", block_cache_bytes, kBytes, {1 * kMiB, kTiB},
        "The store's memory: blocks that were read and, out of it, write buffers."),
    KEY(number, "store", write_buffer_bytes, kBytes, {1 * kMiB, 4 * kGiB},
        "The store's write buffers together; at most half of block_cache_bytes is used."),
    KEY(number, "store", store_reserve_bytes, kBytes, {0, kTiB},
        "Free disk space below which nothing more is stored (UNAVAILABLE)."),
    KEY(boolean, "store", accept_clock,
        "Once: take a clock that went more than a day ahead since the last run."),
    KEY(boolean, "store", accept_loss,
        "Once: start although acknowledged rows are missing from the store."),

    KEY(number, "instruments", trace_sample, kCount, {1, 1'000'000'000, "off"},
        "One request of so many is followed through the server (imsctl latency), and every login."),

    KEY(choice, "logging", log_level, "error|warn|info|debug", "What is logged, and all above it."),
};

#undef KEY
#undef KEY_MS

constexpr ActionFlag kActionFlags[] = {
    {"--help", Action::kPrintHelp, "Print this and exit."},
    {"--version", Action::kPrintVersion, "Print the version and exit."},
    {"--print-config", Action::kPrintConfig, "Print the resulting configuration and exit."},
    {"--print-config-template", Action::kPrintConfigTemplate,
     "Print deploy/imsd.toml, every key explained, and exit."},
    {"--print-limits", Action::kPrintLimits,
     "Print the memory ceiling that follows from the configuration and exit."},
};

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }
std::span<const ActionFlag> action_flags() { return kActionFlags; }

const ConfigKey* find_key(std::string_view name) {
  const auto* key = std::ranges::find(kKeys, name, &ConfigKey::name);
  return key == std::end(kKeys) ? nullptr : key;
}

std::string flag_of(std::string_view key) {
  std::string flag = "--";
  for (const char c : key) flag += c == '_' ? '-' : c;
  return flag;
}

std::string environment_of(std::string_view key) {
  std::string name = "IMS_";
  for (const char c : key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace ims
