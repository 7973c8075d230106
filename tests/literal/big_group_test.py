#!/usr/bin/python3
"""A group of many members, a part of them online: built by INVITE of 500 at a time, written to in
bursts, and joined and left while messages run. IMS_GROUP_MEMBERS and IMS_GROUP_ONLINE set the size:
100,000, the protocol's limit, of whom 20,000. Who is online are processes of `imsbench crowd`, which check every row that they are
pushed. Sources: PROTOCOL.md sections 5 and 6, ARCHITECTURE.md (fan-out)."""

import os
import resource
import selectors
import subprocess
import threading
import time

import case
import codes
import server as server_module
from messages import BUILD_DIR

MEMBERS = int(os.environ.get("IMS_GROUP_MEMBERS", "100000"))
ONLINE = int(os.environ.get("IMS_GROUP_ONLINE", "20000"))
INVITED = 500
PER_CROWD = 10_000            # connections of one crowd: its descriptors
GROUP = "big"
WAIT_S = 120

BURST, BODY_BYTES = 40, 400
PUSH_OVERHEAD_BYTES = 200     # names, seq, times and lengths of a pushed Message
FANOUT_SENDS_PER_TURN = 64
RSS_SLACK_BYTES = 128 << 20   # memtables, block cache, the allocator's own, blocks that are kept
RETURNED_S = 40               # the allocator gives back what is free within some 10 s

PROBES_PER_S = 500

CHURNERS, ROUNDS, ROUND_MESSAGES = 40, 12, 5


def user_name(number):
    return f"u{number:07d}"  # as imsbench names them


