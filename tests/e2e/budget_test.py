#!/usr/bin/python3
"""What one relayed message may cost the server, in the steady state under imsload: system calls,
allocations, copies of the payload; and that the allocator is the one that these figures are about."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import load  # noqa: E402

CONNECTIONS = 100
PAYLOAD_BYTES = 100
WINDOW_S = 1.5            # observed, after the warm-up
MESSAGES_MIN = 100_000    # relayed in it, or it is observed again

SYSCALLS_MAX = 0.2        # per relayed message, 32 outstanding
ALLOCATED_MAX = 1.0       # bytes per relayed message
COPIED_MAX = 2 * PAYLOAD_BYTES + 64  # receive -> request ring -> send block, and the push's fields


class Budget(case.Case):
    shared = case.use_server(gateways=1, workers=1)

    def observe(self, *flags):
        """The growth of every counter while MESSAGES_MIN messages or more are relayed."""
        flags = ("--connections", CONNECTIONS, "--payload", PAYLOAD_BYTES, "--warmup", 1,
                 "--seconds", 60, *flags)
        with load.Load(self.server, "pair", *flags) as run:
            run.until("start")
            before = self.server.stats()
            deadline = time.monotonic() + 40
            while True:
                time.sleep(WINDOW_S)
                after = self.server.stats()
                grown = {name: value - before.get(name, 0) for name, value in after.items()}
                if grown["ims_messages_relayed_total"] >= MESSAGES_MIN:
                    return grown
                if time.monotonic() > deadline:
                    self.fail(f"expected {MESSAGES_MIN} relayed messages within 40 s, got "
                              f"{grown['ims_messages_relayed_total']:.0f}")

    def per_message(self, grown, *names):
        return sum(grown[name] for name in names) / grown["ims_messages_relayed_total"]

    def expect_at_most(self, what, limit, got):
        print(f"        {what}: {got:.3f} (at most {limit})", flush=True)
        if got > limit:
            self.fail(f"{what}: expected at most {limit}, got {got:.3f}")

    def test_system_calls(self):
        grown = self.observe("--window", 32)
        got = self.per_message(grown, "ims_syscalls_total", 'ims_wakes_total{result="sent"}')
        self.assertGreater(got, 0, "the counters count nothing")
        self.expect_at_most("system calls per message, counted by the server", SYSCALLS_MAX, got)

    def test_system_calls_as_the_kernel_counts_them(self):
        """Every thread of the server, by the tracepoint, against the same limit."""
        if not shutil.which("perf"):
            self.skipTest("system calls as the kernel counts them: perf is not installed")
        flags = ("--connections", CONNECTIONS, "--window", 32, "--warmup", 1, "--seconds", 60)
        with load.Load(self.server, "pair", *flags) as run:
            run.until("start")
            before = self.server.stats()["ims_messages_relayed_total"]
            done = subprocess.run(
                ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p",
                 str(self.server.pid), "sleep", "1"], capture_output=True, text=True, timeout=60)
            after = self.server.stats()["ims_messages_relayed_total"]
        counts = [line.split(",")[0] for line in done.stderr.splitlines() if "sys_enter" in line]
        if done.returncode != 0 or len(counts) != 1 or not counts[0].isdigit():
            self.skipTest(f"perf cannot count system calls here: {done.stderr.strip()[:200]}")
        # perf's second lies inside the two looks at the counter: their share of it at most.
        self.assertGreater(int(counts[0]), 0)
        self.expect_at_most("system calls per message, counted by the kernel", SYSCALLS_MAX,
                            int(counts[0]) / (after - before))

    def test_no_allocation_per_message(self):
        before_login = self.server.stats()["ims_allocated_bytes"]
        grown = self.observe("--window", 32)
        after = self.server.stats()["ims_allocated_bytes"]
        # The gauge lives: the logins of the load allocated their sessions.
        self.assertGreater(after, before_login + CONNECTIONS * 100)
        self.expect_at_most("bytes allocated per message", ALLOCATED_MAX,
                            self.per_message(grown, "ims_allocated_bytes"))

    def expect_few_copies(self, outstanding):
        grown = self.observe("--window", outstanding)
        got = self.per_message(grown, "ims_payload_bytes_copied_total")
        self.assertGreater(got, 2 * PAYLOAD_BYTES, "the counter misses a copy")
        self.expect_at_most(f"payload bytes copied per message, {outstanding} outstanding",
                            COPIED_MAX, got)

    def test_copies_of_the_payload(self):
        self.expect_few_copies(32)

    def test_copies_of_the_payload_of_lone_messages(self):
        self.expect_few_copies(1)

    def test_jemalloc_is_the_live_allocator(self):
        self.expect("the allocator that the server saw", 1,
                    self.server.stats().get('ims_info{allocator="jemalloc"}'))
        maps = Path(f"/proc/{self.server.pid}/maps").read_text()
        self.assertIn("jemalloc", maps)


if __name__ == "__main__":
    case.main()
