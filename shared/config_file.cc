// Settings from a TOML file: flat keys, no tables. The only translation unit that sees toml++.
#include <fmt/format.h>
#include <toml++/toml.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "shared/config_sources.h"
#include "shared/config_value.h"

namespace ims {
namespace {

std::string read_whole(const std::string& path) {
  const auto fail = [&path] {
    throw ConfigError(fmt::format("cannot read the configuration file {}: {}", path,
                                  std::strerror(errno)));
  };
  std::FILE* const file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) fail();
  std::string text;
  char chunk[4096];
  errno = 0;
  while (const std::size_t got = std::fread(chunk, 1, sizeof chunk, file)) text.append(chunk, got);
  const bool broken = std::ferror(file) != 0;  // as for a folder
  std::fclose(file);
  if (broken) fail();
  return text;
}

// A TOML value as the text that a flag would have. A duration or size may be an integer.
std::string text_of(const toml::node& node, const ConfigKey& key, const std::string& place) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer(); number != nullptr && key.takes_number()) {
    if (number->get() < 0) {
      throw ConfigError(fmt::format("{}: \"{}\" is out of range, allowed is {}", place,
                                    number->get(), format_range(key)));
    }
    return fmt::format("{}", number->get());
  }
  if (const auto* truth = node.as_boolean(); truth != nullptr && key.kind == KeyKind::kBool) {
    return truth->get() ? "true" : "false";
  }
  const std::string_view wanted = key.takes_number()            ? "a whole number or a text"
                                  : key.kind == KeyKind::kBool ? "true or false"
                                                               : "a text in quotes";
  throw ConfigError(fmt::format("{}: the value must be {}", place, wanted));
}

}  // namespace

std::vector<Setting> read_config_file(const std::string& path) {
  const std::string text = read_whole(path);
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    throw ConfigError(fmt::format("{}:{}: {}", path, error.source().begin.line,
                                  error.description()));
  }

  std::vector<Setting> settings;
  for (const auto& [name, node] : table) {
    const std::string where = fmt::format("{}:{}", path, node.source().begin.line);
    const ConfigKey* const key = find_key(name.str());
    if (key == nullptr) {
      std::vector<std::string> known;
      for (const ConfigKey& each : config_keys()) known.emplace_back(each.name);
      throw ConfigError(fmt::format("{}: {}", where, unknown_name("key", name.str(), known)));
    }
    const std::string place = fmt::format("{}: {}", where, key->name);
    settings.push_back({key, text_of(node, *key, place), place});
  }
  return settings;
}

}  // namespace ims
