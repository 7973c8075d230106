// imsd, the server: reads its configuration, then serves until SIGTERM.
//
// Exit codes: 0 after a drain; 1 could not start, one line on standard error says why; 2 the
// command line, environment or file is wrong; 75 the store failed while serving.

#include <cstdio>
#include <exception>

#include "deploy/server.h"
#include "shared/config.h"
#include "shared/log.h"

extern char** environ;

int main(int argc, char** argv) {
  ims::Config config;
  try {
    config = ims::load_config(argc, argv, environ);
  } catch (const ims::ConfigError& error) {
    std::fprintf(stderr, "imsd: %s\n", error.what());
    return 2;
  }
  if (config.action != ims::Action::kServe) {
    std::fputs(ims::action_text(config).c_str(), stdout);
    return 0;
  }
  ims::set_log_level(config.log_level);
  try {
    ims::Server server(config);
    return server.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsd: %s\n", error.what());
    return 1;
  }
}
