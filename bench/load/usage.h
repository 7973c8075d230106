// What is wrong with a command line and would be said badly by its parser: a word that is no
// subcommand ("A subcommand is required"), an option given twice ("1 required but received 2").
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ims::bench {

// A sentence; empty where there is nothing of the kind. `words` are those behind the program.
std::string what_is_wrong(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace ims::bench
