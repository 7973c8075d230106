// `imsbench floor ADDRESS:PORT`: the relay of relay.h as a program of its own. Says `listening on
// ADDRESS:PORT` on standard error, for port 0 with the one that it got; a signal ends it.
#pragma once

namespace CLI {
class App;
}

namespace ims::bench {

// Adds the subcommand; where it was asked for, it sets `exit_code` when it ends.
void add_floor_command(CLI::App& app, int& exit_code);

}  // namespace ims::bench
