#!/usr/bin/python3
"""Each script of deploy/trace/ against a server under a small load: it attaches, ends by itself, and
prints what it is for. Skipped, with the reason, where this machine lets nobody attach."""

import os
import re
import shutil
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import codes  # noqa: E402
import load  # noqa: E402
import server as server_module  # noqa: E402

TRACE = Path(__file__).resolve().parent.parent.parent / "deploy" / "trace"
SECONDS = 4
TIMEOUT_S = 90
PROBES = {"stage": 3, "traced": 6, "open": 2, "close": 2, "login": 2, "send": 3, "wake": 1,
          "slow": 3, "ring_full": 2, "commit_begin": 2, "commit_end": 3}  # and their arguments
SCRIPTS = {"latency", "frames", "wakes", "slow", "commits", "connections"}

_refusal = None


def why_not():
    """Why bpftrace cannot be used here; empty: it can."""
    global _refusal
    if _refusal is not None:
        return _refusal
    if not shutil.which("bpftrace"):
        _refusal = "bpftrace is not installed"
    elif os.geteuid() != 0:
        _refusal = "bpftrace needs root"
    else:
        done = subprocess.run(
            ["bpftrace", "-e", f"uprobe:{server_module.IMSD}:main {{ }} interval:s:1 {{ exit(); }}"],
            capture_output=True, text=True, timeout=TIMEOUT_S)
        _refusal = "" if done.returncode == 0 else f"uprobes are refused: {done.stderr[-200:]}"
    return _refusal


class Probes(case.Case):
    def test_all_that_are_documented_are_in_the_program(self):
        notes = subprocess.run(["readelf", "-n", str(server_module.IMSD)], capture_output=True,
                               text=True, check=True).stdout
        found = {}
        for match in re.finditer(r"Provider: imsd\n\s+Name: (\w+)\n.*\n\s+Arguments: (.*)\n", notes):
            found.setdefault(match[1], set()).add(len(match[2].split()))
        self.expect("probes and their arguments", {name: {count} for name, count in PROBES.items()},
                    found)
        header = (TRACE.parent.parent / "shared" / "probes.h").read_text()
        for name in PROBES:
            self.assertIn(f"//   {name}(", header)

    def test_each_script_says_how_it_is_used(self):
        scripts = {path.stem: path.read_text() for path in TRACE.glob("*.bt")}
        self.expect("scripts", SCRIPTS, set(scripts))
        for name, text in scripts.items():
            self.assertIn(f"deploy/trace/attach {name} PID [SECONDS]", text)

    def test_the_program_has_a_build_id_and_frame_pointers(self):
        notes = subprocess.run(["readelf", "-n", str(server_module.IMSD)], capture_output=True,
                               text=True, check=True).stdout
        self.assertRegex(notes, r"Build ID: [0-9a-f]{40}")


