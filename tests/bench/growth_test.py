#!/usr/bin/python3
"""How bench/growth.py and bench/cores.py read and judge, without a server: the counters file, the
records in a ring's memory, what each unit cost and the rounds' ratios."""

import mmap
import os
import struct
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

import cores  # noqa: E402
import growth  # noqa: E402
import live_counters  # noqa: E402

PAGE = mmap.PAGESIZE


def write_counters(data, layout=live_counters.LAYOUT):
    """Two counters of three threads and a place that none took; the blocks are a page each."""
    names, threads = ["a_total", 'b_total{x="1"}'], ["gw0", "gw1", "worker0", ""]
    names_at, threads_at = 512, 1024
    content = bytearray(PAGE * (1 + len(threads)))
    live_counters.HEADER.pack_into(content, 0, b"IMSCNTR\n", layout, len(names), 0, 0, len(threads),
                                   2, 0, 0, names_at, 0, 0, threads_at, PAGE, PAGE, 0, 0, 0, 0, 0,
                                   0, 0, 0)
    for at, words in ((names_at, names), (threads_at, threads)):
        for index, word in enumerate(words):
            struct.pack_into("79sB", content, at + index * live_counters.NAME_BYTES, word.encode(), 7)
    for index in range(len(threads)):
        struct.pack_into("2Q", content, PAGE * (1 + index), 10 ** index, 2 * 10 ** index)
    (data / "run").mkdir()
    (data / "run" / "counters").write_bytes(content)


class Counters(unittest.TestCase):
    def test_sums_by_threads(self):
        with tempfile.TemporaryDirectory() as data:
            write_counters(Path(data))
            counters = live_counters.LiveCounters(data)
        self.assertEqual({"a_total": 111, 'b_total{x="1"}': 222}, counters.read())
        self.assertEqual({"a_total": 11, 'b_total{x="1"}': 22}, counters.read("gw"))
        self.assertEqual({"a_total": 100, 'b_total{x="1"}': 200}, counters.read("worker"))
        self.assertEqual({"a_total": 0, 'b_total{x="1"}': 0}, counters.read("nobody"))

    def test_another_layout_is_refused(self):
        with tempfile.TemporaryDirectory() as data:
            write_counters(Path(data), live_counters.LAYOUT + 1)
            with self.assertRaises(RuntimeError):
                live_counters.LiveCounters(data)

    def test_what_each_of_a_kind_cost(self):
        def look(units, cpu_ns, value, sleeps):
            found = live_counters.Look.__new__(live_counters.Look)
            found.cpu_ns, found.sleeps = cpu_ns, sleeps
            found.stats = {"ims_syscalls_total": value, 'ims_wakes_total{result="sent"}': 2 * value,
                           "ims_allocated_bytes": 50, "ims_bytes_total": 9 * value,
                           growth.RELAYED: units}
            return found
        before, after = look(100, 1_000_000, 0, 5), look(120, 3_000_000, 10, 15)
        self.assertEqual({"cpu_us": 100, "syscalls": 1.5, "wakes": 1, "sleeps": 0.5, "allocated": 0,
                          "increments": 2.5}, after.since(before, growth.RELAYED))
        self.assertIsNone(before.since(before, growth.RELAYED))

    def test_a_ratio_is_the_median_of_the_rounds_own(self):
        rows, first = ([{"cpu_us": value} for value in values]
                       for values in ((2, 30, 9), (1, 10, 9)))
        self.assertEqual("2.00", live_counters.ratio_of(rows, first))


class Rings(unittest.TestCase):
    """A ring of this process: one memory file, seen twice in a row."""

    def ring(self, records, size=PAGE):
        file = os.memfd_create("ims_requests")
        self.addCleanup(os.close, file)
        os.truncate(file, size)
        views = [mmap.mmap(file, size) for _ in range(2)]
        at = 0
        for kind, length, *flags in records:
            struct.pack_into("=IBB", views[0], at, length, kind, *(flags or [0]))
            at += length
        return views

    def test_records_up_to_the_last(self):
        views = self.ring([(2, 248), (6, 32), (34, 64), (34, 72, cores.FLAG_STORED), (70, 8)])
        self.assertEqual([("message", 248), ("taken", 32), ("push", 64), ("row push", 72),
                          ("handoff", 8)], cores.ring_records(os.getpid(), "ims_requests"))
        self.assertEqual({"ims_requests": [PAGE], "ims_deliveries": [], "ims_handoffs": []},
                         cores.ring_sizes(os.getpid()))
        for view in views:
            view.close()

    def test_one_that_came_round_is_refused(self):
        for records in ([(2, PAGE)], [(2, 8), (0, 0), (2, 8)]):
            with self.subTest(records=records):
                views = self.ring(records)
                if len(records) > 1:
                    views[0][PAGE - 1] = 1  # older bytes behind the last record
                with self.assertRaises(RuntimeError):
                    cores.ring_records(os.getpid(), "ims_requests")
                for view in views:
                    view.close()


if __name__ == "__main__":
    unittest.main()
