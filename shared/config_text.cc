// The texts that are made from the key table: help, the annotated file, the resulting config.
#include <fmt/format.h>

#include <algorithm>

#include "shared/config.h"
#include "shared/config_keys.h"
#include "shared/config_value.h"

namespace ims {
namespace {

constexpr std::size_t kTextColumns = 100;

// `text` cut at blanks into lines that begin with `prefix`.
std::string wrap(std::string_view text, std::string_view prefix) {
  std::string lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, blank);
    if (!line.empty() && prefix.size() + line.size() + 1 + word.size() > kTextColumns) {
      lines += fmt::format("{}{}\n", prefix, line);
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
    text.remove_prefix(std::min(blank + 1, text.size()));
  }
  return lines + fmt::format("{}{}\n", prefix, line);
}

// A TOML string; our texts hold no newline, but a path may hold anything else.
std::string toml_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\u{:04x}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string toml_value(const ConfigKey& key, const Config& config) {
  const std::string text = value_text(key, config);
  const bool is_bare = key.kind == KeyKind::kBool || key.kind == KeyKind::kCount;
  return is_bare || text == "0" ? text : toml_quoted(text);
}

std::string explanation(const ConfigKey& key) {
  const std::string range = format_range(key);
  std::string text(key.help);
  if (!range.empty() && key.kind != KeyKind::kBool) text += fmt::format(" Allowed: {}.", range);
  return text;
}

std::string help_text() {
  const Config defaults;
  std::string text =
      "imsd: an instant-messaging server.\n\n"
      "  imsd [--config FILE] [--KEY VALUE]...\n\n"
      "Each key is a flag (--max-inflight 64), an environment variable (IMS_MAX_INFLIGHT=64)\n"
      "and a line of the file (max_inflight = 64); a flag wins over the environment, that over\n"
      "the file. Sizes are bytes or end in KiB, MiB, GiB; durations are seconds or end in ms,\n"
      "s, m, h, d.\n\n";
  text += "  --config FILE\n" + wrap("Read this TOML file (IMS_CONFIG).", "      ");
  for (const ActionFlag& flag : action_flags()) {
    text += fmt::format("  {}\n", flag.flag) + wrap(flag.help, "      ");
  }
  std::string_view section;
  for (const ConfigKey& key : config_keys()) {
    if (key.section != section) text += fmt::format("\n{}:\n", key.section);
    section = key.section;
    text += fmt::format("  {} (default {})\n", flag_of(key.name), toml_value(key, defaults));
    text += wrap(explanation(key), "      ");
  }
  return text;
}

}  // namespace

std::string config_template() {
  const Config defaults;
  std::string text =
      "# imsd: every key with its default. Remove the # before a key to change it.\n"
      "# The same names are flags (--max-inflight) and environment variables (IMS_MAX_INFLIGHT);\n"
      "# a flag wins over the environment, the environment over this file.\n"
      "# Sizes are bytes or \"64KiB\", \"1MiB\", \"1GiB\"; durations are seconds or \"500ms\",\n"
      "# \"10m\", \"1h\", \"7d\". Made by `imsd --print-config-template`; a test keeps it so.\n";
  std::string_view section;
  for (const ConfigKey& key : config_keys()) {
    if (key.section != section) text += fmt::format("\n# ---- {} ----\n", key.section);
    section = key.section;
    text += "\n" + wrap(explanation(key), "# ");
    text += fmt::format("#{} = {}\n", key.name, toml_value(key, defaults));
  }
  return text;
}

std::string describe_config(const Config& config) {
  std::string text;
  for (const ConfigKey& key : config_keys()) {
    text += fmt::format("{} = {}\n", key.name, toml_value(key, config));
  }
  return text;
}

std::string action_text(const Config& config) {
  switch (config.action) {
    case Action::kPrintHelp: return help_text();
    case Action::kPrintVersion: return "imsd " IMS_VERSION "\n";
    case Action::kPrintConfig: return describe_config(config);
    case Action::kPrintConfigTemplate: return config_template();
    case Action::kPrintLimits: return describe_limits(config);
    case Action::kServe: break;
  }
  return {};
}

}  // namespace ims
