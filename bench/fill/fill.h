// `imsbench fill`: a store of any size, written directly: users, and rows in their inboxes, as a
// server would have left them. The tenant must exist (imsctl app add); no server may run over the
// data directory.
//
//   imsbench fill --data DIR --org bench --appkey load --users 2000000 --rows 20000000
//
// Users are named as the load names them (u0000000, ...). Rows are spread evenly, so that each
// inbox holds rows / users of them, the first users one more. All rows are of now, from user 0.
// Errors   kExitFailed and a sentence; what was written stays.
#pragma once

namespace CLI {
class App;
}

namespace ims::bench {

// Adds the subcommand; where it was asked for, it sets `exit_code`.
void add_fill_command(CLI::App& app, int& exit_code);

}  // namespace ims::bench
