// `imsbench store-floor`: what the store alone can accept, so that durable figures of imsd are also
// a ratio. The same rows as stored 1:1 messages with a client_id (message_rows.h), in the same
// batches, through the store with sync: no frames, no names, no worker, no answers.
//
// A closed loop: connections x window messages are outstanding; all of them, but at most 1,024, are
// one batch, written when the one before it is durable. 1 x 1 gives the latency of a lone sync.
//
// Threads  one, besides the store's own; all of them on one core with --core.
// Files    in a directory of its own below --scratch, which is removed, also where SIGINT, SIGTERM
//          or SIGHUP ends the program.
#pragma once

namespace CLI {
class App;
}

namespace ims::bench {

// Adds the subcommand; where it was asked for, it sets `exit_code` when it ends.
void add_store_floor_command(CLI::App& app, int& exit_code);

}  // namespace ims::bench
