// Every key of the table: its range, its names, its default, its place in PROTOCOL.md.
#include "shared/config_keys.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "shared/config_resolve.h"
#include "shared/config_sources.h"
#include "shared/config_value.h"

namespace ims {
namespace {

// True if the key takes the text; the value is then that of `expected`.
bool takes(const ConfigKey& key, const std::string& text, std::uint64_t expected) {
  Config config;
  try {
    set_from_text(key, text, config, "here");
  } catch (const ConfigError&) {
    return false;
  }
  return key.get(config) == expected;
}

// A number as plain text: milliseconds for durations, so that a bound can be missed by one.
std::string exact_text(const ConfigKey& key, std::uint64_t value) {
  return std::to_string(value) + (key.kind == KeyKind::kDuration ? "ms" : "");
}

TEST_CASE("each number is taken at its bounds and refused beyond") {
  for (const ConfigKey& key : config_keys()) {
    if (!key.takes_number()) continue;
    CAPTURE(key.name);
    REQUIRE(key.min < key.max);
    CHECK(takes(key, exact_text(key, key.min), key.min));
    CHECK(takes(key, exact_text(key, key.min + 1), key.min + 1));
    CHECK(takes(key, exact_text(key, key.max), key.max));
    CHECK_FALSE(takes(key, exact_text(key, key.max + 1), key.max + 1));
    if (key.min > 1) CHECK_FALSE(takes(key, exact_text(key, key.min - 1), key.min - 1));
    if (key.min > 0) CHECK(takes(key, "0", 0) == !key.zero.empty());
    CHECK_FALSE(takes(key, "99999999999999999999999", key.max));
  }
}

TEST_CASE("a value out of range names the range and the place") {
  Config config;
  const ConfigKey* key = find_key("max_frame_bytes");
  REQUIRE(key != nullptr);
  CHECK_THROWS_WITH_AS(set_from_text(*key, "4095", config, "--max-frame-bytes"),
                       "--max-frame-bytes: \"4095\" is out of range, allowed is 4KiB to 1MiB",
                       ConfigError);
  CHECK_THROWS_WITH_AS(
      set_from_text(*find_key("gateways"), "65", config, "IMS_GATEWAYS"),
      "IMS_GATEWAYS: \"65\" is out of range, allowed is 1 to 64, or 0: by the number of CPUs",
      ConfigError);
  CHECK_THROWS_WITH_AS(set_from_text(*find_key("retention"), "soon", config, "f.toml:3: retention"),
                       "f.toml:3: retention: \"soon\" is not a duration such as 500ms, 5s, 10m, "
                       "1h, 7d or whole seconds",
                       ConfigError);
  CHECK_THROWS_WITH_AS(set_from_text(*find_key("io"), "poll", config, "--io"),
                       "--io: \"poll\" is not auto, uring or epoll", ConfigError);
  CHECK_THROWS_WITH_AS(set_from_text(*find_key("pin"), "maybe", config, "--pin"),
                       "--pin: \"maybe\" is not true or false", ConfigError);
  CHECK_THROWS_WITH_AS(set_from_text(*find_key("data"), "", config, "--data"),
                       "--data: the value is empty", ConfigError);
}

TEST_CASE("each choice takes each of its words and nothing else") {
  for (const ConfigKey& key : config_keys()) {
    if (key.kind != KeyKind::kChoice) continue;
    CAPTURE(key.name);
    std::istringstream words{std::string(key.words)};
    std::uint64_t index = 0;
    for (std::string word; std::getline(words, word, '|'); ++index) {
      CHECK(takes(key, word, index));
      Config config;
      key.set(config, index);
      CHECK(value_text(key, config) == word);
      CHECK_FALSE(takes(key, word + "x", index));
    }
    CHECK(index >= 2);
  }
  // The words' numbers are the enumerators of config.h.
  CHECK(takes(*find_key("io"), "epoll", static_cast<std::uint64_t>(IoChoice::kEpoll)));
  CHECK(takes(*find_key("placement"), "fused", static_cast<std::uint64_t>(Placement::kFused)));
  CHECK(takes(*find_key("edition"), "v2", static_cast<std::uint64_t>(EditionChoice::kV2)));
  CHECK(takes(*find_key("durability"), "os", static_cast<std::uint64_t>(Durability::kOs)));
  CHECK(takes(*find_key("log_level"), "debug", static_cast<std::uint64_t>(LogLevel::kDebug)));
}

TEST_CASE("a key sets its own field and no other") {
  for (const ConfigKey& key : config_keys()) {
    CAPTURE(key.name);
    Config config;
    if (key.text != nullptr) {
      config.*key.text = "other";
    } else {
      key.set(config, key.get(config) == 1 ? 0 : 1);
    }
    const Config defaults;
    for (const ConfigKey& each : config_keys()) {
      CAPTURE(each.name);
      const bool same = value_text(each, config) == value_text(each, defaults);
      CHECK(same == (each.name != key.name));
    }
  }
}

TEST_CASE("names are unique and defaults are allowed") {
  std::set<std::string_view> names;
  for (const ConfigKey& key : config_keys()) {
    CAPTURE(key.name);
    CHECK(names.insert(key.name).second);
    CHECK(find_key(key.name) == &key);
    CHECK_FALSE(key.help.empty());
    CHECK(key.help.back() == '.');
    CHECK((key.text != nullptr) == (key.set == nullptr));
    Config config;
    CHECK_NOTHROW(set_from_text(key, value_text(key, Config{}), config, "default"));
  }
  CHECK(find_key("listen_on") == nullptr);
  CHECK(flag_of("max_frame_bytes") == "--max-frame-bytes");
  CHECK(environment_of("max_frame_bytes") == "IMS_MAX_FRAME_BYTES");
}

TEST_CASE("PROTOCOL.md's keys and defaults") {
  const std::map<std::string_view, std::string_view> defaults = {
      {"max_frame_bytes", "64KiB"},   {"max_inflight", "256"},        {"login_timeout", "5s"},
      {"push_window", "256"},         {"send_queue_bytes", "256KiB"}, {"stall_timeout", "30s"},
      {"dedupe_window", "10m"},       {"retention", "7d"},            {"recall_window", "2m"},
      {"max_timeline_rows", "1000000"}, {"max_contacts", "5000"},
      {"max_groups_per_user", "1000"},  {"max_group_members", "100000"},
      {"max_watches", "1000"},          {"max_devices", "8"},         {"max_known_devices", "32"},
      {"max_send_only", "32"},          {"edition", "auto"},          {"durability", "sync"},
      {"password_timeout", "10s"},      {"listen", "127.0.0.1:7000"},
  };
  for (const auto& setting : defaults) {
    const auto& name = setting.first;
    const auto& text = setting.second;
    CAPTURE(name);
    const ConfigKey* key = find_key(name);
    REQUIRE(key != nullptr);
    CHECK(value_text(*key, Config{}) == text);
  }
  // max_message_bytes: max_frame_bytes - 1,024.
  Config config;
  resolve_config(config, {.cpus = 2, .ram_bytes = kGiB});
  CHECK(config.max_message_bytes == 65'536 - 1024);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("deploy/imsd.toml is the template, and names every key with its default") {
  const std::string path = IMS_SOURCE_DIR "/deploy/imsd.toml";
  CHECK(read_text(path) == config_template());
  CHECK(read_config_file(path).empty());  // nothing set: the defaults

  // With the comment signs before the keys removed it sets every key, to its default.
  const std::string uncommented = "uncommented_template.toml";
  std::istringstream lines(config_template());
  std::ofstream file(uncommented);
  for (std::string line; std::getline(lines, line);) {
    const bool is_key = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    file << (is_key ? line.substr(1) : line) << '\n';
  }
  file.close();
  const auto settings = read_config_file(uncommented);
  CHECK(settings.size() == config_keys().size());
  for (const Setting& setting : settings) {
    CAPTURE(setting.place);
    Config config;
    set_from_text(*setting.key, setting.text, config, setting.place);
    CHECK(value_text(*setting.key, config) == value_text(*setting.key, Config{}));
  }
  std::remove(uncommented.c_str());
}

}  // namespace
}  // namespace ims