class Scripts(case.Case):
    shared = case.use_server(gateways=1, workers=1, trace_sample=1, stall_timeout="1s")

    def setUp(self):
        if why_not():
            self.skipTest(why_not())

    def run_script(self, name, act):
        """Its output; `act` is done again and again while it watches."""
        command = [str(TRACE / "attach"), name, str(self.server.pid), str(SECONDS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as script:
            deadline = time.monotonic() + TIMEOUT_S
            try:
                while script.poll() is None:
                    if time.monotonic() > deadline:
                        self.fail(f"expected {name}.bt to end within {TIMEOUT_S} s")
                    act()
            finally:
                if script.poll() is None:
                    script.kill()
            out, errors = script.stdout.read(), script.stderr.read()
        if script.returncode != 0:
            self.fail(f"expected {name}.bt to exit 0, got {script.returncode}: {errors[-500:]}")
        return out

    def number(self, text, pattern):
        match = re.search(pattern, text)
        if not match:
            self.fail(f"expected {pattern!r} in {text[-2000:]}")
        return int(match[1])

    def relayed(self):
        with load.Load(self.server, "pair", "--connections", 10, "--window", 4, "--messages",
                       200) as run:
            run.finish()

    def stored(self):
        with load.Load(self.server, "pair", "--connections", 10, "--window", 4, "--messages", 200,
                       "--offline") as run:
            run.finish()

    def test_latency(self):
        text = self.run_script("latency", self.relayed)
        count = self.number(text, r"@stage_ns\[relayed, 9 total\]: count (\d+)")
        self.assertGreater(count, 100)
        total = self.number(text, r"@stage_ns\[relayed, 9 total\]: .*total (\d+)")
        stages = [int(n) for n in re.findall(r"@stage_ns\[relayed, [1-8] .*total (\d+)", text)]
        self.expect("stages", 8, len(stages))
        self.assertLessEqual(abs(sum(stages) - total), 0.01 * total)
        self.assertIn("@total_ns[relayed]:", text)
        self.assertIn("@stage_ns[login, 4 handle]", text)

    def test_frames(self):
        text = self.run_script("frames", self.relayed)
        sends = self.number(text, r"@sends\[gw0\]: (\d+)")
        frames = self.number(text, r"@frames\[gw0\]: (\d+)")
        self.assertGreater(sends, 50)
        self.assertGreaterEqual(frames, sends)
        self.assertIn("@frames_per_send:", text)
        self.assertIn("@bytes_per_send:", text)

    def test_frames_and_sends_as_the_server_counts_them(self):
        """The probe's frames are those of the counter: none is missed, none counted twice."""
        program = ("usdt::imsd:send { @sends = count(); @frames = sum(arg2); @bytes = sum(arg1) } "
                   "interval:s:1 { @s++; if (@s >= 5) { exit(); } }")
        with subprocess.Popen(["bpftrace", "-p", str(self.server.pid), "-e", program],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
            self.assertIn("Attaching", script.stdout.readline())
            time.sleep(1.5)
            before = self.server.stats()
            self.relayed()
            after = self.server.stats()
            out, _ = script.communicate(timeout=TIMEOUT_S)
        self.expect("sends", after["ims_sends_total"] - before["ims_sends_total"],
                    self.number(out, r"@sends: (\d+)"))
        self.expect("frames", after['ims_frames_total{dir="out"}'] -
                    before['ims_frames_total{dir="out"}'], self.number(out, r"@frames: (\d+)"))

    def test_wakes(self):
        text = self.run_script("wakes", self.stored)
        self.assertRegex(text, r"@wakes\[\w+, (sent|not needed)\]: \d+")

    def test_commits(self):
        text = self.run_script("commits", self.stored)
        commits = self.number(text, r"@commits: (\d+)")
        self.assertGreater(commits, 3)
        self.assertGreaterEqual(self.number(text, r"@rows: (\d+)"), commits)
        self.assertGreater(self.number(text, r"@writing_ns: (\d+)"), commits * 1000)
        self.assertIn("@us_per_commit:", text)

    def test_connections(self):
        text = self.run_script("connections", lambda: self.login(case.fresh("alice")).leave())
        opened = self.number(text, r"@opened: (\d+)")
        self.assertGreater(opened, 3)
        self.assertGreater(self.number(text, r"@logins\[0\]: (\d+)"), 3)
        self.assertRegex(text, r"@closed\[(normal|peer_closed)\]: \d+")
        self.assertIn("@ms_alive:", text)

    def test_slow(self):
        sender = self.login(case.fresh("sender"))

        def flood():
            """To who does not read: more than its socket and its queue hold."""
            reader = self.login(case.fresh("reader"), client=self.connect(receive_buffer=4096))
            for _ in range(20):
                for _ in range(5):
                    sender.post(codes.MESSAGE, self.message(to=reader.user, payload=b"x" * 30_000))
                sender.settle(0.01)
        text = self.run_script("slow", flood)
        self.assertIn("TIME     ACTION   CONNECTION    OWED BYTES", text)
        self.assertRegex(text, r"\d\d:\d\d:\d\d dropped  0\.\d+\.\d+ \d+\n")
        self.assertRegex(text, r"@actions\[dropped\]: \d+")


class WrongUse(case.Case):
    """A line on standard error says what is wrong: nothing of Python's, nothing of the tracer's."""
    shared = case.use_server(gateways=1, workers=1)

    def expect_line(self, code, says, program, *words, **environment):
        done = subprocess.run([str(TRACE / program), *map(str, words)], capture_output=True, text=True,
                              timeout=TIMEOUT_S, env={**os.environ, **environment})
        what = f"{program} {words}: {done.stderr}"
        self.expect(f"exit code of {what}", code, done.returncode)
        self.expect(f"output of {what}", "", done.stdout)
        self.expect(f"lines of {what}", 1, len(done.stderr.splitlines()))
        self.assertTrue(done.stderr.startswith(f"{program}: "), what)
        self.assertIn(says, done.stderr)

    def test_no_process_or_another(self):
        for program, before in (("flame", ()), ("attach", ("wakes",))):
            with self.subTest(program=program):
                self.expect_line(2, "PID", program, *before)
                for pid in ("imsd", "-5", "0", "1.5", "", 2**31, 10**30):
                    self.expect_line(2, "PID", program, *before, pid)
                self.expect_line(1, "no process", program, *before, 2**31 - 1)
                self.expect_line(1, "no imsd", program, *before, os.getpid())
                self.expect_line(1, "no imsd", program, *before, 1)

    def test_other_arguments(self):
        pid = self.server.pid
        self.expect_line(2, "NAME", "attach")
        self.expect_line(2, "nonsense", "attach", "nonsense", pid)
        for seconds in ("0", "-1", "1.5", "nan", "soon", 86_401):
            self.expect_line(2, "SECONDS", "attach", "wakes", pid, seconds)
        for seconds in ("0", "-1", "nan", "inf", "soon", 86_400.5):
            self.expect_line(2, "--seconds", "flame", pid, f"--seconds={seconds}")
        for frequency in ("0", "-1", "many", 10_001):
            self.expect_line(2, "--frequency", "flame", pid, f"--frequency={frequency}")
        self.expect_line(2, "--nonsense", "flame", pid, "--nonsense")

    def test_a_file_that_cannot_be_written(self):
        pid, folder = self.server.pid, self.server.scratch
        self.expect_line(1, "is a folder", "flame", pid, "--out", folder)
        self.expect_line(1, "no folder", "flame", pid, "--out", folder / "none" / "flame.svg")
        self.expect_line(1, "no folder", "flame", pid, "--out", server_module.IMSD / "flame.svg")

    def test_without_the_tracer(self):
        nothing = str(self.server.scratch)
        out = self.server.scratch / "flame.svg"
        self.expect_line(1, "perf is not installed", "flame", self.server.pid, "--out", out,
                         PATH=nothing)
        self.expect_line(1, "bpftrace is not installed", "attach", "wakes", self.server.pid,
                         PATH=nothing)


@unittest.skipUnless(shutil.which("perf"), "perf is not installed")
class Flame(case.Case):
    shared = case.use_server(gateways=1, workers=1)

    def flame(self, *flags, out=None, code=0):
        with load.Load(self.server, "pair", "--connections", 50, "--window", 32, "--seconds",
                       30) as run:
            run.until("start")
            out = out or self.server.scratch / "flame.out"
            done = subprocess.run([str(TRACE / "flame"), str(self.server.pid), "--seconds", "2",
                                   "--out", str(out), *flags], capture_output=True, text=True,
                                  timeout=TIMEOUT_S)
        if "perf record failed" in done.stderr:
            self.skipTest(done.stderr)
        self.expect(f"exit code ({done.stderr})", code, done.returncode)
        return out if code == 0 else done.stderr

    def test_svg_is_well_formed_and_names_threads_and_functions(self):
        root = ElementTree.parse(self.flame()).getroot()
        self.expect("root", "{http://www.w3.org/2000/svg}svg", root.tag)
        names = {box.get("data-n"): box for box in root.iter("{http://www.w3.org/2000/svg}g")}
        self.expect("depth of gw0", "1", names["gw0"].get("data-d"))
        ours = [name for name in names if name.startswith("gateway::Gateway::")]
        self.assertGreater(len(ours), 3, sorted(names))
        self.assertTrue(any(name.endswith("_[k]") for name in names), "nothing of the kernel")
        for box in names.values():
            title = box.find("{http://www.w3.org/2000/svg}title").text
            self.assertRegex(title, r": \d+ samples, \d+\.\d\d %$")
        # Boxes of one row, side by side, are not wider than the whole.
        threads = [float(box.get("data-w")) for box in names.values() if box.get("data-d") == "1"]
        self.assertLessEqual(sum(threads), 1.0001)

    def test_stacks_of_one_thread_as_text(self):
        lines = self.flame("--folded", "--thread", "gw0").read_text().splitlines()
        self.assertGreater(len(lines), 5)
        deepest = 0
        for line in lines:
            stack, _, count = line.rpartition(" ")
            self.assertTrue(stack.startswith("gw0;"), line)
            self.assertGreater(int(count), 0)
            deepest = max(deepest, stack.count(";"))
        # Frame pointers: chains go from the thread's first function down to ours.
        self.assertGreater(deepest, 4)
        self.assertTrue(any("gateway::Gateway::" in line for line in lines))

    def test_the_disk_is_full(self):
        self.expect("said", "flame: cannot write /dev/full: No space left on device\n",
                    self.flame(out=Path("/dev/full"), code=1))


if __name__ == "__main__":
    case.main()
