"""A look at a live server: its counters, read where they are (DIR/run/counters, by
shared/counter_file.h), its CPU time and its sleeps; and what two looks say that each of a kind of
thing cost. It takes microseconds and no process, so it fits between two moments of a load."""

import mmap
import statistics
import struct
from pathlib import Path

from costs import spread

HEADER = struct.Struct("=8s8I12QqQ")
NAME_BYTES = 80
LAYOUT = 2
SUMS = ("bytes", "nanoseconds")  # of counters that grow by more than one


class LiveCounters:
    """Of the server that is running over the data directory now."""

    def __init__(self, data):
        with open(Path(data) / "run" / "counters", "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (magic, layout, cells, _, _, threads, _, _, _, names_at, _, _, threads_at, self.blocks_at,
         self.block_bytes, *_) = HEADER.unpack_from(self.bytes)
        if magic != b"IMSCNTR\n" or layout != LAYOUT:
            raise RuntimeError("this is another build's counters file")
        self.names = [self.name(names_at, i) for i in range(cells)]
        self.threads = [self.name(threads_at, i) for i in range(threads)]

    def name(self, at, index):
        at += index * NAME_BYTES
        return self.bytes[at:at + NAME_BYTES - 1].partition(b"\0")[0].decode()

    def read(self, threads=""):
        """{name: sum over the threads whose names begin so}."""
        total = [0] * len(self.names)
        for index, thread in enumerate(self.threads):
            if thread and thread.startswith(threads):
                cells = struct.unpack_from(f"={len(self.names)}Q", self.bytes,
                                           self.blocks_at + index * self.block_bytes)
                total = [a + b for a, b in zip(total, cells, strict=True)]
        return dict(zip(self.names, total, strict=True))


class Look:
    """The server's counters, CPU time and sleeps at one moment."""

    def __init__(self, bench, server):
        self.stats, self.cpu_ns = LiveCounters(bench.data).read(), server.cpu()[0]
        self.sleeps = 0
        for task in Path(f"/proc/{server.pid}/task").iterdir():
            status = (task / "status").read_text()
            self.sleeps += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def since(self, before, unit):
        """{metric: for each that the counter `unit` grew by}; None where it did not grow."""
        def grown(*names):
            return sum(self.stats[name] - before.stats[name] for name in names)
        units = grown(unit)
        if units == 0:
            return None
        found = {"cpu_us": (self.cpu_ns - before.cpu_ns) / 1000,
                 "syscalls": grown("ims_syscalls_total", 'ims_wakes_total{result="sent"}'),
                 "wakes": grown('ims_wakes_total{result="sent"}'),
                 "sleeps": self.sleeps - before.sleeps,
                 "allocated": grown("ims_allocated_bytes"),
                 "increments": grown(*(name for name in self.stats if "_total" in name and
                                       not any(word in name for word in SUMS)))}
        return {metric: value / units for metric, value in found.items()}


def middle(rows, key):
    return statistics.median(row[key] for row in rows)


def all_of(rows, key):
    return spread([row[key] for row in rows], 2 if middle(rows, key) < 10 else None)


def ratio_of(rows, first, key="cpu_us"):
    """The median of the rounds' own ratios."""
    return f"{statistics.median(a[key] / b[key] for a, b in zip(rows, first, strict=True)):.2f}"


def in_turn(sizes, round_):
    """Every other round the other way round."""
    return sizes if round_ % 2 == 0 else sizes[::-1]
