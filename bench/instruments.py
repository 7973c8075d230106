"""What the instruments cost: the traces at their default against none. `bench/run instruments`. Counters
cannot be switched off; how many increments a message makes is counted. Instructions are bench/gate's, in
lock step; CPU time is that of two servers on core 0, of which one at a time is loaded, in turn."""

import importlib.machinery
import importlib.util
import os
import re
import statistics
import types
from pathlib import Path

from growth import DELIVERED, RELAYED, Growth
from live_counters import all_of, middle

ROOT = Path(__file__).resolve().parent.parent
SLICES = 4                   # of each round, from one server to the other
TRACED = ("pair_1", "pair_32", "group_16")
LOADS = ((RELAYED, ("pair", "--connections", 1000, "--window", 1)),
         (RELAYED, ("pair", "--connections", 1000, "--window", 32)),
         (DELIVERED, ("group", "--connections", 1000, "--group-members", 1000, "--window", 16)))


def gate_of(bench):
    loader = importlib.machinery.SourceFileLoader("gate", str(ROOT / "bench" / "gate"))
    gate = importlib.util.module_from_spec(importlib.util.spec_from_loader("gate", loader))
    loader.exec_module(gate)
    found = gate.Gate(types.SimpleNamespace(only=None, build=bench.build))
    del os.environ["IMS_BUILD_DIR"]  # imsd takes it for a key of its own
    return found


class Instruments:
    """Traces at their default against none. Counters cannot be switched off: what they cost is a
    load, an add and a store for each increment, and how many of them a message makes is counted."""

    def __init__(self, bench):
        self.bench, self.growth = bench, Growth(bench)

    def run(self):
        self.growth.say_load()
        self.instructions()
        self.cpu()
        self.growth.say_load()

    def instructions(self):
        gate = gate_of(self.bench)
        print(f"\nuser instructions (bench/gate's lock step, epoll), {self.bench.rounds} rounds\n\n"
              "| placement | workload | traces off | on | more | in functions of the traces |\n"
              "|---|---|--:|--:|--:|--:|")
        for placement in ("fused", "split"):
            found = {True: [], False: []}
            for _ in range(self.bench.rounds):
                for on in (False, True):
                    keys = {} if on else {"trace_sample": 0}
                    found[on].append(gate.measure("instructions", "epoll", placement, TRACED,
                                                  **keys))
            for name in TRACED:
                off, on = ([run[name] for run in found[at]] for at in (False, True))
                more = statistics.median(a["instructions"] / b["instructions"] - 1
                                         for a, b in zip(on, off, strict=True))
                print(f"| {placement} | {name} | {all_of(off, 'instructions')} | "
                      f"{all_of(on, 'instructions')} | {100 * more:+.2f} % | "
                      f"{traced_part(on) - traced_part(off):.1f} |", flush=True)
                self.say_functions(off, on)

    def say_functions(self, off, on):
        before, after = off[len(off) // 2]["functions"], on[len(on) // 2]["functions"]
        grown = sorted(((after.get(name, 0) - before.get(name, 0), name)
                        for name in {*before, *after}), key=lambda item: -abs(item[0]))
        for growth, name in grown[:4]:
            print(f"|   | {name[:70]} | {before.get(name, 0):.1f} | {after.get(name, 0):.1f} | "
                  f"{growth:+.1f} instructions | |", flush=True)

    def cpu(self):
        """Two servers on one core, of which one is loaded at a time, in short slices."""
        bench, servers = self.bench, {}
        print(f"\nCPU time, uring + split, {SLICES * bench.rounds} slices of {bench.seconds} s each, "
              "in turn\n\n| load | traces off, CPU us | on | on / off | increments of counters | \n"
              "|---|--:|--:|--:|--:|")
        before = bench.data
        try:
            for on in (False, True):
                bench.data = bench.scratch / f"traces-{on}"
                bench.make_store()
                servers[on] = (bench.start("uring", "split", *(() if on else ("--trace-sample", "0"))),
                               bench.port, bench.data)
            for unit, flags in LOADS:
                found = {True: [], False: []}
                for slice_ in range(SLICES * bench.rounds):
                    for on in (False, True) if slice_ % 2 == 0 else (True, False):
                        server, bench.port, bench.data = servers[on]
                        row = self.growth.loaded(server, unit, *flags)
                        found[on].append(row)
                ratios = sorted(a["cpu_us"] / b["cpu_us"]
                                for a, b in zip(found[True], found[False], strict=True))
                quarter = len(ratios) // 4
                print(f"| {' '.join(map(str, flags))} | {all_of(found[False], 'cpu_us')} | "
                      f"{all_of(found[True], 'cpu_us')} | {statistics.median(ratios):.3f} "
                      f"[{ratios[quarter]:.3f}-{ratios[-1 - quarter]:.3f}] | "
                      f"{middle(found[True], 'increments'):.2f} |", flush=True)
        finally:
            bench.data = before
            for server, _, _ in servers.values():
                server.end()


def traced_part(runs):
    def of(run):
        return sum(cost for name, cost in run["functions"].items()
                   if re.search(r"Trace|StageBlock|SlowTable", name))
    return statistics.median(of(run) for run in runs)
