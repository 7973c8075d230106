"""What crosses between cores, and what more of them would add: bytes and records on the rings, the
publishing stores, looks at rings and memory of rings by the number of gateways and workers.
`bench/run cores`.

Instructions are bench/gate's, in lock step: every round finds the same work, and each thread sleeps at
its end. Everything else is native, server on core 0 whatever its threads, load on core 1."""

import re
import statistics
import time
from pathlib import Path

from growth import RELAYED, Growth
from instruments import gate_of
from live_counters import LiveCounters, all_of, middle

SHAPES = (1, 2, 4, 8)        # gateways, and as many workers
RELAYS = ("pair_1", "pair_32")
IDLE_S = 4
FUNCTIONS_SHOWN = 8
# Of shared/records.h.
FLAG_STORED = 1
KINDS = {1: "login", 2: "message", 6: "taken", 7: "refused", 8: "drained", 9: "ended", 5: "group",
         32: "login answer", 33: "response", 34: "push", 35: "disconnect", 36: "relay", 37: "copies"}
CONTENT_SHAPES = (1, 4)
# (load, what of it a message makes, flags)
CONTENT_LOADS = (
    ("1:1 relayed", ("message", "relay", "response"), ("pair", "--connections", 100, "--messages", 1000)),
    ("1:1 stored", ("message", "taken", "response", "row push"),
     ("pair", "--connections", 100, "--messages", 1000, "--offline")),
    ("to a group of 100, relayed", ("message", "response", "push", "handoff"),
     ("group", "--connections", 100, "--group-members", 100, "--messages", 100)))
TURNS = "ims_turns_total"
SENT, SUPPRESSED = 'ims_wakes_total{result="sent"}', 'ims_wakes_total{result="suppressed"}'


def threads(shape):
    return ("--gateways", str(shape), "--workers", str(shape))


