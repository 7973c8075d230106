// `imsbench crowd`: members of one group who are online and only read: each checks that the group's
// rows come to it once, in the order of seq and without a gap.
//
//   imsbench crowd --address A --secret S --first-user 0 --connections 10000 --group big
//     lines in:    expect SEQ     answered by `have SEQ` once every member was pushed that row
//                  quit           or the end of the input
//     lines out:   online         all are logged in
//                  have SEQ
//                  {"frames": N, "bytes": N}   at the end; all was as it should be
//
// Nobody in it may send to the group: a session is not pushed what it caused itself, which would
// look like a gap.
// Exit codes  0; kExitViolated and a sentence: a row missing, doubled or out of order, a push of
//             anything else, a connection that ended.
#pragma once

namespace CLI {
class App;
}

namespace ims::bench {

// Adds the subcommand; where it was asked for, it sets `exit_code`.
void add_crowd_command(CLI::App& app, int& exit_code);

}  // namespace ims::bench
