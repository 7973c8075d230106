// Puts the sources together: file below environment below flags, then what the machine decides.
#include "shared/config.h"

#include "shared/config_resolve.h"
#include "shared/config_sources.h"
#include "shared/config_value.h"

namespace ims {
namespace {

void apply_settings(const std::vector<Setting>& settings, Config& config) {
  for (const Setting& setting : settings) {
    set_from_text(*setting.key, setting.text, config, setting.place);
  }
}

// These answer whatever the environment and the file hold.
bool needs_no_settings(Action action) {
  return action == Action::kPrintHelp || action == Action::kPrintVersion ||
         action == Action::kPrintConfigTemplate;
}

}  // namespace

Config load_config(int argc, const char* const* argv, const char* const* environment) {
  Config config;
  const CommandLine line = read_command_line(argc, argv);
  config.action = line.action;
  if (needs_no_settings(line.action)) return config;

  const Environment variables = read_environment(environment);
  const auto& file = line.config_file ? line.config_file : variables.config_file;
  if (file) apply_settings(read_config_file(*file), config);
  apply_settings(variables.settings, config);
  apply_settings(line.settings, config);

  resolve_config(config, read_machine());
  check_config(config);
  return config;
}

}  // namespace ims
