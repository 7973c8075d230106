#!/usr/bin/python3
"""imsctl latency, top, slow and stats against a server under load: every message is followed, its
stages add up to the time in the server, and that time lies within what the clients saw."""

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import codes  # noqa: E402
import load  # noqa: E402
import server as server_module  # noqa: E402

STAGES = ["read", "parse", "request_ring", "handle", "commit", "delivery_ring", "queue", "send"]
KINDS = {"login", "relayed", "stored", "group", "other"}
SUM_TOLERANCE = 0.01
MESSAGES = 300


class Stages(case.Case):
    shared = case.use_server(gateways=2, workers=2, trace_sample=1)

    def latency(self, *flags):
        return json.loads(self.server.ctl("latency", "--json", *flags).stdout)

    def times(self, kind):
        """{stage: (count, sum_ns)} of a kind so far."""
        stages = self.latency("--kind", kind)["kinds"][kind]
        return {name: (stage["count"], stage["sum_ns"]) for name, stage in stages.items()}

    def grown(self, kind, act, count):
        """What `act` adds to a kind: `count` messages at least, each in all stages."""
        before = self.times(kind)
        began_ns = time.monotonic_ns()
        act()
        took_ns = time.monotonic_ns() - began_ns
        # A trace ends when the gateway hears that the send was taken: a turn after the client had it.
        self.eventually(f"followed messages: {kind}", True,
                        lambda: self.times(kind)["total"][0] >= before["total"][0] + count)
        ended_ns = time.monotonic_ns() - began_ns
        after = self.times(kind)
        grown = {name: (after[name][0] - before[name][0], after[name][1] - before[name][1])
                 for name in after}
        for name in STAGES:
            self.expect(f"{kind} in stage {name}", grown["total"][0], grown[name][0])
        total_ns = grown["total"][1]
        sum_ns = sum(grown[name][1] for name in STAGES)
        self.assertGreater(total_ns, 0)
        self.assertLessEqual(abs(sum_ns - total_ns), SUM_TOLERANCE * total_ns,
                             f"{kind}: the stages add up to {sum_ns} ns, the whole is {total_ns}")
        return grown, (took_ns, ended_ns)

    def one_by_one(self, client, count=MESSAGES, offline=None, **fields):
        """One message at a time, each answered before the next is sent."""
        def act():
            for i in range(count):
                response = client.send_text(b"%d" % i, offline=offline, **fields)
                self.expect_code("message", codes.OK, response)
        return act

    def expect_within(self, kind, grown, times_ns, count, at_once=1):
        """Messages that followed one another, `at_once` in the server at most, were in it for no
        longer than until the last had ended. A gateway that is put to sleep between a send and its
        completion still has the message, though the client has it too and may send the next."""
        took_ns, ended_ns = times_ns
        self.expect(f"followed messages: {kind}", count, grown["total"][0])
        self.assertLessEqual(grown["total"][1], at_once * ended_ns,
                             "longer in the server than on the way")
        # And a good part of it: a Python client's own time is about as long.
        self.assertGreater(grown["total"][1], took_ns / 1000)

    def test_relayed(self):
        alice, bob = self.login(case.fresh("alice")), self.login(case.fresh("bob"))

        def act():
            for i in range(MESSAGES):
                self.expect_code("message", codes.OK, alice.send_text(b"%d" % i, to=bob.user))
                bob.wait_push()
        grown, times_ns = self.grown("relayed", act, MESSAGES)
        # Two gateways: one may be late to end a message while the other has the next.
        self.expect_within("relayed", grown, times_ns, MESSAGES, at_once=2)
        self.expect("commit of relayed messages, ns", 0, grown["commit"][1])
        for stage in ("parse", "request_ring", "handle", "delivery_ring", "queue", "send"):
            self.assertGreater(grown[stage][1], 0, f"nothing was measured in {stage}")

    def test_relayed_to_nobody_ends_with_its_answer(self):
        alice, gone = self.login(case.fresh("alice")), case.fresh("gone")
        self.make_users(gone)

        def act():
            for i in range(10):
                self.expect_code("message", codes.OFFLINE, alice.send_text(b"%d" % i, to=gone))
        grown, times_ns = self.grown("relayed", act, 10)
        self.expect_within("relayed", grown, times_ns, 10)

    def test_stored_online_and_offline(self):
        for online in (True, False):
            with self.subTest(online=online):
                alice, name = self.login(case.fresh("alice")), case.fresh("bob")
                if online:
                    self.login(name)
                else:
                    self.make_users(name)
                act = self.one_by_one(alice, offline=True, to=name)
                grown, times_ns = self.grown("stored", act, MESSAGES)
                self.expect_within("stored", grown, times_ns, MESSAGES,
                                   at_once=MESSAGES if online else 1)
                # A commit is a sync of the disk; a message that is being handled takes a microsecond.
                self.assertGreater(grown["commit"][1], grown["handle"][1])
                self.assertGreater(grown["commit"][1], MESSAGES * 1000)

    def test_group(self):
        names = [case.fresh("member") for _ in range(5)]
        members = [self.login(name) for name in names]
        group = case.fresh("group")
        response, _ = members[0].group(codes.CREATE, group, users=names[1:])
        self.expect_code("CREATE", codes.OK, response)
        for offline in (None, True):
            with self.subTest(offline=offline):
                act = self.one_by_one(members[0], offline=offline, group=group)
                grown, times_ns = self.grown("group", act, MESSAGES)
                # Nobody waits for the members: their gateway may end all of them late.
                self.expect_within("group", grown, times_ns, MESSAGES, at_once=MESSAGES)
                if offline:
                    self.assertGreater(grown["commit"][1], 0)
                else:
                    self.expect("commit of what is not stored, ns", 0, grown["commit"][1])

    def test_login(self):
        name = case.fresh("alice")

        def act():
            for i in range(30):
                self.login(name, device=f"device-{i % 3}").leave()
        grown, times_ns = self.grown("login", act, 30)
        self.expect_within("login", grown, times_ns, 30)
        self.assertGreater(grown["handle"][1] + grown["commit"][1], 0)

    def test_other_requests(self):
        alice = self.login(case.fresh("alice"))

        def act():
            for _ in range(20):
                alice.sync()
        grown, times_ns = self.grown("other", act, 20)
        self.expect_within("other", grown, times_ns, 20)

    def test_under_load(self):
        """32 outstanding: nothing is lost between its stages, and nothing is left behind."""
        before = self.server.stats()
        for flags in (("--window", 32), ("--window", 32, "--offline")):
            with load.Load(self.server, "pair", "--connections", 50, "--seconds", 1, *flags) as run:
                run.finish()
        kinds = self.latency()["kinds"]
        self.expect("kinds", KINDS, set(kinds))
        for kind, stages in kinds.items():
            total_ns = stages["total"]["sum_ns"]
            sum_ns = sum(stages[name]["sum_ns"] for name in STAGES)
            self.assertLessEqual(abs(sum_ns - total_ns), SUM_TOLERANCE * total_ns, kind)
            shares = sum(stages[name]["share"] for name in STAGES)
            if stages["total"]["count"]:
                self.assertAlmostEqual(shares, 1, delta=SUM_TOLERANCE)
            for name in STAGES + ["total"]:
                quantiles = [stages[name]["quantiles"][q] for q in ("0.5", "0.9", "0.99", "0.999",
                                                                    "1")]
                self.expect(f"{kind} {name}: quantiles rise", sorted(quantiles), quantiles)

        def all_ended():
            stats = {name: value - before[name] for name, value in self.server.stats().items()}
            ended = sum(stats['ims_traces_total{result="%s"}' % how]
                        for how in ("finished", "dropped"))
            return ended == stats['ims_traces_total{result="started"}']
        self.eventually("every trace has ended", True, all_ended)


