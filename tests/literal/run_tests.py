#!/usr/bin/python3
"""Runs the literal suites, each in a process of its own (a process holds one set of .proto files),
and prints one line per test.

  run_tests.py [--io uring|epoll] [--placement split|fused] [--build DIR] [--only WHAT ...]

WHAT is a suite (chat, group, bare_edition, ...), or SUITE:PATTERN with a part of a test's or class'
name: chat:Dedupe, protocol:test_length. `smoke` stands for the rows of SMOKE. Without --only the
quick suites run. Exit code: 0 all passed, 1 something failed, 77 everything was skipped."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
QUICK = ("client", "crash_load", "bare_edition", "login", "protocol", "chat", "group", "contact",
         "presence", "device", "terminal", "faults", "differential")
LONG = ("device_race", "presence_cost", "backlog", "connections", "slow_reader", "big_group", "disk",
        "kill", "power")

# What runs on every backend and placement beside the full matrix on one: each row one path through
# the server that differs by backend or placement.
SMOKE = ("bare_edition:Bare", "protocol:test_length_varint", "protocol:test_first_frame_limit",
         "protocol:test_frame_limit", "protocol:Segments", "protocol:Closing",
         "chat:Relayed", "chat:Stored", "chat:Cursors", "chat:test_repeat", "chat:test_in_flight",
         "chat:ShortConnection", "group:Timeline", "contact:Races", "device:Recall",
         "connections:FewDescriptors", "faults:Drain")

SKIPPED = 77


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--io", choices=("uring", "epoll"), default="uring")
    parser.add_argument("--placement", choices=("split", "fused"), default="split")
    parser.add_argument("--build", help="where imsd and imsctl are; default build/release")
    parser.add_argument("--only", nargs="+", default=QUICK, metavar="WHAT")
    arguments = parser.parse_args()

    os.environ["IMS_IO"], os.environ["IMS_PLACEMENT"] = arguments.io, arguments.placement
    if arguments.build:
        os.environ["IMS_BUILD_DIR"] = str(Path(arguments.build).resolve())
    patterns = {}
    for what in arguments.only:
        for row in SMOKE if what == "smoke" else (what,):
            suite, _, pattern = row.partition(":")
            if suite not in (*QUICK, *LONG):
                parser.error(f"no suite {suite!r}; there are {', '.join((*QUICK, *LONG))}")
            patterns.setdefault(suite, []).append(pattern)

    codes = {}
    for suite, names in patterns.items():
        started = time.monotonic()
        only = [] if "" in names else names
        print(f"---- {suite}", flush=True)
        codes[suite] = subprocess.run([sys.executable, "-B", str(FOLDER / f"{suite}_test.py"),
                                       *only]).returncode
        print(f"---- {suite}: exit {codes[suite]}, {time.monotonic() - started:.1f} s", flush=True)

    failed = [suite for suite, code in codes.items() if code not in (0, SKIPPED)]
    if failed:
        print(f"FAILED: {', '.join(failed)}")
        return 1
    return SKIPPED if set(codes.values()) == {SKIPPED} else 0


if __name__ == "__main__":
    sys.exit(main())
