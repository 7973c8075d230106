#!/usr/bin/python3
"""What bench/gate says of figures, without a server: where +3 % lies, slacks and limits, what has no
baseline; how it reads callgrind's output; and its exit codes."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

import gate_count  # noqa: E402

LOADER = importlib.machinery.SourceFileLoader("gate", str(ROOT / "bench" / "gate"))
gate = importlib.util.module_from_spec(importlib.util.spec_from_loader("gate", LOADER))
LOADER.exec_module(gate)

UNITS = 10_000


class Judgement(unittest.TestCase):
    def setUp(self):
        self.gate = gate.Gate.__new__(gate.Gate)  # no server is needed to judge

    def wrong(self, name, metric, before, value):
        baseline = {} if before is None else {metric: before}
        return [m for m, _ in self.gate.faults(name, {metric: value, "units": UNITS}, baseline)]

    def test_instructions_may_grow_by_three_percent(self):
        self.assertEqual([], self.wrong("login", "instructions", 1000, 1000))
        self.assertEqual([], self.wrong("login", "instructions", 1000, 1030))
        self.assertEqual(["instructions"], self.wrong("login", "instructions", 1000, 1030.1))
        self.assertEqual([], self.wrong("login", "instructions", 1000, 500))

    def test_the_engine_may_grow_by_more(self):
        slack = gate.SLACK["store_instructions"] / UNITS
        self.assertEqual([], self.wrong("login", "store_instructions", 1000, 1119 + slack))
        self.assertEqual(["store_instructions"],
                         self.wrong("login", "store_instructions", 1000, 1121 + slack))

    def test_the_slack_is_of_a_run_not_of_a_unit(self):
        slack = gate.SLACK["syscalls"] / UNITS
        self.assertEqual([], self.wrong("login", "syscalls", 0, 0.99 * slack))
        self.assertEqual(["syscalls"], self.wrong("login", "syscalls", 0, 1.01 * slack))

    def test_a_group_may_take_more_blocks_at_once(self):
        most = gate.GROUP_SLACK["allocated_bytes"] / UNITS
        self.assertEqual([], self.wrong("group_16", "allocated_bytes", 0, 0.99 * most))
        self.assertEqual(["allocated_bytes"],
                         self.wrong("group_16", "allocated_bytes", 0, 1.01 * most))
        self.assertEqual(["allocated_bytes"], self.wrong("login", "allocated_bytes", 0, most))

    def test_what_holds_whatever_the_baseline_says(self):
        for value, wrong in ((499, True), (500, False), (1_600, False), (1_601, True)):
            with self.subTest(value=value):
                self.assertEqual(["instructions"] if wrong else [],
                                 self.wrong("pair_32", "instructions", value, value))

    def test_without_a_baseline_nothing_passes(self):
        self.assertEqual(["instructions"], self.wrong("login", "instructions", None, 1))
        # The kernel is not asked everywhere.
        self.assertEqual([], self.wrong("login", "kernel_syscalls", None, 1))

    def test_better_is_what_would_be_a_fault_the_other_way_round(self):
        def said(value):
            return self.gate.figures("login", {"instructions": value, "units": UNITS},
                                     {"instructions": 1000})
        self.assertIn("-10.0 % better", said(900))
        self.assertIn("-2.0 %", said(980))
        self.assertNotIn("better", said(980))
        self.assertNotIn("better", said(1100))

    def test_the_median_decides(self):
        runs = [{"instructions": value, "units": 5, "functions": {"f": value}}
                for value in (30, 10, 20)]
        self.assertEqual({"instructions": 20, "units": 5, "functions": {"f": 20}},
                         gate.middle(runs))


# imsd calls RocksDB, which is linked into it (700, of which 50 of libc, 60 of a template for it and
# 40 of one that both use, which costs imsd another 15), libc (30) and itself, where what RocksDB is
# given is ours (7); a tick by itself costs 5. RocksDB has a thread of its own (1,000).
CALLGRIND = """events: Ir
ob=(1) /build/imsd
fl=(1) a.cc
fn=(1) ims::logic::Worker::turn(ims::Now)
10 100
cfn=(2) rocksdb::DB::Write(rocksdb::WriteBatch*)
calls=1 20
11 700
cob=(3) /usr/lib/libc.so.6
cfn=(3) memcpy
calls=2 30
+1 30
cfn=(8) std::string::append(char const*)
calls=1 80
+1 15
cfn=(4) ims::logic::Worker::tick(ims::Now)
calls=1 40
+1 25
fn=(4)
40 5
cob=(3)
cfn=(3)
calls=1 30
+1 20

