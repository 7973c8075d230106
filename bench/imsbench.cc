// imsbench: load for imsd that checks what it counts, and the floors to compare with.
//
//   imsbench pair --secret S --connections 1000 --window 32 --seconds 2
//   imsbench pair --secret S --rate 50000 --json - --target 'p99<150us'
//
// Exit codes  0 done, verified, targets met; 1 a rule of correctness was broken; 2 a target was
//             missed; 3 the load could not be put on: wrong flags, no server, a refused login.
#include <CLI/CLI.hpp>

#include "bench/fill/fill.h"
#include "bench/floor/floor.h"
#include "bench/floor/store_floor.h"
#include "bench/load/conduct.h"
#include "bench/load/crowd.h"
#include "bench/load/options.h"
#include "bench/report/report.h"

int main(int argc, char** argv) {
  CLI::App app("Load for imsd that checks what it counts; README.md of bench/ has examples.");
  app.require_subcommand(1);
  ims::bench::LoadOptions options;
  int exit_code = 0;
  ims::bench::add_load_commands(app, options);
  ims::bench::add_floor_command(app, exit_code);
  ims::bench::add_store_floor_command(app, exit_code);
  ims::bench::add_crowd_command(app, exit_code);
  ims::bench::add_fill_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return ims::bench::kExitFailed;
  }
  return options.name.empty() ? exit_code : ims::bench::conduct(options);
}
