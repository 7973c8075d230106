"""How bench/gate counts: user instructions by callgrind; system calls, allocated bytes and copied
bytes by the server's own counters, system calls also by the kernel's tracepoint where perf may."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

SERVER = "/imsd"
# The store's engine in imsd itself: the segment log.
STORE_FUNCTION = re.compile(r"ims::logic::(Segment|segments_|hash_(op|record|header)\(|"
                            r"\(anonymous namespace\)::(MergedKeys|(scan|get|read)_row|read_some))")
# They come by the clock, not by the message. What else of imsd they call is counted.
TICKS = ("ims::logic::Worker::tick(", "ims::gateway::Gateway::on_tick(")
CONTROL_TIMEOUT_S = 60


class Callgrind:
    """User instructions of all threads, and of each function by itself. On the epoll backend alone:
    under valgrind 3.19 no login over io_uring completes."""

    def __init__(self, server):
        self.server = server
        self.out = server.scratch / "callgrind.out"
        self.dumps = 0
        # One thread at a time in a fair order: a thread that polls cannot hold the others up.
        server.wrapper = ("valgrind", "--tool=callgrind", "--instr-atstart=no",
                          "--fair-sched=yes", f"--callgrind-out-file={self.out}")

    def control(self, *words):
        subprocess.run(["callgrind_control", *words, str(self.server.pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=CONTROL_TIMEOUT_S)

    def on(self):
        self.control("-i", "on")

    def begin(self):
        self.control("-z")

    def end(self):
        self.dumps += 1
        self.control("-d")
        ours, store, self.functions = read_callgrind(Path(f"{self.out}.{self.dumps}"))
        return {"instructions": ours, "store_instructions": store}


def read_callgrind(path):
    """What imsd's own code costs with all that it calls, but for the store's engine and the ticks;
    what the engine costs, its functions and RocksDB's; and each function's part of the first, a
    library's as a whole under who calls it. What the engine's own threads do is in neither. Source:
    the Callgrind Format Specification."""
    names, objects, functions = {}, {}, {}
    ours = store = 0
    here = callee = function = called = None

    def named(table, value):
        number, _, name = value.partition(" ")
        if name:
            table[number] = name  # said once, a number from then on
        return table[number]

    is_call = False
    for line in path.read_text(errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if key == "fn" and equals:
            function = named(names, value)
        elif key == "cfn":
            called = named(names, value)
        elif key == "ob":
            here = named(objects, value)
        elif key == "cob":
            callee = named(objects, value)
        elif key == "calls":
            is_call = True  # the next line is what the callee cost
        elif line[:1] in "+-*0123456789" and len(cost := line.split()) > 1:
            into_rocksdb = is_call and is_rocksdb(called)
            leaves = into_rocksdb or (
                is_call and callee is not None and not callee.endswith(SERVER))
            if here.endswith(SERVER) and not is_rocksdb(function) and (leaves or not is_call):
                if into_rocksdb or is_store(function):
                    store += int(cost[1])
                elif not is_tick(function):
                    ours += int(cost[1])
                    functions[function] = functions.get(function, 0) + int(cost[1])
            elif is_call and is_rocksdb(function) and not leaves and "ims::" not in called:
                # A template or an initialiser that both have: what RocksDB's calls cost is its own.
                ours -= int(cost[1])
                functions[called] = functions.get(called, 0) - int(cost[1])
            if is_call:
                is_call, callee = False, None
    return ours, store, functions


def is_rocksdb(function):
    """It is linked into the server. Ours that take something of it have both names."""
    return "rocksdb::" in function and "ims::" not in function


def is_store(function):
    return STORE_FUNCTION.search(function) is not None


def is_tick(function):
    return any(name in function for name in TICKS)


class Counters:
    """The growth of the server's counters, and of the kernel's count of its system calls."""

    def __init__(self, server):
        self.server, self.perf, self.before = server, None, None

    def on(self):
        pass

    def begin(self):
        self.before = self.server.stats()
        self.start_perf()

    def start_perf(self):
        if not shutil.which("perf"):
            return
        self.perf = subprocess.Popen(
            ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", str(self.server.pid)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)  # until it counts

    def end(self):
        kernel = self.end_perf()
        after = self.server.stats()

        def grown(*names):
            return sum(after[name] - self.before.get(name, 0) for name in names)
        found = {"syscalls": grown("ims_syscalls_total", 'ims_wakes_total{result="sent"}'),
                 "allocated_bytes": grown("ims_allocated_bytes"),
                 "copied_bytes": grown("ims_payload_bytes_copied_total"),
                 "stored_bytes": grown("ims_batch_bytes_total")}
        if kernel is not None:
            found["kernel_syscalls"] = kernel
        return found

    def end_perf(self):
        """Nothing where perf may not count."""
        if self.perf is None:
            return None
        self.perf.send_signal(signal.SIGINT)
        text = self.perf.communicate(timeout=CONTROL_TIMEOUT_S)[1]
        self.perf = None
        found = re.search(r"^(\d+),.*sys_enter", text, re.M)
        return int(found.group(1)) if found else None