class Cores:
    def __init__(self, bench):
        self.bench, self.growth = bench, Growth(bench)

    def run(self):
        self.growth.say_load()
        self.contents()
        self.publishes()
        self.instructions()
        self.growth.say_load()

    # ---- what is on the rings ----

    def contents(self):
        print("\nrecords on the rings, read from their memory; 100-byte payloads\n\n"
              "| load | gateways x workers | rings | of messages, bytes each | records a message | "
              "bytes a message |\n|---|---|---|---|--:|--:|")
        for what, kinds, flags in CONTENT_LOADS:
            for shape in CONTENT_SHAPES:
                with self.bench.server("uring", "split", *threads(shape)) as server:
                    result = self.bench.load(server, *flags, "--warmup", 0, "--seconds", 1)
                    self.say_contents(server, what, kinds, shape, result["total"]["sent"])

    def say_contents(self, server, what, kinds, shape, messages):
        for ring in ("ims_requests", "ims_deliveries", "ims_handoffs"):
            by_kind = {}
            for kind, size in ring_records(server.pid, ring):
                by_kind.setdefault(kind, []).append(size)
            # What messages make is the most common size of its kind, else it is the logins' or the
            # group's making; but pushes differ by how many of the group a ring leads to.
            usual = {kind: [size for size in sizes
                            if kind == "push" or size == statistics.mode(sizes)]
                     for kind, sizes in sorted(by_kind.items()) if kind in kinds}
            usual = {kind: sizes for kind, sizes in usual.items() if len(sizes) >= messages // 2}
            if not usual:
                continue
            each = ", ".join(f"{len(sizes):,} {kind} of {statistics.mean(sizes):.0f}"
                             for kind, sizes in usual.items())
            print(f"| {what} | {shape} x {shape} | {ring.removeprefix('ims_')} | {each} | "
                  f"{sum(map(len, usual.values())) / messages:.2f} | "
                  f"{sum(map(sum, usual.values())) / messages:.0f} |", flush=True)

    # ---- publishing, and memory ----

    def publishes(self):
        print(f"\n1:1 relayed, 1,000 connections, uring + split, all threads on one core, "
              f"{self.bench.rounds} rounds; each message. A publish is the store that makes a turn's "
              "records on one ring visible.\n\n| gateways x workers | outstanding | server CPU us | "
              "turns: gateway | worker | publishes: gateway | worker | wake-ups |\n"
              "|---|--:|--:|--:|--:|--:|--:|--:|")
        found, memory = {}, {}
        for _ in range(self.bench.rounds):
            for shape in SHAPES:
                with self.bench.server("uring", "split", *threads(shape)) as server:
                    empty = shared_bytes(server.pid)
                    for window in (1, 32):
                        row = self.published(server, "pair", "--connections", 1000, "--window",
                                             window)
                        found.setdefault((shape, window), []).append(row)
                    memory[shape] = (ring_sizes(server.pid), empty, shared_bytes(server.pid))
        for window in (1, 32):
            for shape in SHAPES:
                rows = found[shape, window]
                print(f"| {shape} x {shape} | {window} | {all_of(rows, 'cpu_us')} | " +
                      " | ".join(f"{middle(rows, key):.4f}" for key in
                                 ("gateway_turns", "worker_turns", "gateway_publishes",
                                  "worker_publishes", "wakes")) + " |", flush=True)
        print("\nmemory of the rings\n\n| gateways x workers | rings: requests + deliveries | handoffs | "
              "memory, MiB | resident when started, MiB | after this load, MiB |\n"
              "|---|--:|--:|--:|--:|--:|")
        for shape, (sizes, empty, used) in memory.items():
            pairs = sizes["ims_requests"] + sizes["ims_deliveries"]
            print(f"| {shape} x {shape} | {len(pairs)} of {pairs[0] >> 10} KiB | "
                  f"{len(sizes['ims_handoffs'])} of "
                  f"{max(sizes['ims_handoffs'], default=0) >> 10} KiB | "
                  f"{sum(map(sum, sizes.values())) / 2**20:.0f} | {empty / 2**20:.1f} | "
                  f"{used / 2**20:.1f} |", flush=True)

    def published(self, server, *flags):
        looks = []

        def look():
            counters = LiveCounters(self.bench.data)
            looks.append([counters.read(threads) for threads in ("", "gw", "worker")] +
                         [server.cpu()[0]])
        self.bench.load(server, *flags, "--seconds", self.bench.seconds, "--warmup", 1,
                        on={"start": look, "stop": look})
        (all_, gateways, workers), cpu_us = (
            [{name: b[name] - a[name] for name in a} for a, b in zip(looks[0][:3], looks[1][:3])],
            (looks[1][3] - looks[0][3]) / 1000)
        units = all_[RELAYED]
        return {"cpu_us": cpu_us / units, "gateway_turns": gateways[TURNS] / units,
                "worker_turns": workers[TURNS] / units, "wakes": all_[SENT] / units,
                "gateway_publishes": (gateways[SENT] + gateways[SUPPRESSED]) / units,
                "worker_publishes": (workers[SENT] + workers[SUPPRESSED]) / units}

    # ---- instructions ----

    def instructions(self):
        gate = gate_of(self.bench)
        gate.script.WORKLOADS["idle"] = idle_of(gate.script)
        print("\nuser instructions by gateways x workers (bench/gate's lock step, epoll + split)\n\n"
              "| gateways x workers | pair_1: instructions | turns: gateway | worker | pair_32: "
              "instructions | turns: gateway | worker | an idle turn: instructions |\n"
              "|---|--:|--:|--:|--:|--:|--:|--:|")
        functions = {}
        for shape in SHAPES:
            runs = gate.measure("instructions", "epoll", "split", [*RELAYS, "idle"],
                                counter=lambda server: with_turns(gate, server),
                                gateways=shape, workers=shape)
            idle = runs["idle"]
            cells = " | ".join(f"{runs[name]['instructions']:,.0f} | "
                               f"{runs[name]['gateway_turns']:.4f} | "
                               f"{runs[name]['worker_turns']:.4f}" for name in RELAYS)
            per_turn = idle["instructions"] / (idle["gateway_turns"] + idle["worker_turns"])
            print(f"| {shape} x {shape} | {cells} | {per_turn:.0f} |", flush=True)
            functions[shape] = {name: runs[name]["functions"] for name in RELAYS}
        self.say_growth(functions)

    def say_growth(self, functions):
        """Which functions' own instructions grew with the shape; what stayed is not said."""
        print("\nof it, each message\n\n| workload | function | " +
              " | ".join(f"{shape} x {shape}" for shape in SHAPES) + " |\n|---|---|" +
              "--:|" * len(SHAPES))
        for name in RELAYS:
            by_shape = [functions[shape][name] for shape in SHAPES]
            grown = sorted(((by_shape[-1].get(f, 0) - by_shape[0].get(f, 0), f)
                            for f in {*by_shape[0], *by_shape[-1]}), key=lambda item: -item[0])
            for _, function in grown[:FUNCTIONS_SHOWN]:
                print(f"| {name} | {short(function)} | " +
                      " | ".join(f"{f.get(function, 0):.0f}" for f in by_shape) + " |", flush=True)


def short(function):
    return function.replace("(anonymous namespace)::", "").partition("(")[0]


def idle_of(script):
    class Idle(script.Workload):
        """Everybody is there and nobody says anything: turns that only look."""

        unit, rounds = "run", 1

        def round(self):
            self.step.running(lambda: time.sleep(IDLE_S))
            return 1
    return Idle


def with_turns(gate, server):
    class CountsTurns(gate.count.Callgrind):
        def turns(self):
            counters = LiveCounters(server.data)
            return [counters.read(threads)[TURNS] for threads in ("gw", "worker")]

        def begin(self):
            self.before = self.turns()
            super().begin()

        def end(self):
            gateways, workers = (b - a for a, b in zip(self.before, self.turns(), strict=True))
            return {**super().end(), "gateway_turns": gateways, "worker_turns": workers}
    return CountsTurns(server)


# ---- the memory of rings ----

def ring_mappings(pid):
    """(name, address, bytes) of each ring; its second view follows the first."""
    found, is_second = [], False
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) .*/memfd:(ims_\w+)", line):
            if not is_second:
                begin, end = int(match[1], 16), int(match[2], 16)
                found.append((match[3], begin, end - begin))
            is_second = not is_second
    return found


def ring_sizes(pid):
    sizes = {"ims_requests": [], "ims_deliveries": [], "ims_handoffs": []}
    for name, _, size in ring_mappings(pid):
        sizes[name].append(size)
    return sizes


def ring_records(pid, ring):
    """(name of the kind, bytes) of all records ever written to the rings of this name. None has come
    round: behind its last record it is still as it was made."""
    found = []
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for name, address, size in ring_mappings(pid):
            if name != ring:
                continue
            memory.seek(address)
            data, at = memory.read(size), 0
            while at < size and (length := int.from_bytes(data[at:at + 4], "little")):
                kind = KINDS.get(data[at + 4], "handoff")
                is_row = kind == "push" and data[at + 5] & FLAG_STORED
                found.append(("row push" if is_row else kind, length))
                at += length
            if at >= size or any(data[at:]):
                raise RuntimeError(f"{ring} came round: fewer messages are needed to count them")
    return found


def shared_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssShmem:\s+(\d+) kB", status).group(1)) * 1024
