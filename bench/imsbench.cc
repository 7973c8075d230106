// imsbench: load for imsd that checks what it counts, and the floors to compare with.
//
//   imsbench pair --secret S --connections 1000 --window 32 --seconds 2
//   imsbench pair --secret S --rate 50000 --json - --target 'p99<150us'
//
// Exit codes  0 done, verified, targets met; 1 a rule of correctness was broken; 2 a target was
//             missed; 3 the load could not be put on (wrong flags, no server, a refused login),
//             its result could not be written, or an interrupt left open what it would have been.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/fill/fill.h"
#include "bench/floor/floor.h"
#include "bench/floor/store_floor.h"
#include "bench/load/conduct.h"
#include "bench/load/crowd.h"
#include "bench/load/options.h"
#include "bench/load/usage.h"
#include "bench/report/output_file.h"
#include "bench/report/report.h"

namespace {

// What was printed has to have arrived: a full disk shows only here.
int with_output_written(int exit_code) {
  try {
    ims::bench::write_standard_output({});
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "imsbench: %s\n", error.what());
    if (exit_code == ims::bench::kExitMet) return ims::bench::kExitFailed;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  ims::bench::keep_standard_descriptors();
  CLI::App app("Load for imsd that checks what it counts; README.md of bench/ has examples.");
  app.require_subcommand(1);
  ims::bench::LoadOptions options;
  int exit_code = 0;
  ims::bench::add_load_commands(app, options);
  ims::bench::add_floor_command(app, exit_code);
  ims::bench::add_store_floor_command(app, exit_code);
  ims::bench::add_crowd_command(app, exit_code);
  ims::bench::add_fill_command(app, exit_code);
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (const std::string wrong = ims::bench::what_is_wrong(app, words); !wrong.empty()) {
    std::fprintf(stderr, "imsbench %s\n", wrong.c_str());
    return ims::bench::kExitFailed;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return with_output_written(app.exit(success));
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return ims::bench::kExitFailed;
  }
  return with_output_written(options.name.empty() ? exit_code : ims::bench::conduct(options));
}
