"""How costs grow: a relayed message's with the connections, a delivery's with the members who are
online, a stored message's and a login's with the rows of the store. `bench/run growth`.

Server on core 0, load on core 1. Each round measures every size in turn, every other round the other
way round, and a ratio is the median of the rounds' own ratios. CPU is the scheduler's clock of all
threads of the server between two looks at its counters, divided by what these counters say was done
meanwhile; so are system calls, wake-ups and allocated bytes. Medians [lowest-highest]."""

import os
import subprocess
import sys
import time

import costs
import growth_store
from costs import user_name
from live_counters import LiveCounters, Look, all_of, in_turn, middle, ratio_of

CONNECTIONS = (1_000, 3_000, 10_000)
WINDOWS = (1, 32)
ONLINE = (1_000, 5_000, 15_000)
GROUP_WINDOWS = (1, 16)
BIG_GROUP = 100_000
INVITED = 500
PER_CROWD = 5_000            # connections of one imsbench crowd: its descriptors
MESSAGES = 48                # of a measurement, whatever the size: a cursor is stored once a second
STORED_S = 0.7               # cursors and effects of what was done are durable
RELAYED = "ims_messages_relayed_total"
DELIVERED = 'ims_relayed_total{result="delivered"}'
PUSHED = "ims_rows_pushed_total"
# Nobody is closed for being slow: on a busy machine the load is.
PATIENCE = ("--stall-timeout", "1h", "--login-timeout", "10m")
ATTEMPTS = 3                 # this program may have slept through a load on a busy machine
MEMBERS_PER_S = 2_500        # a message to all takes the longer; the group's making has to be over
WARMED_PER_S = 100_000       # outstanding messages: until then the pools of their bytes grow


def warmup_s(count, window):
    return 1 + count * window / WARMED_PER_S


