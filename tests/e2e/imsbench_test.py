#!/usr/bin/python3
"""imsbench against imsd, each workload for a moment, and against a floor that does wrong on purpose:
what it counts, what it notices, its exit codes and its result."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import faulty_server  # noqa: E402
import server as server_module  # noqa: E402
from bench_case import FAILED, IMSBENCH, MET, MISSED, TIMEOUT_S, VIOLATED, Bench  # noqa: E402


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class Workloads(Bench):
    """Small loads that end well: what was sent was answered, what was due came."""

    def test_pair_relayed(self):
        result = self.load("pair", "--connections", 40, "--window", 4, "--seconds", 0.5)
        self.expect_flawless(result)
        self.expect("logins", 40, result["total"]["logins"])
        self.expect("delivered", result["total"]["sent"], result["total"]["delivered"])
        self.assertGreater(result["measured"]["delivered"], 0)
        self.expect("codes", {"0": result["total"]["sent"]}, result["total"]["codes"])

    def test_pair_stored_with_client_ids(self):
        result = self.load("pair", "--connections", 40, "--window", 4, "--seconds", 0.5,
                           "--offline", "--client-ids", "--first-user", 1000)
        self.expect_flawless(result)
        self.expect("delivered", result["total"]["sent"], result["total"]["delivered"])

    def test_pair_of_the_envelope_edition_with_large_payloads(self):
        result = self.load("pair", "--connections", 10, "--seconds", 0.5, "--envelope",
                           "--payload", 20_000, "--first-user", 2000)
        self.expect_flawless(result)
        self.expect("bytes", 20_000 * result["total"]["sent"], result["total"]["bytes_delivered"])

    def test_pair_over_processes_and_rings(self):
        result = self.load("pair", "--connections", 120, "--processes", 2, "--ring-slots", 16,
                           "--messages", 2000, "--first-user", 3000)
        self.expect_flawless(result)
        self.expect("logins", 120, result["total"]["logins"])
        self.expect("processes", 2, result["processes"])
        self.assertGreaterEqual(result["measured"]["answered"], 2000)

    def test_group_of_one_sender(self):
        result = self.load("group", "--connections", 40, "--group-members", 20, "--seconds", 0.5,
                           "--first-user", 4000)
        self.expect_flawless(result)
        self.expect("delivered", 19 * result["total"]["sent"], result["total"]["delivered"])

    def test_stored_group_of_which_all_send(self):
        result = self.load("group", "--connections", 20, "--group-members", 10, "--senders", 0,
                           "--window", 2, "--offline", "--seconds", 0.5, "--first-user", 5000)
        self.expect_flawless(result)
        self.expect("delivered", 9 * result["total"]["sent"], result["total"]["delivered"])

    def test_offline_then_drained(self):
        for first, more in ((6000, ()), (7000, ("--explicit",))):
            result = self.load("offline", "--connections", 4, "--recipients", 100, "--window", 8,
                               "--seconds", 0.5, "--first-user", first, *more)
            self.expect_flawless(result)
            self.expect("logins", 4 + 2 * 100, result["total"]["logins"])
            self.expect("drained", result["total"]["sent"], result["figures"]["drained_rows"])
            self.expect("delivered", result["total"]["sent"], result["total"]["delivered"])

    def test_offline_twice_with_the_same_users(self):
        """The rows of a run before are in the inboxes, and are no rows of this one."""
        flags = ("offline", "--connections", 2, "--recipients", 20, "--window", 8, "--seconds", 0.2,
                 "--first-user", 7500)
        self.expect_flawless(self.load(*flags, "--no-drain"))
        result = self.load(*flags)
        self.expect_flawless(result)
        self.expect("drained", result["total"]["sent"], result["figures"]["drained_rows"])

    def test_login(self):
        for first, more in ((8000, ()), (8100, ("--rate", 100, "--send-only"))):
            result = self.load("login", "--connections", 10, "--seconds", 0.5, "--first-user",
                               first, *more)
            self.expect("rules broken", 0, sum(result["violations"].values()))
            self.assertGreater(result["measured"]["logins"], 0)
            # Timed is what was due in the measured phase; some end behind it, and some had begun
            # before: no more than there are connections.
            timed = result["latency_us"]["login"]["corrected"]["count"]
            self.assertLessEqual(abs(timed - result["measured"]["logins"]), 10)

    def test_idle_and_what_a_connection_costs(self):
        result = self.load("idle", "--connections", 200, "--seconds", 0.2, "--first-user", 9000,
                           "--server-pid", self.server.pid)
        self.expect_flawless(result)
        self.expect("connections", 200, result["figures"]["connections"])
        self.assertIn("server_bytes_per_connection", result["figures"])
        self.assertGreater(result["figures"]["server_rss_bytes"], 0)

    def test_storm(self):
        result = self.load("storm", "--connections", 200, "--rounds", 2, "--backlog", 3,
                           "--first-user", 10_000)
        self.expect_flawless(result)
        self.expect("logins", 200 + 2 * 199, result["total"]["logins"])
        self.expect("stored", 2 * 3 * 199, result["total"]["sent"])
        self.expect("drained", 2 * 3 * 199, result["figures"]["drained_rows"])
        figures = result["figures"]
        self.assertGreaterEqual(figures["all_drained_seconds"], figures["all_back_seconds"])

    def test_mix(self):
        result = self.load("mix", "--connections", 150, "--rate", 800, "--seconds", 2, "--session",
                           0.4, "--first-user", 11_000)
        self.expect_flawless(result)
        self.assertGreater(result["figures"]["sessions"], 50)
        self.assertGreater(result["total"]["delivered"], result["total"]["sent"])
        self.assertGreater(result["total"]["codes"].get("7", 0), 0, "nobody was ever away")


class Loops(Bench):
    """Open and closed loops, and what a stall of the server does to the figures."""

    def test_the_rate_is_kept(self):
        for arrivals in ("constant", "poisson"):
            result = self.load("pair", "--connections", 20, "--rate", 500, "--arrivals", arrivals,
                               "--seconds", 1, "--first-user", 12_000)
            self.expect_flawless(result)
            self.expect("loop", "open", result["loop"])
            # Never more than were due: 1.3 s of them; poisson by six deviations.
            self.assertLessEqual(result["total"]["sent"],
                                 651 if arrivals == "constant" else 650 + 6 * 26)

    def test_a_stall_shows_in_the_corrected_latency(self):
        """The server stands still for a second of two: of messages at an even rate at least a
        quarter waits 250 ms or longer. With a window of one the senders wait as well, and only what
        is corrected for that tells."""
        flags = ("--connections", 20, "--rate", 500, "--seconds", 2, "--stall", 1, "--stall-at",
                 0.3, "--server-pid", self.server.pid, "--first-user", 13_000)
        result = self.load("pair", *flags)
        self.expect_flawless(result)
        for kind in ("answer", "delivery"):
            self.assertGreaterEqual(result["latency_us"][kind]["corrected"]["p99"], 900_000)
        result = self.load("pair", *flags, "--window", 1)
        self.expect_flawless(result)
        latency = result["latency_us"]["delivery"]
        self.assertGreaterEqual(latency["corrected"]["p99"], 900_000)
        self.assertGreater(latency["corrected"]["mean"], 2 * latency["uncorrected"]["mean"])
        self.assertGreater(result["figures"]["held_back"], 0)

    def test_a_stall_at_the_end_shows(self):
        """What is due in the measured phase and ends behind it is in the latencies."""
        result = self.load("pair", "--connections", 20, "--rate", 500, "--seconds", 1, "--stall", 1,
                           "--stall-at", 0.5, "--server-pid", self.server.pid, "--first-user",
                           13_500)
        self.expect_flawless(result)
        for kind in ("answer", "delivery"):
            latency = result["latency_us"][kind]["corrected"]
            self.assertGreaterEqual(latency["p99"], 400_000)
            self.expect("answered by the end, or timed", True,
                        latency["count"] > result["measured"]["answered"])

    def test_the_server_goes_on_after_a_stall(self):
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            with self.load_in_background("--seconds", 30, "--stall", 20, "--stall-at", 0) as run:
                self.eventually("the server's state", "T", self.server_state)
                run.send_signal(signal_number)
                run.wait(TIMEOUT_S)
            self.eventually("the server's state", True, lambda: self.server_state() != "T")

    def server_state(self):
        text = Path(f"/proc/{self.server.pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0]

    def load_in_background(self, *flags):
        return subprocess.Popen(
            [str(IMSBENCH), "pair", "--address", "%s:%d" % self.server.address, "--org",
             server_module.ORG, "--appkey", server_module.APPKEY, "--secret", server_module.SECRET,
             "--connections", "10", "--server-pid", str(self.server.pid), "--first-user", "14000",
             *map(str, flags)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Outputs(Bench):
    """Exit codes, targets, and the forms of the result."""

    flags = ("pair", "--connections", 10, "--seconds", 0.2, "--warmup", 0, "--first-user", 15_000)

    def test_targets(self):
        result = self.load(*self.flags, "--target", "p50<60s", "--target", "rate>=1", "--target",
                           "violations=0")
        self.expect("targets met", [True] * 3, [row["met"] for row in result["targets"]])
        result = self.load(*self.flags, "--target", "rate>=1", "--target", "p50<1ns",
                           expect=MISSED)
        self.expect("targets met", [True, False], [row["met"] for row in result["targets"]])

    def test_what_cannot_be_put_on(self):
        self.bench("pair", expect=FAILED)
        self.bench("nothing", expect=FAILED)
        self.bench("pair", "--secret", "s", "--connections", 3, expect=FAILED)
        self.bench("group", "--secret", "s", "--connections", 30, "--group-members", 20,
                   expect=FAILED)
        self.bench("pair", "--secret", "s", "--payload", 23, expect=FAILED)
        self.bench("pair", "--secret", "s", "--target", "p50", expect=FAILED)
        self.bench("pair", "--secret", "s", "--stall", 1, expect=FAILED)
        self.bench("pair", "--secret", "s", "--stall", 1, "--stall-at", 1, "--seconds", 1,
                   "--server-pid", self.server.pid, expect=FAILED)
        for flag in ("--rate", "--seconds", "--warmup", "--drain", "--stall-at"):
            done = self.bench("pair", "--secret", "s", flag, "nan", expect=FAILED)
            self.assertIn(flag, done.stderr)
        self.bench("pair", "--secret", "s", "--messages", "-1", expect=FAILED)
        done = self.bench("pair", "--secret", "s", "--address",
                          f"127.0.0.1:{server_module.free_port()}", expect=FAILED)
        self.assertIn("Connection refused", done.stderr)
        done = self.bench("pair", "--address", "%s:%d" % self.server.address, "--org",
                          server_module.ORG, "--appkey", server_module.APPKEY, "--secret",
                          "x" * 40, "--connections", 2, expect=FAILED)
        self.assertIn("code 3", done.stderr)
        self.assertNotIn("x" * 40, done.stderr)

    def test_the_server_dies_under_load(self):
        for is_looked_at in (False, True):
            with self.subTest(is_looked_at=is_looked_at):
                self.kill_under_load(is_looked_at)

    def kill_under_load(self, is_looked_at):
        own = self.own_server()
        flags = ["pair", "--address", "%s:%d" % own.address, "--org", server_module.ORG, "--appkey",
                 server_module.APPKEY, "--secret", server_module.SECRET, "--connections", "10",
                 "--seconds", "1", "--drain", "0.2", "--phases", "--quiet"]
        if is_looked_at:
            flags += ["--server-pid", str(own.pid)]
        with subprocess.Popen([str(IMSBENCH), *flags], stdout=subprocess.PIPE, text=True) as run:
            for line in run.stdout:
                if line == "start\n":
                    own.kill()
            self.expect("exit code", VIOLATED, run.wait(TIMEOUT_S))

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            stem = os.path.join(folder, "run")
            done = self.bench(*self.flags, "--address", "%s:%d" % self.server.address, "--org",
                              server_module.ORG, "--appkey", server_module.APPKEY, "--secret",
                              server_module.SECRET, "--json", stem + ".json", "--svg", stem,
                              "--hgrm", stem)
            self.assertIn("delivery", done.stdout)
            text = Path(stem + ".json").read_text()
            self.assertNotIn(server_module.SECRET, text)
            result = json.loads(text)
            count = result["latency_us"]["delivery"]["corrected"]["count"]
            for path in Path(folder).glob("*.svg"):
                xml.dom.minidom.parse(str(path))
            self.expect("plots", 2, len(list(Path(folder).glob("*.svg"))))
            percentiles = Path(stem + "-delivery.hgrm").read_text()
            self.assertIn(f"Total count    = {count:12}", percentiles)

    def test_phases_and_lines_that_let_it_go_on(self):
        flags = [*map(str, self.flags), "--address", "%s:%d" % self.server.address, "--org",
                 server_module.ORG, "--appkey", server_module.APPKEY, "--secret",
                 server_module.SECRET, "--wait", "--quiet", "--json", "-"]
        with subprocess.Popen([str(IMSBENCH), *flags], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
            self.expect("first line", "ready\n", run.stdout.readline())
            time.sleep(0.3)
            relayed = self.server.stats()["ims_messages_relayed_total"]
            time.sleep(0.2)
            self.expect("messages before the line", relayed,
                        self.server.stats()["ims_messages_relayed_total"])
            for word in ("start\n", "stop\n"):
                if word == "start\n":
                    run.stdin.write("\n")
                    run.stdin.flush()
                self.expect("next line", word, run.stdout.readline())
            run.stdin.write("\n")
            run.stdin.flush()
            self.expect("exit code", MET, json.loads(run.stdout.readline())["exit_code"])
            self.expect("last line", "verified\n", run.stdout.readline())


class Floors(Bench):
    """What the floors say of wrong options and of their port, and what they leave behind."""

    def test_wrong_options(self):
        for flag, values in (("--seconds", ("-1", "0", "nan", "inf", "-inf", "", "5x", 86_401)),
                             ("--warmup", ("-0.1", "nan", "inf", 3_601)),
                             ("--core", ("-1", "-2", 1024, "nan")),
                             ("--window", ("-1", "0")), ("--connections", ("-1", "0")),
                             ("--recipients", ("-1", "0")), ("--payload", ("-1", 64_001))):
            for value in values:
                with self.subTest(flag=flag, value=value):
                    done = self.bench("store-floor", f"{flag}={value}", expect=FAILED)
                    self.assertIn(flag, done.stderr)
                    self.expect("standard output", "", done.stdout)
        for address in ("127.0.0.1", "127.0.0.1:65536", "127.0.0.1:-1", "localhost:7001", ""):
            with self.subTest(address=address):
                self.assertIn("127.0.0.1:7000",
                              self.bench("floor", address, expect=FAILED).stderr)

    def store_floor(self, scratch, *flags):
        return [str(IMSBENCH), "store-floor", "--scratch", scratch, "--recipients", "1000",
                *flags]

    def test_the_shortest(self):
        with tempfile.TemporaryDirectory(prefix="imsbench-test-") as scratch:
            done = subprocess.run(self.store_floor(scratch, "--warmup=0", "--seconds=0.001",
                                                   "--json=-"),
                                  capture_output=True, text=True, timeout=TIMEOUT_S)
            self.expect(f"exit code ({done.stderr})", MET, done.returncode)
            self.assertGreater(json.loads(done.stdout)["measured"]["answered"], 0)
            self.expect("left behind", [], os.listdir(scratch))

    def test_a_signal_leaves_nothing_behind(self):
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(name=name), \
                    tempfile.TemporaryDirectory(prefix="imsbench-test-") as scratch:
                process = subprocess.Popen(self.store_floor(scratch, "--seconds=3600"),
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                try:
                    self.eventually("a store", True, lambda: any(Path(scratch).glob("*/CURRENT")))
                    process.send_signal(name)
                    output = process.communicate(timeout=TIMEOUT_S)
                finally:
                    process.kill()
                    process.wait()
                self.expect("exit code", -name, process.returncode)
                self.expect("left behind", [], os.listdir(scratch))
                self.expect("said", (b"", b""), output)

    def test_a_reader_that_leaves(self):
        with tempfile.TemporaryDirectory(prefix="imsbench-test-") as scratch:
            process = subprocess.Popen(self.store_floor(scratch, "--seconds=0.1", "--json=-"),
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            process.stdout.close()
            process.wait(TIMEOUT_S)
            self.expect("left behind", [], os.listdir(scratch))

    def test_the_port_that_the_kernel_chose(self):
        for host in ("127.0.0.1", *(["[::1]"] if has_ipv6() else [])):
            with self.subTest(host=host), \
                    subprocess.Popen([str(IMSBENCH), "floor", f"{host}:0"],
                                     stderr=subprocess.PIPE, text=True) as floor:
                try:
                    said = floor.stderr.readline()
                    port = re.fullmatch(rf"listening on {re.escape(host)}:(\d+)\n", said)
                    self.assertIsNotNone(port, said)
                    with socket.create_connection((host.strip("[]"), int(port[1])), timeout=10):
                        pass
                finally:
                    floor.kill()


class Faults(Bench):
    """A server that does wrong once in a while is found out, by the name of what it does."""

    def pair(self, port, expect):
        return self.result_of(self.bench(
            "pair", "--floor", "--address", f"127.0.0.1:{port}", "--connections", 20, "--window", 8,
            "--messages", 5000, "--warmup", 0, "--drain", 0.5, "--quiet", "--json", "-",
            expect=expect))

    def test_none(self):
        self.expect_flawless(self.pair(self.floor(), MET))

    def test_none_in_groups(self):
        result = self.result_of(self.bench(
            "group", "--floor", "--address", f"127.0.0.1:{self.floor('--group', '10')}",
            "--connections", 40, "--group-members", 10, "--messages", 500, "--quiet", "--json", "-"))
        self.expect_flawless(result)
        self.expect("delivered", 9 * result["total"]["sent"], result["total"]["delivered"])

    def test_faults(self):
        for fault, rules in (("drop", {"lost"}), ("dup", {"duplicate"}), ("reorder", {"order"}),
                             ("corrupt", {"content"}), ("noack", {"unanswered"}),
                             ("stray", {"wrong_recipient", "lost"})):
            with self.subTest(fault):
                result = self.pair(self.floor("--fault", f"{fault}=500"), VIOLATED)
                broken = {rule for rule, count in result["violations"].items() if count}
                self.expect(f"rules that {fault} breaks", rules, broken)
                self.assertTrue(result["notes"], "nothing is said about it")
                for rule in rules:
                    self.assertGreaterEqual(result["violations"][rule], 5)

    def test_faults_of_a_whole_server(self):
        """What only a server of the protocol can do wrong; without a fault nothing is found."""
        for fault, rules in (
                ("none", set()), ("unknown", {"answer_unknown"}), ("twice", {"answer_twice"}),
                ("refused", {"refused"}), ("from", {"wrong_recipient", "lost"}), ("hole", {"gap"}),
                ("differing", {"seq"}), ("relayed", {"seq"}), ("nonsense", {"protocol"}),
                ("goodbye", {"disconnected"})):
            with self.subTest(fault), faulty_server.FaultyServer(self.messages, fault) as server:
                result = self.result_of(self.bench(
                    "pair", "--address", "127.0.0.1:%d" % server.port, "--secret", "x" * 32,
                    "--offline", "--connections", 4, "--window", 4, "--messages", 200, "--warmup", 0,
                    "--drain", 0.5, "--quiet", "--json", "-",
                    expect=VIOLATED if rules else MET))
                broken = {rule for rule, count in result["violations"].items() if count}
                if fault == "goodbye":  # what was under way is gone as well
                    broken -= {"unanswered", "lost"}
                self.expect(f"rules that {fault} breaks", rules, broken)

    def test_a_violation_outranks_a_missed_target(self):
        port = self.floor("--fault", "dup=500")
        self.bench("pair", "--floor", "--address", f"127.0.0.1:{port}", "--connections", 20,
                   "--messages", 5000, "--quiet", "--target", "p50<1ns", expect=VIOLATED)


if __name__ == "__main__":
    case.main()