class Commands(case.Case):
    shared = case.use_server(gateways=1, workers=1)  # as it comes: one of 64

    def loaded(self, *flags, seconds=4):
        return load.Load(self.server, "pair", "--connections", 20, "--window", 8, "--seconds",
                         seconds, *flags)

    def test_latency_since_the_start_and_of_an_interval(self):
        with self.loaded() as run:
            run.until("start")
            text = self.server.ctl("latency", "--interval", "1s", "--kind", "relayed").stdout
            self.assertRegex(text, r"\Arelayed: \d+ followed, 1 of 64\n")
            lines = text.splitlines()
            self.expect("header", "STAGE COUNT MEAN P50 P90 P99 P99.9 MAX SHARE".split(),
                        lines[1].split())
            self.expect("rows", STAGES + ["total"], [line.split()[0] for line in lines[2:]])
            self.assertTrue(lines[-1].endswith("100.0 %"), lines[-1])
            interval = json.loads(self.server.ctl("latency", "--interval", "0.5", "--json").stdout)
            whole = json.loads(self.server.ctl("latency", "--json").stdout)
            run.finish()
        self.expect("metric", "ims_stage_seconds", whole["metric"])
        self.expect("trace_sample", 64, whole["trace_sample"])
        of_interval = interval["kinds"]["relayed"]["total"]["count"]
        self.assertGreater(of_interval, 0)
        self.assertLess(of_interval, whole["kinds"]["relayed"]["total"]["count"])

    def test_one_of_64_is_followed(self):
        before = self.server.stats()
        with self.loaded(seconds=1) as run:
            run.finish()
        after = self.server.stats()
        messages = after["ims_messages_relayed_total"] - before["ims_messages_relayed_total"]
        name = 'ims_stage_seconds_count{kind="relayed",stage="total"}'
        followed = after[name] - before[name]
        self.assertGreater(messages, 5000)
        self.assertGreater(followed, messages / 64 * 0.7)
        self.assertLess(followed, messages / 64 * 1.4)

    def test_stats_has_sums_and_counts_by_prometheus_names(self):
        self.login(case.fresh("alice"))
        stats = self.server.stats()
        for kind in KINDS:
            for stage in STAGES + ["total"]:
                for what in ("sum", "count"):
                    self.assertIn('ims_stage_seconds_%s{kind="%s",stage="%s"}'
                                  % (what, kind, stage), stats)

    def test_slow(self):
        with self.loaded() as run:
            run.until("start")
            time.sleep(0.5)
            for _ in range(20):  # while the server writes
                rows = [json.loads(line) for line in
                        self.server.ctl("slow", "--count", 50, "--json").stdout.splitlines()]
                self.assertGreater(len(rows), 0)
                totals = [row["total_ns"] for row in rows]
                self.expect("slowest first", sorted(totals, reverse=True), totals)
                for row in rows:
                    self.assertLessEqual(
                        abs(sum(row["stage_ns"].values()) - row["total_ns"]), 10)
                    self.expect("stages", set(STAGES), set(row["stage_ns"]))
            run.finish()
        text = self.server.ctl("slow", "--count", 3, "--kind", "relayed").stdout.splitlines()
        self.expect("lines", 4, len(text))
        self.assertTrue(text[0].startswith("ENDED"), text[0])
        for line in text[1:]:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z +relayed ")
            self.assertRegex(line, r" 0\.\d+\.\d+ +\d+ +[0-9a-f]+ +\d+$")
        self.expect("of no such kind", "no message was followed in the last ten minutes\n",
                    self.server.ctl("slow", "--kind", "group").stdout)

    def test_top(self):
        with self.loaded() as run:
            run.until("start")
            top = json.loads(self.server.ctl("top", "--once", "--json").stdout)
            text = self.server.ctl("top", "--once", "--interval", "300ms").stdout
            run.finish()
        self.assertGreaterEqual(top["interval_seconds"], 1)
        threads = {thread["thread"]: thread for thread in top["threads"]}
        gateway = threads["gw0"]
        self.assertGreater(gateway["cpu"], 0)
        self.assertLessEqual(gateway["cpu"], 1.1)
        self.assertGreater(gateway["turns"], 0)
        self.assertGreater(gateway["busy"], 0)
        self.assertLessEqual(gateway["busy"], 1)
        self.assertIn("commit0", threads)
        if server_module.placement_name() == "split":
            self.assertGreater(threads["worker0"]["cpu"], 0)
        self.expect("connections", 20, top["connections"])
        self.expect("sessions", 20, top["sessions"])
        relayed = top["messages"]["relayed"]
        self.assertGreater(relayed, 0)
        # Each is a frame in; a push and an answer out.
        self.assertAlmostEqual(top["frames"]["in"] / relayed, 1, delta=0.2)
        self.assertAlmostEqual(top["frames"]["out"] / relayed, 2, delta=0.4)
        self.assertGreaterEqual(top["frames_per_send"], 1)
        self.assertAlmostEqual(top["followed"]["relayed"] / relayed, 1 / 64, delta=1 / 100)
        for word in ("connections", "messages", "frames", "wake-ups", "rings", "commits", "gw0"):
            self.assertIn(word, text)
        self.assertNotIn("\x1b", text)

    def test_top_goes_on_until_it_is_interrupted(self):
        top = subprocess.Popen([str(server_module.IMSCTL), "--data", str(self.server.data), "top",
                                "--interval", "100ms", "--json"], stdout=subprocess.PIPE, text=True)
        try:
            for _ in range(3):
                self.assertIn("threads", json.loads(top.stdout.readline()))
        finally:
            top.terminate()
            top.stdout.close()
            top.wait(10)

    def test_wrong_usage(self):
        for words in (("latency", "--kind", "nonsense"), ("top", "--once", "--interval", "0"),
                      ("latency", "--interval", "soon"), ("slow", "--kind", "nonsense"),
                      ("slow", "--count", "0"), ("slow", "--count", "-1"),
                      ("slow", "--count", "1.5"), ("slow", "--count", "many"),
                      ("slow", "--count", ""), ("slow", "--count", "18446744073709551616")):
            done = self.server.ctl(*words, check=False)
            self.expect(f"exit code of {words}", 2, done.returncode)
            self.assertRegex(done.stderr, rf"\Aimsctl: {words[-2]} takes|\Aimsctl: {words[-2]} is|"
                                          rf"\Aimsctl: {words[-2]}: ")
            self.expect(f"standard output of {words}", "", done.stdout)
        for count in (1, 18446744073709551615):
            self.expect(f"exit code with --count {count}", 0,
                        self.server.ctl("slow", "--count", count).returncode)


