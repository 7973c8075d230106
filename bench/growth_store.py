"""How a stored message's and a login's costs grow with the rows of the store: part of `bench/run
growth`, sizes by `--rows`. The rows lie evenly in the inboxes of 100,000 users, written by imsbench
fill; the stores stand side by side, and each round asks every one of them the same, over a server of
its own. What the store's own threads do (compaction, of what the fill left as well) is said apart."""

import shutil
import statistics
import time
from pathlib import Path

import costs
from costs import user_name
from live_counters import LiveCounters, Look, all_of, in_turn, middle, ratio_of

RECIPIENTS = 100_000         # whose inboxes hold the rows
# (client_id, recipients, seconds before it is measured, more flags). A recipient's rows are looked
# through for repeats once after a restart: the second meets that each time, the third seldom.
APPENDS = (("no", RECIPIENTS, 0.3, ()),
           ("yes, recipients new since a restart", RECIPIENTS, 0.3, ("--client-ids",)),
           ("yes", 2_000, 2, ("--client-ids",)))
LOGINS = 100                 # users who have missed nothing
WARM_LOGINS = 300
QUIET_S = 600                # patience for the store's own work after it was filled
QUIET_SHARE = 0.05           # of a core
PUSHED = "ims_rows_pushed_total"
ANSWERED = 'ims_responses_total{code="ok"}'
OURS = ("imsd", "gw", "worker", "commit", "reader", "auth", "admin")  # other threads: the store's


class Foreground:
    """A server but for the store's own threads."""

    def __init__(self, server):
        self.server = server

    def cpu(self):
        return (self.server.cpu()[0] - background_ns(self.server),)


def background_ns(server):
    total = 0
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        if not (task / "comm").read_text().startswith(OURS):
            total += int((task / "schedstat").read_text().split()[0])
    return total


class StoreGrowth:
    def __init__(self, bench):
        self.bench = bench

    def run(self):
        """Stores of several sizes side by side; each round asks all of them the same."""
        sizes, users = self.bench.rows, RECIPIENTS + LOGINS
        print(f"\nby the rows of the store, over {users:,} inboxes; {self.bench.rounds} rounds, one "
              "gateway, one worker, uring + split", flush=True)
        stores, before = {}, self.bench.data
        for rows in sizes:
            self.bench.data = stores[rows] = self.bench.scratch / f"store-{rows}"
            began = time.monotonic()
            self.bench.make_store()
            self.bench.fill(users, rows)
            took = time.monotonic() - began
            self.settle(rows // users)
            size = sum(f.stat().st_size for f in stores[rows].rglob("*") if f.is_file())
            print(f"{rows:,} rows: filled in {took:.0f} s, {size / 2**20:,.0f} MiB", flush=True)
        appended, logins = {}, {}
        for round_ in range(self.bench.rounds):
            for rows in in_turn(sizes, round_):
                self.bench.data = stores[rows]
                logins.setdefault(rows, []).append(self.log_in())
                for kind in APPENDS:
                    appended.setdefault((kind, rows), []).append(self.append(*kind))
        for path in stores.values():
            shutil.rmtree(path)
        self.bench.data = before
        self.print_store(sizes, appended, logins)

    def print_store(self, sizes, appended, logins):
        first = sizes[0]
        print("\nstored 1:1 messages to users who are away, 16 x 64 outstanding, synced\n\n"
              f"| rows | client_id | messages/s | server CPU us | x {first:,} | and the store's threads' "
              "| p50 us |\n|--:|---|--:|--:|--:|--:|--:|")
        for kind in APPENDS:
            for rows in sizes:
                found = appended[kind, rows]
                print(f"| {rows:,} | {kind[0]} | {middle(found, 'rate'):,.0f} | "
                      f"{all_of(found, 'cpu_us')} | {ratio_of(found, appended[kind, first])} | "
                      f"{all_of(found, 'background')} | {middle(found, 'p50'):,.0f} |", flush=True)
        print("\nlogin and logout with nothing missed, one after the other\n\n"
              f"| rows | first after a restart: server CPU us | x {first:,} | p50 us | x {first:,} | "
              f"in memory: server CPU us | x {first:,} | p50 us | x {first:,} |\n"
              "|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
        for rows in sizes:
            cells = " | ".join(f"{all_of(logins[rows], key)} | "
                               f"{ratio_of(logins[rows], logins[first], key)}"
                               for key in ("cold_us", "cold_p50", "warm_us", "warm_p50"))
            print(f"| {rows:,} | {cells} |", flush=True)

    def users(self, table):
        return [table.connect_frame(user_name(RECIPIENTS + n)) for n in range(LOGINS)]

    def settle(self, rows_each):
        """Those who will log in take what they have missed; the store's own work ends."""
        table = costs.Costs(self.bench)
        table.server = server = self.bench.start("uring", "split")
        try:
            for connect, disconnect in self.users(table):
                wire = costs.Wire(table.address)
                wire.send(connect)
                wire.frames(1 + rows_each)
                time.sleep(0.005)
                wire.send(disconnect)
                wire.wait_end()
            deadline = time.monotonic() + QUIET_S
            busy = 1.0
            while busy > QUIET_SHARE and time.monotonic() < deadline:
                begin = server.cpu()[0]
                time.sleep(1)
                busy = (server.cpu()[0] - begin) / 1e9
        finally:
            server.end()

    def log_in(self):
        table = costs.Costs(self.bench)
        server = self.bench.start("uring", "split")
        table.server = Foreground(server)
        try:
            time.sleep(costs.RESTARTED_S)
            table.measure_idle()
            frames, cold, warm = self.users(table), [], []
            pushed = LiveCounters(self.bench.data).read()[PUSHED]
            cold_us = table.cost(LOGINS, lambda: [table.log_in_and_out(f, cold) for f in frames])
            warm_us = table.cost(WARM_LOGINS, lambda: [table.log_in_and_out(frames[0], warm)
                                                       for _ in range(WARM_LOGINS)])
            if LiveCounters(self.bench.data).read()[PUSHED] != pushed:
                raise RuntimeError("a login that should have missed nothing was pushed rows")
            return {"cold_us": cold_us, "cold_p50": statistics.median(cold) * 1e6,
                    "warm_us": warm_us, "warm_p50": statistics.median(warm) * 1e6}
        finally:
            server.end()

    def append(self, _, recipients, warmup_s, more):
        server = self.bench.start("uring", "split")
        try:
            looks = []

            def look():
                looks.append((Look(self.bench, server), background_ns(server)))
            result = self.bench.load(
                server, "offline", "--connections", 16, "--window", 64, "--first-user",
                RECIPIENTS + LOGINS, "--recipients", recipients, "--recipients-from", 0,
                "--recipients-exist", "--no-drain", "--warmup", warmup_s, "--seconds",
                self.bench.seconds, *more, on={"start": look, "stop": look})
            (before, background), (after, background_after) = looks
            answered = max(1, after.stats[ANSWERED] - before.stats[ANSWERED])
            all_us = (after.cpu_ns - before.cpu_ns) / 1000 / answered
            background_us = (background_after - background) / 1000 / answered
            return {"rate": result["per_second"]["answer"], "cpu_us": all_us - background_us,
                    "background": background_us,
                    "p50": result["latency_us"]["answer"]["corrected"]["p50"]}
        finally:
            server.end()