class Crowd:
    """One `imsbench crowd`."""

    def __init__(self, server, first_user, connections):
        self.process = subprocess.Popen(
            [str(BUILD_DIR / "imsbench"), "crowd", "--address", "%s:%d" % server.address, "--org",
             server_module.ORG, "--appkey", server_module.APPKEY, "--secret", server_module.SECRET,
             "--group", GROUP, "--first-user", str(first_user), "--connections", str(connections)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait_line(self, expected):
        if not self.selector.select(WAIT_S):
            raise AssertionError(f"expected {expected!r} of the crowd within {WAIT_S} s")
        line = self.process.stdout.readline().decode().strip()
        if line != expected:
            why = self.process.stderr.read().decode() if not line else ""
            raise AssertionError(f"expected {expected!r} of the crowd, got {line!r} {why}")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.selector.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


class BigGroup(case.Case):
    """The server, the group and its crowd are the class': they take most of the time."""

    owner_name, sender_name = user_name(MEMBERS - 1), user_name(MEMBERS - 2)

    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        need = min(ONLINE, PER_CROWD) + 1000
        if hard != resource.RLIM_INFINITY and hard < need:
            raise cls.skipTest(cls, f"{need} descriptors are needed, the hard limit is {hard}")
        wanted = 2 * ONLINE + 1000 if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        cls._server = server_module.Server(gateways=2, stall_timeout="600s",
                                           max_group_members=MEMBERS + 1000)
        cls.addClassCleanup(cls._server.destroy)
        cls._server.add_app()
        subprocess.run([str(BUILD_DIR / "imsbench"), "fill", "--data", str(cls._server.data), "--org",
                        server_module.ORG, "--appkey", server_module.APPKEY, "--users",
                        str(MEMBERS + CHURNERS + 1000)], check=True, stdout=subprocess.DEVNULL,
                       timeout=WAIT_S)
        cls._server.start()
        cls.build()

    @property
    def server(self):
        return self._server

    # ---- the group and who is online ----

    @classmethod
    def build(cls):
        """Everybody is invited by 500; who will be online last, or each of them would first be pushed
        every event of the others."""
        test = cls()
        owner = cls.owner = test.login(cls.owner_name)
        cls.addClassCleanup(owner.close)
        test.change(owner, codes.CREATE, GROUP, open=True)
        started = time.monotonic()
        numbers = [*range(ONLINE, MEMBERS - 1), *range(ONLINE)]
        for at in range(0, len(numbers), INVITED):
            users = [user_name(number) for number in numbers[at:at + INVITED]]
            result = test.change(owner, codes.INVITE, GROUP, users=users)
            test.expect("added", len(users), len(result.members))
        test.expect("members", MEMBERS, result.member_count)
        took = time.monotonic() - started
        print(f"{MEMBERS} members by INVITE of {INVITED} in {took:.1f} s, "
              f"{took / MEMBERS * 1e6:.0f} us each; RSS {cls._server.rss_bytes() >> 20} MiB",
              flush=True)
        cls.sender = test.login(cls.sender_name, ack=codes.AUTO)
        cls.addClassCleanup(cls.sender.close)
        started = time.monotonic()
        cls.crowds = []
        for first in range(0, ONLINE, PER_CROWD):
            cls.crowds.append(Crowd(cls._server, first, min(PER_CROWD, ONLINE - first)))
            cls.addClassCleanup(cls.crowds[-1].end)
        for crowd in cls.crowds:
            crowd.wait_line("online")
        test.wait_for(test.head())
        cls.rss_online = cls._server.rss_bytes()
        print(f"{ONLINE} of them online and caught up in {time.monotonic() - started:.1f} s; RSS "
              f"{cls.rss_online >> 20} MiB", flush=True)

    def change(self, client, op, group, **fields):
        response, result = client.group(op, group, **fields)
        self.expect_code(f"GROUP op {op}", codes.OK, response)
        return result

    def head(self):
        return self.change(self.owner, codes.INFO, GROUP).head_seq

    def wait_for(self, seq):
        """Everybody who is online has every row up to `seq`."""
        for crowd in self.crowds:
            crowd.tell(f"expect {seq}")
        for crowd in self.crowds:
            crowd.wait_line(f"have {seq}")

    def burst(self, count):
        """`count` stored messages in one segment, delivered to all."""
        last = self.store(self.sender, count, group=GROUP, stem="x" * BODY_BYTES)[-1].seq
        self.wait_for(last)

    # ---- tests ----

    def test_a_burst_to_everybody_online(self):
        server, stats = self._server, self._server.stats
        self.burst(BURST)  # what stays for good is there from now on
        rss, counted = server.rss_bytes(), stats()
        peak, over = [rss], threading.Event()

        def watch():
            while not over.wait(0.005):
                peak[0] = max(peak[0], server.rss_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.monotonic()
        try:
            self.burst(BURST)
        finally:
            took = time.monotonic() - started
            over.set()
            watcher.join()
        after = stats()

        def grown(name):
            return int(after[name] - counted[name])

        self.expect("stored rows", BURST, grown("ims_rows_stored_total"))
        sent_bytes = ONLINE * BURST * (BODY_BYTES + PUSH_OVERHEAD_BYTES)
        sends, turns = grown("ims_fanout_sends_total"), grown("ims_turns_total")
        print(f"{BURST} messages to {ONLINE} online in {took:.2f} s, "
              f"{took / BURST / ONLINE * 1e6:.2f} us a delivery; {sends} sends of a fan-out, at most "
              f"{int(after['ims_fanout_turn_sends_max'])} a turn; {turns} turns; RSS "
              f"{rss >> 20} -> {peak[0] >> 20} MiB at most -> {server.rss_bytes() >> 20} MiB; "
              f"{sent_bytes >> 20} MiB were pushed", flush=True)
        self.assertGreaterEqual(sends, ONLINE)
        self.assertLessEqual(after["ims_fanout_turn_sends_max"], FANOUT_SENDS_PER_TURN)
        # Nothing for who is offline, and never more than all of it at once for who is online.
        self.assertLess(peak[0] - rss, sent_bytes + RSS_SLACK_BYTES)
        # Who found no room on a ring reads the row later, side by side: not each for itself.
        self.assertLess(grown("ims_catchup_pages_total"), ONLINE)
        self.eventually("bytes owed to clients", 0, lambda: int(stats()["ims_send_queue_bytes"]))
        self.eventually("RSS is as before anything was sent", True,
                        lambda: server.rss_bytes() - self.rss_online < RSS_SLACK_BYTES, RETURNED_S,
                        pause=0.5)
        print(f"RSS {server.rss_bytes() >> 20} MiB, {time.monotonic() - started:.0f} s after its "
              f"start", flush=True)

    def probe(self, seconds):
        """Relayed 1:1 messages at a fixed rate, each timed from when it was due: sorted seconds."""
        writer, reader = (self.login(case.fresh(name)) for name in ("writer", "reader"))
        count, delays = int(seconds * PROBES_PER_S), []

        def read():
            for _ in range(count):
                due = float(reader.wait_push(timeout=30).body.payload)
                delays.append(time.monotonic() - due)

        thread = threading.Thread(target=read)
        thread.start()
        begin = time.monotonic()
        for i in range(count):
            due = begin + i / PROBES_PER_S
            time.sleep(max(0.0, due - time.monotonic()))
            writer.post(codes.MESSAGE, self.message(to=reader.user, payload=b"%.9f" % due))
        thread.join()
        self.expect("probes", count, len(delays))
        return sorted(delays)

    def test_others_meanwhile(self):
        """1:1 traffic beside it: its latency is printed, not judged."""
        def quantiles(delays):
            return ", ".join(f"{name} {delays[int(len(delays) * part)] * 1000:.1f} ms"
                             for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
                             ) + f", at most {delays[-1] * 1000:.1f} ms"

        alone = self.probe(1)
        over, bursts = threading.Event(), []

        def keep_on():
            while not over.is_set():
                self.burst(BURST)
                bursts.append(BURST)

        thread = threading.Thread(target=keep_on)
        thread.start()
        try:
            beside = self.probe(3)
        finally:
            over.set()
            thread.join()
        print(f"1:1 relayed, {PROBES_PER_S} a second: alone {quantiles(alone)}; beside {len(bursts)} "
              f"bursts of {BURST} messages to {ONLINE}: {quantiles(beside)}", flush=True)

    def test_who_comes_and_goes_sees_what_is_theirs(self):
        """Joins, leaves, INVITE of 500 and KICK of 500 run against messages. The group's timeline says
        who was a member from which event to which. Who joins anew sees from there on: of an earlier
        membership the rest may be missing, never a row between two."""
        names = [user_name(MEMBERS + 2 + i) for i in range(CHURNERS)]
        crowd = [user_name(MEMBERS + 2 + CHURNERS + i) for i in range(INVITED - CHURNERS // 2)]
        churners = [self.login(name, ack=codes.AUTO) for name in names]
        invited = names[::2] + crowd       # the owner's; the others come and go by themselves
        joining = list(zip(names, churners))[1::2]
        first = self.head() + 1
        asked = []

        def ask(client, op, **fields):
            asked.append((client, client.post(codes.GROUP, self.messages.GroupRequest(
                op=op, group=GROUP, **fields))))

        for round_ in range(ROUNDS):
            coming = round_ % 2 == 0
            sent = []
            for part in range(ROUND_MESSAGES):
                sent.append(self.sender.post(codes.MESSAGE, self.message(
                    group=GROUP, payload=b"%d-%d" % (round_, part)), True))
                if part == 1:
                    ask(self.owner, codes.INVITE if coming else codes.KICK, users=invited)
                for _, client in joining[part::ROUND_MESSAGES]:
                    ask(client, codes.JOIN if coming else codes.LEAVE)
            for id in sent:
                self.expect_code("message", codes.OK, self.sender.wait_response(id))
            for client, id in asked:
                self.expect_code("change", codes.OK, client.wait_response(id))
            asked.clear()
        last = self.head()
        self.wait_for(last)

        seen_by = self.memberships(first, last, set(names))
        for name, client in zip(names, churners):
            *earlier, last_one = seen_by[name]
            self.eventually(f"the last rows pushed to {name}", last_one,
                            lambda: self.drained(client)[-len(last_one):])
            got = [push.seq for push in client.pushes]
            for due in filter(None, earlier):
                part = [seq for seq in got if due[0] <= seq <= due[-1]]
                self.expect(f"rows of a membership pushed to {name}", due[:len(part)], part)
                got = got[len(part):]
            self.expect(f"other rows pushed to {name}", last_one, got)
            response, _ = client.sync(GROUP, after_seq=first)
            self.expect_code("SYNC when gone", codes.FORBIDDEN, response)
        for client in churners:
            client.pushes.clear()
        self.expect_quiet("nothing more", *churners)

    def drained(self, client):
        client.settle(0.01)
        return [push.seq for push in client.pushes]

    def memberships(self, first, last, names):
        """{name: for each membership the seqs that are to be pushed}: from its joining to its end, but
        for rows that the user caused."""
        due, inside, after = {name: [] for name in names}, set(), first - 1
        while after < last:
            response, result = self.owner.sync(GROUP, after_seq=after, limit=200)
            self.expect_code("SYNC", codes.OK, response)
            rows = sorted([*result.messages, *result.group_events], key=lambda row: row.seq)
            self.expect("seqs", list(range(after + 1, rows[-1].seq + 1)), [r.seq for r in rows])
            for row in rows:
                op, by, users = getattr(row, "op", None), getattr(row, "by", None), set()
                if op in (codes.JOIN, codes.LEAVE):
                    users = {by} & names
                elif op in (codes.INVITE, codes.KICK):
                    users = set(row.users) & names
                if op in (codes.JOIN, codes.INVITE):
                    inside |= users
                    for name in users:
                        due[name].append([])
                for name in inside - {by}:
                    due[name][-1].append(row.seq)
                if op in (codes.LEAVE, codes.KICK):
                    inside -= users
            after = rows[-1].seq
        self.expect("members at the end", set(), inside)
        return due


if __name__ == "__main__":
    case.main()