class Ended(case.OwnServer, case.Case):
    server_options = {"gateways": 1, "workers": 1, "trace_sample": 1}

    def test_what_the_last_server_left_can_be_read(self):
        self.login(case.fresh("alice")).leave()
        self.expect("exit code", 0, self.server.stop())
        for words in (("latency",), ("slow",)):
            done = self.server.ctl(*words)
            self.assertIn("login", done.stdout)
            self.assertIn("no server runs here", done.stderr)
        for words in (("top", "--once"), ("latency", "--interval", "1")):
            done = self.server.ctl(*words, check=False)
            self.expect(f"exit code of {words}", 1, done.returncode)
            self.assertIn("no server runs here", done.stderr)
        self.server.start()

    def test_a_login_is_of_its_user(self):
        alice = self.login(case.fresh("alice"))
        refused = self.login(case.fresh("bob"), token="none", expect=codes.UNAUTHENTICATED)
        alice.sync()

        def slow():
            return [json.loads(line) for line in
                    self.server.ctl("slow", "--count", 1000, "--json").stdout.splitlines()]
        self.eventually("followed", ["login", "login", "other"],
                        lambda: sorted(row["kind"] for row in slow()))
        who = {}
        for row in slow():
            who.setdefault(row["kind"], set()).add((row["tenant"], row["user"]))
        self.expect("whose", who["other"] | {(0, 0)}, who["login"])
        self.expect("nobody's", set(), who["other"] & {(0, 0)})
        refused.close()

    def test_nobody_is_followed(self):
        self.server.stop()
        self.server.start("--trace-sample", "0")
        self.login(case.fresh("alice"))
        self.assertIn("trace_sample is 0", self.server.ctl("latency").stdout)
        self.assertEqual(self.server.stats()['ims_traces_total{result="started"}'], 0)


if __name__ == "__main__":
    case.main()
