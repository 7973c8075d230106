// imsload: a closed-loop load generator for imsd that checks what it counts (load_run.h).
//
//   imsload pair --secret S --connections 1000 --window 32 --seconds 2
//
// Exit codes  0 done and verified; 1 something is missing, doubled, out of order or refused.
#include <cstdio>
#include <exception>

#include "bench/load_options.h"
#include "bench/load_run.h"

int main(int argc, char** argv) {
  const ims::bench::LoadOptions options = ims::bench::read_load_options(argc, argv);
  try {
    ims::bench::LoadRun(options).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsload: %s\n", error.what());
    return 1;
  }
  return 0;
}
