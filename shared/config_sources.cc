// Settings from the command line (CLI11) and the environment.
#include "shared/config_sources.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "shared/config_value.h"

namespace ims {
namespace {

constexpr std::string_view kPrefix = "IMS_";
constexpr std::string_view kConfigVariable = "IMS_CONFIG";

std::vector<std::string> known_flags() {
  std::vector<std::string> flags = {"--config"};
  for (const ConfigKey& key : config_keys()) flags.push_back(flag_of(key.name));
  for (const ActionFlag& flag : action_flags()) flags.emplace_back(flag.flag);
  return flags;
}

// The one value of an option, if it was given.
std::optional<std::string> value_of(const CLI::Option& option, std::string_view flag) {
  if (option.empty()) return std::nullopt;
  if (option.count() > 1) throw ConfigError(fmt::format("{} is given more than once", flag));
  const std::string text = option.results().front();
  if (text.empty()) throw ConfigError(fmt::format("{}: the value is empty", flag));
  return text;
}

// A value that belongs to its flag is written behind '=': then no value, whatever it looks like, is
// taken for a flag, and a missing one is noticed here, by the flag's own name.
std::vector<std::string> join_values(int argc, const char* const* argv) {
  const auto flags = known_flags();
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    const std::string name = word.substr(0, word.find('='));
    if (std::ranges::find(flags, name) == flags.end()) {
      if (!name.starts_with('-')) {
        throw ConfigError(fmt::format("{} is no flag: flags begin with --, see --help",
                                      quote(word)));
      }
      throw ConfigError(unknown_name("flag", name, flags));
    }
    const bool is_action = std::ranges::find(action_flags(), name, &ActionFlag::flag) !=
                           action_flags().end();
    if (is_action) {
      if (name != word) throw ConfigError(fmt::format("{} takes no value", name));
    } else if (name == word) {
      const ConfigKey* key = nullptr;
      for (const ConfigKey& each : config_keys()) {
        if (flag_of(each.name) == name) key = &each;
      }
      const bool last = i + 1 == argc;
      if (key != nullptr && key->kind == KeyKind::kBool &&
          (last || std::string_view(argv[i + 1]).starts_with("--"))) {
        word += "=true";
      } else if (last) {
        throw ConfigError(fmt::format("{} needs a value", name));
      } else {
        word += fmt::format("={}", argv[++i]);
      }
    }
    if (word == name + "=") throw ConfigError(fmt::format("{}: the value is empty", name));
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace

std::string unknown_name(std::string_view what, std::string_view name,
                         const std::vector<std::string>& known) {
  return fmt::format("unknown {} {}; did you mean {}?", what, quote(name),
                     quote(nearest_word(name, known)));
}

CommandLine read_command_line(int argc, const char* const* argv) {
  CLI::App app;
  app.set_help_flag();  // ours is made from the table
  const auto add = [&app](const std::string& flag) {
    return app.add_option(flag)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };
  CLI::Option* const file = add("--config");
  std::vector<CLI::Option*> options;
  for (const ConfigKey& key : config_keys()) options.push_back(add(flag_of(key.name)));
  std::vector<CLI::Option*> actions;
  for (const ActionFlag& flag : action_flags()) {
    actions.push_back(app.add_flag(std::string(flag.flag)));
  }

  auto words = join_values(argc, argv);
  std::ranges::reverse(words);  // CLI11 takes them from the back
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    throw ConfigError(error.what());
  }

  CommandLine line;
  line.config_file = value_of(*file, "--config");
  for (std::size_t i = 0; i < options.size(); ++i) {
    const ConfigKey& key = config_keys()[i];
    const std::string flag = flag_of(key.name);
    if (auto text = value_of(*options[i], flag)) line.settings.push_back({&key, *text, flag});
  }
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (actions[i]->count() == 0) continue;
    if (line.action != Action::kServe) {
      throw ConfigError("one of --help, --version and the --print flags at a time");
    }
    line.action = action_flags()[i].action;
  }
  return line;
}

Environment read_environment(const char* const* environment) {
  Environment result;
  if (environment == nullptr) return result;
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    if (!entry.starts_with(kPrefix)) continue;
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name(entry.substr(0, equals));
    const std::string text(entry.substr(equals + 1));
    if (name == "IMS_SEED" || name.starts_with("IMS_TEST_")) continue;
    if (name == kConfigVariable) {
      if (text.empty()) throw ConfigError("IMS_CONFIG: the value is empty");
      result.config_file = text;
      continue;
    }
    const ConfigKey* found = nullptr;
    std::vector<std::string> known = {std::string(kConfigVariable)};
    for (const ConfigKey& key : config_keys()) {
      known.push_back(environment_of(key.name));
      if (known.back() == name) found = &key;
    }
    if (found == nullptr) {
      throw ConfigError(unknown_name("environment variable", name, known));
    }
    result.settings.push_back({found, text, name});
  }
  return result;
}

}  // namespace ims
