#!/usr/bin/python3
"""How runs of imsbench end, and what they say then: whose fault it was that less was sent than asked
for, what an interrupt left open, a server that is gone, outputs that cannot be written, wrong words."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import server as server_module  # noqa: E402
from bench_case import FAILED, IMSBENCH, MET, TIMEOUT_S, VIOLATED, Bench  # noqa: E402

FOR_EVER_S = 1000  # longer than a test's patience


class Limit(Bench):
    """The generator is not accused of what chance or the server kept from being sent."""

    def expect_not_accused(self, result):
        """Or rightly so: on a busy machine it may have been late itself."""
        generator = result["generator"]
        if generator["was_the_limit"]:
            self.assertIn("behind the intended time", generator["why"])
            self.assertGreater(result["send_lag_us"]["p99"], 1000)
        self.assertLess(result["send_lag_us"]["p99"], 500_000, "a stop of the server is in it")

    def test_chance(self):
        for first in range(20_000, 20_050, 10):
            result = self.load("pair", "--connections", 10, "--rate", 100, "--arrivals", "poisson",
                               "--seconds", 0.5, "--warmup", 0, "--first-user", first)
            self.expect_flawless(result)
            self.expect_not_accused(result)
            self.expect("held back", 0, result["generator"]["held_back"])

    def test_a_stop_of_the_server(self):
        stop = ("--stall", 1, "--stall-at", 0.3, "--server-pid", self.server.pid)
        for flags in (("pair", "--connections", 20, "--rate", 500),
                      ("pair", "--connections", 20, "--rate", 500, "--window", 1),
                      ("mix", "--connections", 20, "--rate", 500, "--window", 1),
                      ("login", "--connections", 10, "--rate", 100)):
            result = self.load(*flags, "--seconds", 1.5, *stop, "--first-user", 20_100)
            self.expect("rules broken", 0, sum(result["violations"].values()))
            self.expect_not_accused(result)
            is_held = "--window" in flags or flags[0] == "login"
            self.expect("held back", is_held, result["generator"]["held_back"] > 0)

    def test_a_server_that_is_killed(self):
        for flags in (("mix", "--connections", 20, "--rate", 500),
                      ("mix", "--connections", 20, "--rate", 500, "--online", 1),
                      ("login", "--connections", 10, "--rate", 100),
                      ("pair", "--connections", 20, "--rate", 500)):
            with self.subTest(flags):
                own = self.own_server()
                run = self.start(own, *flags, "--seconds", 1, "--drain", FOR_EVER_S)
                self.until(run, "start")
                own.kill()
                result = self.rest_of(run, VIOLATED)
                self.expect_not_accused(result)
                self.assertGreater(result["generator"]["held_back"], 0)
                self.assertGreater(result["violations"]["disconnected"], 0)

    def test_what_never_went_is_in_the_corrected_latency(self):
        """The server stands still from a fifth of the phase to behind its end: half of what was due
        is at least 300 ms old then."""
        result = self.load("pair", "--connections", 20, "--rate", 500, "--window", 1, "--seconds",
                           1, "--stall", 1.5, "--stall-at", 0.2, "--server-pid", self.server.pid,
                           "--first-user", 20_200)
        self.expect_flawless(result)
        self.assertGreater(result["generator"]["never_sent"], 0)
        for kind in ("answer", "delivery"):
            latency = result["latency_us"][kind]
            self.assertGreaterEqual(latency["corrected"]["count"], result["generator"]["due"] - 20)
            self.assertGreater(latency["corrected"]["p50"], 100_000)
            self.assertLess(latency["uncorrected"]["count"], latency["corrected"]["count"])

    def test_closed_loops(self):
        result = self.load("mix", "--connections", 60, "--window", 2, "--seconds", 1, "--session",
                           0.4, "--first-user", 20_300)
        self.expect_flawless(result)
        self.expect("loop", "closed", result["loop"])
        self.assertGreater(result["measured"]["answered"], 0)
        for flags in (("--window", 5), ("--rate", 500), ("--rate", 500, "--window", 5)):
            result = self.load("storm", "--connections", 100, "--rounds", 2, *flags,
                               "--first-user", 20_400)
            self.expect_flawless(result)
            self.expect("logins", 100 + 2 * 99, result["total"]["logins"])
            if "--rate" in flags:  # 99 of them, the last one is due so late
                self.assertGreaterEqual(result["figures"]["all_back_seconds"], 98 / 500)
        # Nobody is due for longer than the patience: that is the rate's silence, not the server's.
        self.expect_flawless(self.load("storm", "--connections", 4, "--rate", 2, "--drain", 0.2,
                                       "--first-user", 20_450))
        for flags in (("--window", 1), ("--rate", 1000)):
            result = self.load("idle", "--connections", 50, "--seconds", 0, *flags,
                               "--first-user", 20_500)
            self.expect("connections", 50, result["figures"]["connections"])


class Interrupts(Bench):
    """One SIGINT ends a run in every phase; what it left open is not verified, and not lost."""

    def expect_nothing_broken(self, result):
        self.expect("rules broken", 0, sum(result["violations"].values()))
        self.expect("interrupted", True, result["interrupted"])

    def test_before_the_first_line(self):
        run = self.start(self.server, "pair", "--connections", 10, "--wait", "--first-user", 21_000)
        self.until(run, "ready")
        run.send_signal(signal.SIGINT)
        self.assertIsNone(self.rest_of(run, FAILED))

    def test_while_it_warms_up(self):
        run = self.start(self.server, "pair", "--connections", 10, "--warmup", FOR_EVER_S,
                         "--first-user", 21_050)
        self.until(run, "ready")
        run.send_signal(signal.SIGINT)
        self.expect_nothing_broken(self.rest_of(run, MET))

    def test_under_load_and_before_the_second_line(self):
        for word in ("start", "stop"):
            run = self.start(self.server, "pair", "--connections", 10, "--wait", "--seconds",
                             FOR_EVER_S if word == "start" else 0.2, "--first-user", 21_100)
            self.until(run, "ready")
            run.stdin.write("\n")
            run.stdin.flush()
            self.until(run, word)
            run.send_signal(signal.SIGINT)
            result = self.rest_of(run, MET)
            self.expect_nothing_broken(result)
            self.expect("not verified", 0, result["not_verified"])

    def test_while_it_drains(self):
        """A floor that drops some: what is missing has not come yet, as far as it knows."""
        port = self.floor("--fault", "drop=50")
        run = subprocess.Popen(
            [str(IMSBENCH), "pair", "--floor", "--address", f"127.0.0.1:{port}", "--connections",
             "20", "--rate", "5000", "--seconds", "0.3", "--drain", str(FOR_EVER_S), "--phases",
             "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for end in (run.stdout.close, run.wait, run.kill):
            self.addCleanup(end)
        self.until(run, "stop")
        run.send_signal(signal.SIGINT)
        result = self.rest_of(run, FAILED)
        self.expect_nothing_broken(result)
        self.assertGreater(result["not_verified"], 0)
        latency = result["latency_us"]  # by its age, what did not come
        self.expect("timed deliveries", latency["answer"]["corrected"]["count"],
                    latency["delivery"]["corrected"]["count"])

    def test_in_a_storm(self):
        """The server is stopped first, so that some are away, or their rows are, for certain."""
        run = self.start(self.server, "storm", "--connections", 50, "--backlog", 2000, "--rounds",
                         1000, "--first-user", 21_200)
        self.until(run, "start")
        time.sleep(0.3)  # all have dropped
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            run.send_signal(signal.SIGINT)
            result = self.rest_of(run, FAILED)
        finally:
            os.kill(self.server.pid, signal.SIGCONT)
        self.expect_nothing_broken(result)
        self.assertGreater(result["not_verified"], 0)

    def test_a_rate_that_no_server_keeps_up_with(self):
        run = self.start(self.server, "pair", "--connections", 10, "--rate", 1_000_000, "--seconds",
                         FOR_EVER_S, "--drain", FOR_EVER_S, "--first-user", 21_300)
        self.until(run, "start")
        run.send_signal(signal.SIGINT)
        self.expect("interrupted", True, self.rest_of(run, MET, FAILED)["interrupted"])

    def test_a_storm_on_a_server_that_is_gone(self):
        own = self.own_server()
        run = self.start(own, "storm", "--connections", 50, "--rounds", 1000, "--drain", FOR_EVER_S)
        self.until(run, "start")
        own.kill()
        self.assertGreater(self.rest_of(run, VIOLATED)["violations"]["disconnected"], 0)


class Outputs(Bench):
    """What cannot be written is said before the run where it can be known, and is no success."""

    flags = ("pair", "--connections", 2, "--seconds", 0.1, "--warmup", 0, "--first-user", 22_000)

    def run_to(self, stdout, *flags):
        return subprocess.run([str(IMSBENCH), *map(str, self.flags), *self.flags_for(self.server),
                               *flags], stdout=stdout, stderr=subprocess.PIPE, text=True,
                              timeout=TIMEOUT_S)

    def test_where_nothing_can_be_written(self):
        with tempfile.TemporaryDirectory() as folder:
            nowhere = os.path.join(folder, "no", "run")
            old = Path(folder, "old")
            old.write_text("before")
            for flags in (("--json", nowhere), ("--svg", nowhere), ("--hgrm", nowhere)):
                # No server: it is said before one is asked for.
                done = self.bench("pair", "--secret", "s", "--address",
                                  f"127.0.0.1:{server_module.free_port()}", *flags, expect=FAILED)
                self.assertIn(nowhere, done.stderr)
                self.assertIn("No such file or directory", done.stderr)
            self.bench("pair", "--secret", "s", "--address",
                       f"127.0.0.1:{server_module.free_port()}", "--json", old, expect=FAILED)
            self.expect("the result of before", "before", old.read_text())
            self.expect("files", ["old"], os.listdir(folder))

    def test_a_full_disk_and_a_closed_output(self):
        done = self.run_to(subprocess.DEVNULL, "--json", "/dev/full")
        self.expect("exit code", FAILED, done.returncode)
        self.assertIn("/dev/full: No space left on device", done.stderr)
        for flags in ((), ("--json", "-"), ("--help",)):
            with open("/dev/full", "w") as full:
                done = self.run_to(full, *flags)
            self.expect(f"exit code with {flags}", FAILED, done.returncode)
            self.assertIn("standard output: No space left on device", done.stderr)
        done = subprocess.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", str(IMSBENCH),
                               *map(str, self.flags), *self.flags_for(self.server)],
                              stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
        self.expect("exit code", FAILED, done.returncode)
        self.assertIn("standard output: Bad file descriptor", done.stderr)

    def test_words(self):
        self.assertIn("'bogus'", self.bench("bogus", expect=FAILED).stderr)
        for flags, says in ((("--window", 1, "--window", 2), "--window is given 2 times"),
                            (("--first-user", 9_999_999), "--first-user"),
                            (("--address", "[::1]:7000", "--sources", 2), "--sources"),
                            (("--target", "lost=nan"), "lost=nan"),
                            (("--target", "cpu<1us"), "--server-pid")):
            done = self.bench("pair", "--secret", "s", *flags, expect=FAILED)
            self.assertIn(says, done.stderr)
        done = self.bench("crowd", "--secret", "s", "--group", "g", "--address", "127.0.0.1:1",
                          "--first-user", 9_999_999, expect=FAILED)
        self.assertIn("--first-user", done.stderr)
        self.assertIn("--hgrm", self.bench("idle", "--secret", "s", "--hgrm", "x",
                                           expect=FAILED).stderr)


if __name__ == "__main__":
    case.main()
