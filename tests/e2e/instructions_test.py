#!/usr/bin/python3
"""User instructions of the server per relayed message, all threads, as callgrind counts them: from
the first to the last message of a fixed script. On epoll alone: valgrind completes no login on
io_uring. bench/README.md has the figures; the limits lie above them by what one run differs."""

import re
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import load  # noqa: E402
import server  # noqa: E402

CONNECTIONS = 1000
# outstanding: (messages, at most so many instructions for each)
BUDGETS = {32: (40_000, 3_000), 1: (15_000, 3_600)}


@unittest.skipUnless(server.io_name() == "epoll", "valgrind cannot run the io_uring backend")
@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class Instructions(case.Case):
    def count(self, outstanding):
        messages, limit = BUDGETS[outstanding]
        running = server.Server(gateways=1, workers=1)
        out = running.scratch / "callgrind.out"
        running.wrapper = ("valgrind", "--tool=callgrind", "--instr-atstart=no",
                           f"--callgrind-out-file={out}")
        self.addCleanup(running.destroy)
        running.add_app()
        running.start(check=False)

        def control(*words):
            subprocess.run(["callgrind_control", *words, str(running.pid)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

        with load.Load(running, "pair", "--connections", CONNECTIONS, "--window", outstanding,
                       "--messages", messages, "--wait") as run:
            run.until("ready")
            time.sleep(1.5)  # what logins leave to be stored within 0.5 s is no part of a message
            control("-i", "on")
            run.go()
            run.until("start")
            control("-z")
            run.until("stop")
            control("-d")
            run.go()
            answered = run.finish()["answered"]
        text = Path(f"{out}.1").read_text(errors="replace")
        total = int(re.search(r"^(?:totals|summary): (\d+)", text, re.M).group(1))
        got = total / answered
        print(f"        instructions per message, {outstanding} outstanding: {got:.0f} "
              f"(at most {limit})", flush=True)
        self.assertGreater(got, 500, "the measurement counts nothing")
        self.assertLessEqual(got, limit)

    def test_32_outstanding(self):
        self.count(32)

    def test_1_outstanding(self):
        self.count(1)


if __name__ == "__main__":
    case.main()
