// Where settings come from: the command line, the environment, a TOML file. Each source finds the
// key of every name it holds and refuses the names it does not know; values are still text.
// Start-up only; errors are ConfigError. `load_config()` in config.cc puts them together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/config_keys.h"

namespace ims {

struct Setting {
  const ConfigKey* key;
  std::string text;
  std::string place;  // opens an error: "--max-inflight", "IMS_PIN", "imsd.toml:3: pin"
};

struct CommandLine {
  Action action = Action::kServe;
  std::optional<std::string> config_file;
  std::vector<Setting> settings;
};

struct Environment {
  std::optional<std::string> config_file;  // IMS_CONFIG
  std::vector<Setting> settings;
};

CommandLine read_command_line(int argc, const char* const* argv);

// All variables that begin with IMS_ but these, which belong to the tests: IMS_SEED, IMS_TEST_...
Environment read_environment(const char* const* environment);

std::vector<Setting> read_config_file(const std::string& path);

// "unknown key "max_frame"; did you mean "max_frame_bytes"?"
std::string unknown_name(std::string_view what, std::string_view name,
                         const std::vector<std::string>& known);

}  // namespace ims