class Growth:
    def __init__(self, bench):
        self.bench = bench

    def run(self):
        self.say_load()
        for table in (self.connections, self.groups, self.big_group, self.store):
            table()
        self.say_load()

    def say_load(self):
        print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", flush=True)

    def loaded(self, server, unit, *flags, seconds=None):
        """One load; what each of its units cost between imsbench's `start` and `stop`."""
        for _ in range(ATTEMPTS):
            looks = []
            self.bench.load(server, *flags, "--seconds", seconds or self.bench.seconds,
                            on={word: lambda: looks.append(Look(self.bench, server))
                                for word in ("start", "stop")})
            if row := looks[1].since(looks[0], unit):
                return row
        sys.exit(f"{unit} did not grow; --seconds is too short for this machine")

    # ---- connections ----

    def connections(self):
        print(f"\n1:1 relayed and answered, 100 bytes, {self.bench.rounds} rounds; each message\n\n"
              "| server | outstanding | connections | server CPU us | x 1,000 | system calls | "
              "wake-ups | sleeps | bytes allocated |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")
        found = {}
        for round_ in range(self.bench.rounds):
            for name in self.bench.configurations:
                with self.bench.server(*name) as server:
                    for window in WINDOWS:
                        for count in in_turn(CONNECTIONS, round_):
                            row = self.loaded(server, RELAYED, "pair", "--connections", count,
                                              "--window", window, "--warmup",
                                              warmup_s(count, window))
                            found.setdefault((name, window, count), []).append(row)
        for name in self.bench.configurations:
            for window in WINDOWS:
                first = found[name, window, CONNECTIONS[0]]
                for count in CONNECTIONS:
                    rows = found[name, window, count]
                    print(f"| {' + '.join(name)} | {window} | {count:,} | {all_of(rows, 'cpu_us')} | "
                          f"{ratio_of(rows, first)} | {middle(rows, 'syscalls'):.4f} | "
                          f"{middle(rows, 'wakes'):.4f} | {middle(rows, 'sleeps'):.4f} | "
                          f"{middle(rows, 'allocated'):.2f} |", flush=True)

    # ---- groups ----

    def groups(self):
        """Everybody in one group, stored: of relayed ones who is still told of the group's making may
        be passed over."""
        print(f"\na stored message to one group, all of it online, {self.bench.rounds} rounds; each "
              "delivery\n\n| server | outstanding | members | server CPU us | x 1,000 | system calls "
              "| wake-ups | bytes allocated |\n|---|--:|--:|--:|--:|--:|--:|--:|")
        found = {}
        for round_ in range(self.bench.rounds):
            for name in self.bench.placements:
                with self.bench.server(*name, *PATIENCE) as server:
                    for count in in_turn(ONLINE, round_):
                        for window in GROUP_WINDOWS:
                            row = self.loaded(
                                server, PUSHED, "group", "--offline", "--connections", count,
                                "--group-members", count, "--window", window, "--warmup",
                                1 + count / MEMBERS_PER_S,
                                seconds=self.bench.seconds + count / MEMBERS_PER_S)
                            found.setdefault((name, window, count), []).append(row)
        for name in self.bench.placements:
            for window in GROUP_WINDOWS:
                first = found[name, window, ONLINE[0]]
                for count in ONLINE:
                    rows = found[name, window, count]
                    print(f"| {' + '.join(name)} | {window} | {count:,} | {all_of(rows, 'cpu_us')} | "
                          f"{ratio_of(rows, first)} | {middle(rows, 'syscalls'):.4f} | "
                          f"{middle(rows, 'wakes'):.4f} | {middle(rows, 'allocated'):.2f} |",
                          flush=True)

    def big_group(self):
        """Stored messages to a group of the protocol's limit, more and more of it online."""
        bench = self.bench
        bench.make_store()
        bench.fill(BIG_GROUP + 1, 0)
        table = costs.Costs(bench)
        table.server = server = bench.start("uring", "split", *PATIENCE)
        try:
            table.measure_idle()
            table.take(BIG_GROUP)
            owner = table.login(user_name(table.take(1)))
            table.expect(owner.group(table.codes.CREATE, "big")[0])
            # Who will be online, the first ones, comes last: nobody is pushed many events of others.
            for at in range(BIG_GROUP - 1, 0, -INVITED):
                users = [user_name(number) for number in range(max(0, at - INVITED), at)]
                table.expect(owner.group(table.codes.INVITE, "big", users=users)[0])
            print(f"\na stored message to a group of {BIG_GROUP:,}, {bench.rounds} rounds; each "
                  "delivery\n\n| outstanding | online | server CPU us | x 1,000 | bytes stored | "
                  "by catch-up |\n|--:|--:|--:|--:|--:|--:|")
            found = {}
            for round_ in range(bench.rounds):
                for count in in_turn(ONLINE, round_):
                    for window, row in self.to_crowd(table, owner, count):
                        found.setdefault((window, count), []).append(row)
            for window in GROUP_WINDOWS:
                for count in ONLINE:
                    rows = found[window, count]
                    print(f"| {window} | {count:,} | {all_of(rows, 'cpu_us')} | "
                          f"{ratio_of(rows, found[window, ONLINE[0]])} | "
                          f"{middle(rows, 'stored'):.1f} | {middle(rows, 'catchups'):.3f} |",
                          flush=True)
        finally:
            server.end()

    def to_crowd(self, table, owner, online):
        """(outstanding, what a delivery cost) with so many members online."""
        crowds = [subprocess.Popen(
            ["taskset", "-c", self.bench.load_core, self.bench.program("imsbench"), "crowd",
             "--address", "%s:%d" % table.address, "--secret", table.secret, "--group", "big",
             "--first-user", str(first), "--connections", str(min(PER_CROWD, online - first))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for first in range(0, online, PER_CROWD)]

        def wait_for(line):
            for crowd in crowds:
                got = crowd.stdout.readline().strip()
                if got != line:
                    raise RuntimeError(f"expected {line!r} of the crowd, got {got!r}")

        def delivered():
            for crowd in crowds:
                crowd.stdin.write(f"expect {self.head}\n")
                crowd.stdin.flush()
            wait_for(f"have {self.head}")
        try:
            wait_for("online")
            self.head = owner.group(table.codes.INFO, "big")[1].head_seq
            # One that all have to have: what they were away for is behind them.
            self.send(table, owner, 1)
            delivered()
            time.sleep(STORED_S)
            for window in GROUP_WINDOWS:
                def work():
                    for _ in range(0, MESSAGES, window):
                        self.send(table, owner, window)
                        if window == 1:
                            delivered()
                    delivered()
                before = LiveCounters(self.bench.data).read()
                row = {"cpu_us": table.cost(MESSAGES, work) / online}
                after = LiveCounters(self.bench.data).read()
                for name, counter in (("stored", "ims_batch_bytes_total"),
                                      ("catchups", "ims_catchup_entered_total")):
                    row[name] = (after[counter] - before[counter]) / MESSAGES / online
                yield window, row
        finally:
            for crowd in crowds:
                crowd.kill()
                crowd.communicate()

    def send(self, table, owner, window):
        ids = [owner.take_id() for _ in range(window)]
        owner.send_raw(b"".join(owner.request_frame(
            table.codes.MESSAGE, table.messages.Message(group="big", payload=bytes(100)), True, id)
            for id in ids))
        for id in ids:
            table.expect(owner.wait_response(id))
        self.head += window

    def store(self):
        growth_store.StoreGrowth(self.bench).run()
