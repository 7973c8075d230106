// Loading a configuration: sources, precedence, unknown names, files, what the machine decides.
#include "shared/config.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "shared/config_keys.h"
#include "shared/config_resolve.h"

namespace ims {
namespace {

using Words = std::vector<std::string>;

std::vector<const char*> pointers(const Words& words, bool terminated) {
  std::vector<const char*> list;
  for (const std::string& word : words) list.push_back(word.c_str());
  if (terminated) list.push_back(nullptr);
  return list;
}

Config load(Words arguments, const Words& environment = {}) {
  arguments.insert(arguments.begin(), "imsd");
  const auto argv = pointers(arguments, false);
  const auto envp = pointers(environment, true);
  return load_config(static_cast<int>(argv.size()), argv.data(), envp.data());
}

// The sentence of the error, or "loaded".
std::string error_of(const Words& arguments, const Words& environment = {}) {
  try {
    load(arguments, environment);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "loaded";
}

// A file in the working directory, gone with the scope.
class TempFile {
 public:
  explicit TempFile(const std::string& text, std::string name = "config_test.toml")
      : name_(std::move(name)) {
    std::ofstream(name_) << text;
  }
  ~TempFile() { std::remove(name_.c_str()); }

 private:
  std::string name_;
};

TEST_CASE("nothing given: the defaults, resolved") {
  const Config config = load({});
  CHECK(config.action == Action::kServe);
  CHECK(config.listen == "127.0.0.1:7000");
  CHECK(config.max_frame_bytes == 65'536);
  CHECK(config.max_message_bytes == 64'512);
  CHECK(config.login_timeout_ms == 5000);
  CHECK(config.retention_ms == 7ll * 24 * 3600 * 1000);
  CHECK(config.durability == Durability::kSync);
  CHECK(config.placement != Placement::kAuto);
  CHECK(config.gateways >= 1);
  CHECK(config.workers >= 1);
  CHECK(config.send_memory_bytes >= 1 * kMiB);
}

TEST_CASE("flag over environment over file over default") {
  const TempFile file("max_inflight = 10\npush_window = 20\nmax_devices = 3\n");
  const Config config =
      load({"--config", "config_test.toml", "--max-inflight", "12"},
           {"PATH=/bin", "IMS_MAX_INFLIGHT=11", "IMS_PUSH_WINDOW=21", "IMSX=1"});
  CHECK(config.max_inflight == 12);
  CHECK(config.push_window == 21);
  CHECK(config.max_devices == 3);
  CHECK(config.max_watches == 1000);
}

TEST_CASE("IMS_CONFIG names the file, --config wins") {
  const TempFile first("max_inflight = 10\n");
  const TempFile second("max_inflight = 20\n", "config_test_2.toml");
  CHECK(load({}, {"IMS_CONFIG=config_test.toml"}).max_inflight == 10);
  CHECK(load({"--config=config_test_2.toml"}, {"IMS_CONFIG=config_test.toml"}).max_inflight == 20);
}

TEST_CASE("values of a file may be numbers or texts") {
  const TempFile file(
      "login_timeout = 7\nstall_timeout = \"500ms\"\nmax_frame_bytes = 8192\n"
      "send_queue_bytes = \"512KiB\"\nmax_inflight = \"9\"\npin = true\naccept_loss = \"true\"\n"
      "io = \"epoll\"\nlisten = \"[::1]:7001\"\ntcp_congestion = \"\"\n");
  const Config config = load({"--config", "config_test.toml"});
  CHECK(config.login_timeout_ms == 7000);
  CHECK(config.stall_timeout_ms == 500);
  CHECK(config.max_frame_bytes == 8192);
  CHECK(config.max_message_bytes == 8192 - 1024);
  CHECK(config.send_queue_bytes == 512 * kKiB);
  CHECK(config.max_inflight == 9);
  CHECK(config.pin);
  CHECK(config.accept_loss);
  CHECK(config.io == IoChoice::kEpoll);
  CHECK(config.listen == "[::1]:7001");
  CHECK(config.tcp_congestion.empty());
}

TEST_CASE("flags") {
  CHECK(load({"--max-inflight=7"}).max_inflight == 7);
  CHECK(load({"--pin"}).pin);
  CHECK(load({"--pin", "--max-inflight", "7"}).pin);
  CHECK(load({"--pin", "true"}).pin);
  CHECK_FALSE(load({"--pin=false"}).pin);
  CHECK(load({"--data", "dir with blanks"}).data == "dir with blanks");
  CHECK(load({"--data", "-odd"}).data == "-odd");
  CHECK(load({"--data", "a=b"}).data == "a=b");
  CHECK(load({"--data", "[x, y]"}).data == "[x, y]");
  CHECK(load({"--data", "\"quoted\""}).data == "\"quoted\"");

  struct Row {
    const char* rule;
    Words arguments;
    std::string error;
  };
  const Row rows[] = {
      {"an unknown flag names the nearest", {"--max-infligth", "7"},
       "unknown flag \"--max-infligth\"; did you mean \"--max-inflight\"?"},
      {"with its value behind =", {"--gateway=2"},
       "unknown flag \"--gateway\"; did you mean \"--gateways\"?"},
      {"underscores are not dashes", {"--max_inflight", "7"},
       "unknown flag \"--max_inflight\"; did you mean \"--max-inflight\"?"},
      {"no short flags", {"-h"}, "unknown flag \"-h\"; did you mean \"--io\"?"},
      {"no abbreviations", {"--gate", "2"},
       "unknown flag \"--gate\"; did you mean \"--data\"?"},
      {"a stray word", {"serve"}, "\"serve\" is no flag: flags begin with --, see --help"},
      {"a value missing at the end", {"--data"}, "--data needs a value"},
      {"empty behind =", {"--data="}, "--data: the value is empty"},
      {"empty as a word", {"--data", ""}, "--data: the value is empty"},
      {"repeated", {"--data", "a", "--data", "a"}, "--data is given more than once"},
      {"repeated file", {"--config", "a", "--config=b"}, "--config is given more than once"},
      {"negative", {"--max-inflight", "-1"}, "--max-inflight: \"-1\" is not a whole number"},
      {"zero", {"--max-inflight", "0"},
       "--max-inflight: \"0\" is out of range, allowed is 1 to 4096"},
      {"a flag as the value", {"--listen", "--pin"},
       "--listen: \"--pin\" is not ADDR:PORT with a numeric IPv4 address or an IPv6 address in "
       "brackets, as 127.0.0.1:7000 or [::]:7000"},
      {"an action with a value", {"--version=1"}, "--version takes no value"},
      {"two actions", {"--help", "--version"},
       "one of --help, --version and the --print flags at a time"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(error_of(row.arguments) == row.error);
  }
}

TEST_CASE("environment") {
  CHECK(load({}, {"IMS_PIN=1"}).pin);
  CHECK(load({}, {"IMS_DEDUPE_WINDOW=1h"}).dedupe_window_ms == 3'600'000);
  CHECK(load({}, {"IMS_SEED=7", "IMS_TEST_X=1"}).action == Action::kServe);  // the tests' own
  CHECK(error_of({}, {"IMS_MAX_FRAME_BYTE=1"}) ==
        "unknown environment variable \"IMS_MAX_FRAME_BYTE\"; did you mean "
        "\"IMS_MAX_FRAME_BYTES\"?");
  CHECK(error_of({}, {"IMS_pin=1"}) ==
        "unknown environment variable \"IMS_pin\"; did you mean \"IMS_PIN\"?");
  CHECK(error_of({}, {"IMS_WORKERS="}) == "IMS_WORKERS: the value is empty");
  CHECK(error_of({}, {"IMS_CONFIG="}) == "IMS_CONFIG: the value is empty");
  CHECK(error_of({}, {"IMS_WORKERS=x"}) == "IMS_WORKERS: \"x\" is not a whole number");
}

TEST_CASE("files that are wrong name their line") {
  struct Row {
    const char* rule;
    std::string text;
    std::string error;
  };
  const Row rows[] = {
      {"unknown key", "\n# c\nmax_device = 3\n",
       "config_test.toml:3: unknown key \"max_device\"; did you mean \"max_devices\"?"},
      {"a table", "pin = true\n[gateway]\nx = 1\n",
       "config_test.toml:2: unknown key \"gateway\"; did you mean \"gateways\"?"},
      {"out of range", "push_window = 4097\n",
       "config_test.toml:1: push_window: \"4097\" is out of range, allowed is 1 to 4096"},
      {"negative", "\npush_window = -1\n",
       "config_test.toml:2: push_window: \"-1\" is out of range, allowed is 1 to 4096"},
      {"a fraction", "login_timeout = 0.5\n",
       "config_test.toml:1: login_timeout: the value must be a whole number or a text"},
      {"a number for a text", "data = 3\n",
       "config_test.toml:1: data: the value must be a text in quotes"},
      {"a number for a truth", "pin = 1\n",
       "config_test.toml:1: pin: the value must be true or false"},
      {"a list", "io = [\"auto\"]\n",
       "config_test.toml:1: io: the value must be a text in quotes"},
      {"a truth for a number", "workers = true\n",
       "config_test.toml:1: workers: the value must be a whole number or a text"},
      {"an empty text", "data = \"\"\n", "config_test.toml:1: data: the value is empty"},
      {"a NUL byte", "data = \"a\\u0000b\"\n",
       "config_test.toml:1: data: the value holds a NUL byte"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    const TempFile file(row.text);
    CHECK(error_of({"--config", "config_test.toml"}) == row.error);
  }
}

TEST_CASE("files that are no TOML, or no files") {
  for (const std::string text : {"max_inflight = \n", "= 3\n", "io = \"auto\n", "\x00\xff\xfe"}) {
    CAPTURE(text);
    const TempFile file("# first line\n" + text);
    if (text.empty()) continue;
    CHECK(error_of({"--config", "config_test.toml"}).starts_with("config_test.toml:2: "));
  }
  {
    const TempFile file("pin = true\npin = false\n");
    CHECK(error_of({"--config", "config_test.toml"}).starts_with("config_test.toml:2: "));
  }
  CHECK(error_of({"--config", "no_such.toml"}) ==
        "cannot read the configuration file no_such.toml: No such file or directory");
  CHECK(error_of({"--config", "."}).starts_with("cannot read the configuration file .: "));
}

TEST_CASE("relations between keys") {
  struct Row {
    const char* rule;
    Words arguments;
    std::string error;
  };
  const Row rows[] = {
      {"a message at its limit", {"--max-frame-bytes=8192", "--max-message-bytes=7168"}, "loaded"},
      {"one above", {"--max-frame-bytes=8192", "--max-message-bytes=7169"},
       "max_message_bytes = 7169 is too large, at most max_frame_bytes less 1024 = 7168 is "
       "allowed"},
      {"a send queue of 4 frames", {"--max-frame-bytes=65536", "--send-queue-bytes=262144"},
       "loaded"},
      {"one byte less", {"--max-frame-bytes=65536", "--send-queue-bytes=262143"},
       "send_queue_bytes = 262143 is too small, at least 4 times max_frame_bytes = 262144 is "
       "needed"},
      {"a larger frame alone", {"--max-frame-bytes=1MiB"},
       "send_queue_bytes = 262144 is too small, at least 4 times max_frame_bytes = 4194304 is "
       "needed"},
      {"fused with equal counts", {"--placement=fused", "--gateways=3", "--workers=3"}, "loaded"},
      {"fused with unequal counts", {"--placement=fused", "--gateways=2", "--workers=3"},
       "placement = \"fused\" needs as many workers as gateways, not gateways = 2 and workers = 3"},
      {"devices all known", {"--max-devices=32"}, "loaded"},
      {"more devices than known", {"--max-devices=33"},
       "max_known_devices = 32 is too small, at least max_devices = 33 is needed"},
      {"memory for one connection",
       {"--send-queue-bytes=1MiB", "--send-memory-bytes=1196032"}, "loaded"},
      {"one byte less than a connection needs",
       {"--send-queue-bytes=1MiB", "--send-memory-bytes=1196031"},
       "send_memory_bytes = 1196031 is too small, one connection may need 1196032 "
       "(send_queue_bytes, max_frame_bytes, so_rcvbuf_bytes and 16384)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(error_of(row.arguments) == row.error);
  }
}

TEST_CASE("threads by the number of CPUs") {
  struct Row {
    const char* rule;
    std::uint32_t cpus;
    Placement placement;
    std::uint32_t gateways, workers;                    // given, 0 not
    Placement placement_out;
    std::uint32_t gateways_out, workers_out;
  };
  constexpr auto kAuto = Placement::kAuto;
  constexpr auto kSplit = Placement::kSplit;
  constexpr auto kFused = Placement::kFused;
  const Row rows[] = {
      {"one CPU", 1, kAuto, 0, 0, kFused, 1, 1},
      {"two CPUs", 2, kAuto, 0, 0, kFused, 2, 2},
      {"three CPUs", 3, kAuto, 0, 0, kFused, 3, 3},
      {"from four CPUs on split", 4, kAuto, 0, 0, kSplit, 2, 1},
      {"eight CPUs", 8, kAuto, 0, 0, kSplit, 4, 2},
      {"many CPUs stay in bounds", 1024, kAuto, 0, 0, kSplit, 64, 64},
      {"split on one CPU", 1, kSplit, 0, 0, kSplit, 1, 1},
      {"fused on many", 1024, kFused, 0, 0, kFused, 64, 64},
      {"fused takes the one given count", 8, kFused, 0, 3, kFused, 3, 3},
      {"unequal counts are split", 2, kAuto, 1, 3, kSplit, 1, 3},
      {"equal counts on few CPUs are fused", 2, kAuto, 4, 4, kFused, 4, 4},
      {"one count on few CPUs is both", 2, kAuto, 4, 0, kFused, 4, 4},
      {"given counts stay", 8, kAuto, 1, 1, kSplit, 1, 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    Config config;
    config.placement = row.placement;
    config.gateways = row.gateways;
    config.workers = row.workers;
    resolve_config(config, {.cpus = row.cpus, .ram_bytes = 8 * kGiB});
    CHECK(config.placement == row.placement_out);
    CHECK(config.gateways == row.gateways_out);
    CHECK(config.workers == row.workers_out);
    CHECK_NOTHROW(check_config(config));
  }
}

TEST_CASE("send memory is an eighth of the machine's over all gateways") {
  Config config;
  config.gateways = 4;
  config.workers = 1;
  resolve_config(config, {.cpus = 8, .ram_bytes = 8 * kGiB});
  CHECK(config.send_memory_bytes == 256 * kMiB);
  // However small the machine is, a connection has room.
  Config small;
  resolve_config(small, {.cpus = 1, .ram_bytes = kMiB});
  CHECK_NOTHROW(check_config(small));
}

TEST_CASE("connections of a gateway") {
  Config config;
  config.gateways = 4;
  // Direct descriptors: per ring, of which a gateway may have 32.
  CHECK(connections_per_gateway(config, true, 512) == 32 * 512);
  CHECK(connections_per_gateway(config, true, 8191) == 32 * 8191);
  CHECK(connections_per_gateway(config, true, 8192) == kConnectionsPerGatewayDefault);
  CHECK(connections_per_gateway(config, true, 8193) == kConnectionsPerGatewayDefault);
  CHECK(connections_per_gateway(config, false, 512) == 64);  // (512 - 256) / 4
  CHECK(connections_per_gateway(config, true, 1ull << 40) == kConnectionsPerGatewayDefault);
  config.max_connections = 100;
  CHECK(connections_per_gateway(config, true, 512) == 100);
  CHECK(connections_per_gateway(config, true, 3) == 96);
  CHECK(connections_per_gateway(config, false, 512) == 64);
  CHECK(connections_per_gateway(config, false, 1) == 1);
  config.max_connections = kConnectionsPerGatewayMax;
  CHECK(connections_per_gateway(config, true, 20'000) == 640'000);
  CHECK(connections_per_gateway(config, true, 1ull << 40) == kConnectionsPerGatewayMax);
}

TEST_CASE("rings of a gateway") {
  CHECK(rings_per_gateway(1, 300) == 1);
  CHECK(rings_per_gateway(300, 300) == 1);
  CHECK(rings_per_gateway(301, 300) == 2);
  CHECK(rings_per_gateway(32 * 300, 300) == 32);
  CHECK(rings_per_gateway(1u << 20, 1ull << 40) == 1);
}

TEST_CASE("what is printed") {
  // The printed configuration loads to itself.
  const Config config = load({"--print-config", "--max-inflight=7", "--tcp-congestion", "reno",
                              "--data", "a \"b\" \\c\t", "--login-timeout", "1500ms"});
  CHECK(config.action == Action::kPrintConfig);
  const std::string text = action_text(config);
  const TempFile file(text);
  CHECK(describe_config(load({"--config", "config_test.toml"})) == text);

  for (const auto& print : {std::pair{"--help", Action::kPrintHelp},
                            std::pair{"--version", Action::kPrintVersion},
                            std::pair{"--print-config-template", Action::kPrintConfigTemplate}}) {
    const char* const flag = print.first;
    const Action action = print.second;
    CAPTURE(flag);
    // These answer even where the environment is wrong.
    const Config asked = load({flag}, {"IMS_NO_SUCH=1"});
    CHECK(asked.action == action);
    CHECK(action_text(asked).ends_with('\n'));
  }
  const std::string help = action_text(load({"--help"}));
  for (const ConfigKey& key : config_keys()) {
    CAPTURE(key.name);
    CHECK(help.find("  " + flag_of(key.name) + " (default ") != std::string::npos);
  }
  CHECK(action_text(load({"--version"})).starts_with("imsd 0."));
}

TEST_CASE("the printed limits follow the configuration") {
  const auto limits = [](const char* cache) {
    return action_text(load({"--print-limits", "--gateways=2", "--workers=2", "--block-cache-bytes",
                             cache, "--max-connections=100", "--send-memory-bytes=4MiB"}));
  };
  const std::string text = limits("128MiB");
  CHECK(text.find("store: blocks and write buffers (block_cache_bytes)") != std::string::npos);
  CHECK(text.find("128.0 MiB") != std::string::npos);
  CHECK(text.find("ceiling") != std::string::npos);
  CHECK(limits("256MiB") != text);
}

}  // namespace
}  // namespace ims
