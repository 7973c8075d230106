// Looking at the words (usage.h).
#include "bench/load/usage.h"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace ims::bench {
namespace {

std::vector<const CLI::App*> subcommands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string names_of(const CLI::App& app) {
  std::string names;
  for (const CLI::App* each : subcommands_of(app)) {
    names += (names.empty() ? "" : ", ") + each->get_name();
  }
  return names;
}

const CLI::App* subcommand_of(const CLI::App& app, const std::string& name) {
  for (const CLI::App* each : subcommands_of(app)) {
    if (each->get_name() == name) return each;
  }
  return nullptr;
}

}  // namespace

std::string what_is_wrong(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty() || words.front().rfind('-', 0) == 0) return {};
  const CLI::App* const sub = subcommand_of(app, words.front());
  if (sub == nullptr) {
    return "there is no '" + words.front() + "'; there are " + names_of(app);
  }
  for (const CLI::Option* option : sub->get_options()) {
    if (option->get_items_expected_max() != 1) continue;  // a flag, or one that takes several
    const std::string name = option->get_name();
    const auto times = std::count_if(words.begin(), words.end(), [&](const std::string& word) {
      return word == name || word.rfind(name + "=", 0) == 0;
    });
    if (times > 1) {
      return words.front() + ": " + name + " is given " + std::to_string(times) + " times";
    }
  }
  return {};
}

}  // namespace ims::bench