fn=(2)
20 550
cfn=(8)
calls=1 80
* 40
cob=(3)
cfn=(3)
calls=1 30
* 50
cfn=(6) std::vector<rocksdb::Slice>::push_back(rocksdb::Slice&&)
calls=1 60
* 60
fn=(6)
60 60
fn=(5) rocksdb::Background()
50 1000
fn=(7) ims::logic::fill(rocksdb::WriteBatch&)
70 7
fn=(8)
80 55

ob=(3)
fn=(3)
30 100
totals: 1877
"""


class Reading(unittest.TestCase):
    def test_what_is_whose(self):
        with tempfile.NamedTemporaryFile("w", suffix=".out") as file:
            file.write(CALLGRIND)
            file.flush()
            ours, store, functions = gate_count.read_callgrind(Path(file.name))
        self.assertEqual(700, store)
        self.assertEqual(100 + 30 + 7 + 15, ours)
        self.assertEqual({"ims::logic::Worker::turn(ims::Now)": 130,
                          "ims::logic::fill(rocksdb::WriteBatch&)": 7,
                          "std::string::append(char const*)": 15}, functions)


def run_gate(build, *words):
    environment = {name: value for name, value in os.environ.items() if name != "IMS_BUILD_DIR"}
    return subprocess.run([str(ROOT / "bench" / "gate"), "--build", str(build), *map(str, words)],
                          capture_output=True, text=True, timeout=60, env=environment)


class ExitCodes(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="gate-test-")
        self.addCleanup(scratch.cleanup)
        self.build = Path(scratch.name)

    def program(self, name, script):
        path = self.build / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)

    def expect(self, code, says, *words):
        done = run_gate(self.build, *words)
        self.assertEqual(code, done.returncode, done.stderr)
        self.assertIn(says, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def check(self, value):
        """check() of one workload whose every figure is `value`, and what it printed."""
        judge = gate.Gate.__new__(gate.Gate)
        judge.only, judge.script = ["login"], types.SimpleNamespace(WORKLOADS={"login": None})
        judge.measure = lambda how, io, placement, names: {"login": (
            {"instructions": value, "units": UNITS, "functions": {}} if how == "instructions" else
            {"syscalls": value, "units": UNITS})}
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = judge.check()
        return code, out.getvalue()

    def test_grew(self):
        code, text = self.check(1e9)
        self.assertEqual(1, code)
        self.assertIn("GREW", text)
        self.assertIn(self.check(0)[0], (0, 77))  # without valgrind

    def test_no_program(self):
        for words in ((), ("--accept",), ("--spread", 2)):
            self.expect(3, "could not measure: ", "--only", "login", *words)

    def test_the_server_does_not_start(self):
        self.program("imsctl", "exit 0\n")
        self.program("imsd", "echo 'imsd: the moon is full' >&2\nexit 1\n")
        for words in ((), ("--accept",), ("--spread", 1)):
            self.expect(3, "the moon is full", "--only", "login", *words)

    def test_imsctl_refuses(self):
        self.program("imsctl", "echo 'imsctl: no' >&2\nexit 1\n")
        self.program("imsd", "exit 1\n")
        self.expect(3, "imsctl: no", "--only", "login")

    def test_wrong_usage(self):
        self.expect(2, "no workload nonsense", "--only", "nonsense")
        for runs in ("0", "-1", "many"):
            self.expect(2, "--spread", "--spread", runs)


if __name__ == "__main__":
    unittest.main()
