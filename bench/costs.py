"""What single requests cost the server, by the size of what they touch: logins by groups and contacts,
messages by members, pages by their position, presence by friends and watchers. `bench/run costs`.

One store is filled once (users by imsbench fill, the rest through the protocol); the server has one gateway
and one worker on core 0, the clients are this process and imsbench crowd on core 1. CPU is the scheduler's
clock of all threads of the server, from before the first request to behind the last one's effects,
divided by their number; a row is measured `rounds` times: median [lowest-highest]."""

import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "literal"))

ORG, APPKEY = "bench", "load"
SIZES = (10, 100, 1_000, 10_000, 100_000)  # of groups
MEMBERS, ONLINE = SIZES[-1], 1_000
FRIENDS = (0, 50, 5_000)
GROUPS = (0, 100, 1_000)
COLD_USERS = 10
INVITED = 500
SETTLE_S = 0.7               # AUTO cursors, effects and presence of what was measured: durable
GONE_S = 2.4                 # a device that went has been told
RESTARTED_S = 2.0            # the store has done what it does after a start


def user_name(number):
    return f"u{number:07d}"


class Wire:
    """Raw frames over one socket: what is measured must not wait for Python's protobuf."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes, self.bytes_in = b"", 0

    def send(self, data):
        self.socket.sendall(data)

    def frames(self, count):
        """Reads `count` frames; their lengths."""
        lengths = []
        while len(lengths) < count:
            while (cut := self._cut()) is None:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise RuntimeError("the server closed the connection")
                self.bytes += data
                self.bytes_in += len(data)
            lengths.append(cut)
        return lengths

    def _cut(self):
        length = shift = 0
        for at, byte in enumerate(self.bytes[:5]):
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                end = at + 1 + length
                if len(self.bytes) < end:
                    return None
                self.bytes = self.bytes[end:]
                return end
        return None

    def wait_end(self):
        while self.socket.recv(65536):
            pass
        self.socket.close()


class Costs:
    def __init__(self, bench):
        import codes
        import ims_client
        import messages
        import tokens
        self.codes, self.tokens, self.bench = codes, tokens, bench
        self.messages = messages.generated("full")
        self.client_class = ims_client.Client
        self.secret = bench.secret
        self.taken = 0  # users, by number
        os.sched_setaffinity(0, {int(bench.load_core)})

    # ---- clients ----

    @property
    def address(self):
        return ("127.0.0.1", self.bench.port)

    def token(self, user):
        return self.tokens.sign(self.secret, user, ttl_s=86_400)

    def login(self, user, **additions):
        client = self.client_class(self.address, self.messages, timeout=120)
        conack = client.login(ORG, APPKEY, user, self.token(user), **additions)
        self.expect(conack)
        client.user = user
        return client

    def expect(self, response):
        if response.code != self.codes.OK:
            raise RuntimeError(f"refused with {response.code}: {response.reason}")
        return response

    def take(self, count):
        """The number of the first of `count` users whom nobody uses yet."""
        self.taken += count
        return self.taken - count

    def many(self, client, requests):
        """Requests (type, body), many on their way at once."""
        waiting = []
        for type_, body in requests:
            waiting.append(client.post(type_, body))
            if len(waiting) == 200:
                for id in waiting:
                    self.expect(client.wait_response(id))
                waiting.clear()
        for id in waiting:
            self.expect(client.wait_response(id))

    def connect_frame(self, user):
        client = self.client_class.__new__(self.client_class)  # encodes, is not connected
        client.messages, client.edition, client.version = self.messages, 2, 2
        return (client.connect_frame(ORG, APPKEY, user, self.token(user)),
                client.disconnect_frame())

    # ---- measuring ----

    def cost(self, count, work, settle=SETTLE_S):
        """CPU us of the server for each of `count` things that `work` does."""
        begin = self.server.cpu()[0]
        work()
        time.sleep(settle)
        idle = self.idle_ns_per_s * settle
        return (self.server.cpu()[0] - begin - idle) / 1000 / count

    def rounds(self, measure):
        return spread([measure() for _ in range(self.bench.rounds)])

    def measure_idle(self):
        begin = self.server.cpu()[0]
        time.sleep(2)
        self.idle_ns_per_s = (self.server.cpu()[0] - begin) / 2

    # ---- the store ----

    def fill(self):
        codes, m = self.codes, self.messages
        began = time.monotonic()
        self.owner_name = user_name(self.take(1))
        self.owner = self.login(self.owner_name)
        self.first_member = {}
        for size in SIZES:
            first = self.first_member[size] = self.take(size)
            cpu, started = self.server.cpu()[0], time.monotonic()
            self.expect(self.owner.group(codes.CREATE, f"g{size}")[0])
            # Who will be online, the first ones, comes last: nobody is pushed many events of others.
            for at in range(size - 1, 0, -INVITED):
                users = [user_name(first + n) for n in range(max(0, at - INVITED), at)]
                self.expect(self.owner.group(codes.INVITE, f"g{size}", users=users)[0])
        print(f"\n{size:,} members by INVITE of {INVITED}: {time.monotonic() - started:.1f} s, "
              f"{(self.server.cpu()[0] - cpu) / 1000 / size:.1f} us of CPU each", flush=True)
        self.by_groups = {}
        for count in GROUPS:
            users = [user_name(self.take(1)) for _ in range(COLD_USERS)]
            for user in users:
                client = self.login(user)
                self.many(client, ((codes.GROUP, m.GroupRequest(op=codes.CREATE,
                                                                group=f"{user}-{i}"))
                                   for i in range(count)))
                client.leave()
            self.by_groups[count] = users
        self.by_friends, self.first_friend = {}, self.take(FRIENDS[-1])
        for count in FRIENDS:
            user = user_name(self.take(1))
            client = self.login(user)
            friends = [user_name(self.first_friend + n) for n in range(count)]
            for friend in friends:
                self.befriend(client, friend)
            self.many(client, ((codes.CONTACT, m.ContactRequest(op=codes.ACCEPT, user=friend))
                               for friend in friends))
            client.leave()
            self.by_friends[count] = user
        self.reader = user_name(self.take(1))
        writer, reader = self.login(user_name(self.take(1))), self.login(self.reader)
        for _ in range(10):
            ids = [writer.post(codes.MESSAGE, m.Message(to=self.reader, payload=bytes(100)), True)
                   for _ in range(100)]
            for id in ids:
                self.expect(writer.wait_response(id))
        for client in (writer, reader):
            client.leave()
        print(f"the store is filled after {time.monotonic() - began:.0f} s", flush=True)

    def befriend(self, client, friend):
        """The friend asks, over a short connection; client accepts later."""
        m = self.messages
        out = self.client_class(self.address, m)
        out.send_raw(out.connect_frame(ORG, APPKEY, friend, self.token(friend), send_only=True) +
                     out.request_frame(self.codes.CONTACT,
                                       m.ContactRequest(op=self.codes.ADD, user=client.user), id=1) +
                     out.disconnect_frame())
        out.wait_eof()
        self.expect(out.wait_response(1))
        out.close()

    # ---- tables ----

    def log_in_and_out(self, frames, seconds):
        """One login and logout; the seconds until its answer are appended."""
        connect, disconnect = frames
        started = time.perf_counter()
        wire = Wire(self.address)
        wire.send(connect)
        wire.frames(1)
        seconds.append(time.perf_counter() - started)
        wire.send(disconnect)
        wire.wait_end()

    def logins(self):
        print("\nlogin and logout, token, one device, nothing missed\n")
        print("| who | server CPU us, in memory | answered after us | CPU us, first after a restart |"
              " answered after us |")
        print("|---|--:|--:|--:|--:|")
        cases = [(f"{count:,} groups", users) for count, users in self.by_groups.items()]
        cases.append((f"{FRIENDS[-1]:,} contacts", [self.by_friends[FRIENDS[-1]]]))
        rows = {name: ([], [], [], []) for name, _ in cases}
        for _ in range(self.bench.rounds):
            for name, users in cases:
                self.restart()
                frames = [self.connect_frame(user) for user in users]
                cold, cold_s, warm, warm_s = rows[name]
                seconds = []
                cold.append(self.cost(len(frames), lambda: [self.log_in_and_out(f, seconds)
                                                            for f in frames]))
                cold_s.append(statistics.median(seconds) * 1e6)
                seconds = []
                warm.append(self.cost(100, lambda: [self.log_in_and_out(frames[0], seconds)
                                                    for _ in range(100)]))
                warm_s.append(statistics.median(seconds) * 1e6)
        for name, (cold, cold_s, warm, warm_s) in rows.items():
            print(f"| {name} | {spread(warm)} | {spread(warm_s)} | {spread(cold)} | "
                  f"{spread(cold_s)} |", flush=True)

    def group_messages(self):
        print("\nstored message to a group, 100 bytes; the sender is no one of those online\n")
        print("| members | online | outstanding | CPU us a message | a delivery |\n"
              "|--:|--:|--:|--:|--:|")
        for size in SIZES:
            online = min(size - 1, ONLINE)
            crowd = subprocess.Popen(
                ["taskset", "-c", self.bench.load_core, self.bench.program("imsbench"), "crowd",
                 "--address", "%s:%d" % self.address, "--secret", self.secret, "--group", f"g{size}",
                 "--first-user", str(self.first_member[size]), "--connections", str(online)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

            def wait_for(line):
                got = crowd.stdout.readline().strip()
                if got != line:
                    raise RuntimeError(f"expected {line!r} of the crowd, got {got!r}")

            def delivered(head):
                crowd.stdin.write(f"expect {head}\n")
                crowd.stdin.flush()
                wait_for(f"have {head}")
            try:
                wait_for("online")
                self.head = self.owner.group(self.codes.INFO, f"g{size}")[1].head_seq
                delivered(self.head)
                for window in (1, 32):
                    count = max(64, min(1024, 200_000 // online))

                    def send():
                        for at in range(0, count, window):
                            ids = [self.owner.take_id() for _ in range(window)]
                            self.owner.send_raw(b"".join(self.owner.request_frame(
                                self.codes.MESSAGE, self.messages.Message(
                                    group=f"g{size}", payload=bytes(100)), True, id) for id in ids))
                            for id in ids:
                                self.expect(self.owner.wait_response(id))
                            self.head += window
                            if window == 1 and online >= 100:
                                delivered(self.head)
                        delivered(self.head)
                    each = [self.cost(count, send) for _ in range(self.bench.rounds)]
                    print(f"| {size:,} | {online:,} | {window} | {spread(each)} | "
                          f"{spread([cost / online for cost in each], 3)} |", flush=True)
            finally:
                crowd.kill()
                crowd.communicate()

    def pages(self):
        codes, m = self.codes, self.messages
        print("\nSYNC and MEMBERS, in memory, one after the other\n")
        print("| what | CPU us | bytes |\n|---|--:|--:|")
        wire = self.login(self.reader)
        after, frames, rows, id = 0, [], 0, 1 << 20
        while rows < 1_000:
            response, result = wire.sync(after_seq=after, limit=1_000 - rows)
            frames.append(wire.request_frame(codes.SYNC, m.SyncRequest(
                after_seq=after, limit=1_000 - rows), id=id))
            after, rows = result.messages[-1].seq, rows + len(result.messages)
        self.replay(f"SYNC of 1,000 rows of 100 bytes, {len(frames)} frames", wire, frames)
        wire.close()
        # The owner's name is the first of all; then the members, by number.
        name, first = f"g{MEMBERS}", self.first_member[MEMBERS]
        middle, last = (user_name(first + n) for n in (MEMBERS // 2, MEMBERS - 1_002))
        for what, cursor in (("first", ""), ("middle", middle), ("last", last)):
            frame = self.owner.request_frame(codes.GROUP, m.GroupRequest(
                op=codes.MEMBERS, group=name, cursor=cursor, limit=1_000), id=id)
            self.replay(f"MEMBERS, {what} page of 1,000 of {MEMBERS:,}", self.owner, [frame])

    def replay(self, what, client, frames, times=50):
        wire = Wire.__new__(Wire)
        wire.socket, wire.bytes, wire.bytes_in = client.socket, b"", 0
        wire.socket.settimeout(60)

        def ask():
            for _ in range(times):
                for frame in frames:
                    wire.send(frame)
                    wire.frames(1)
        ask()
        wire.bytes_in = 0
        each = self.rounds(lambda: self.cost(times, ask, settle=0))
        print(f"| {what} | {each} | {wire.bytes_in // times // self.bench.rounds:,} |", flush=True)

    def presence(self):
        print("\npresence: login and logout of one user\n")
        print("| friends | watching | pace | CPU us a login + logout | records between workers | pushes |"
              " rows read |")
        print("|--:|--:|---|--:|--:|--:|--:|")
        for count, user in self.by_friends.items():
            frames = self.connect_frame(user)
            for watching in (0, 1, 50):
                if watching > count:
                    continue
                watchers = [self.login(user_name(self.first_friend + n))
                            for n in range(watching)]
                for watcher in watchers:
                    self.expect(watcher.presence([user], watch=True)[0])
                time.sleep(GONE_S)
                paces = [("at once", 200, 0.0, 0.0)]
                if watching:
                    paces.append(("a change each", 3, 0.3, GONE_S))
                for pace, times, stay_s, away_s in paces:
                    def come_and_go():
                        for _ in range(times):
                            wire = Wire(self.address)
                            wire.send(frames[0])
                            wire.frames(1)
                            time.sleep(stay_s)
                            wire.send(frames[1])
                            wire.wait_end()
                            time.sleep(away_s)

                    def measure():
                        stats = self.stats()
                        cost = self.cost(times, come_and_go, settle=GONE_S)
                        cost -= self.idle_ns_per_s * (stay_s + away_s) / 1000
                        after = self.stats()
                        for i, name in enumerate(("ims_handoffs_total",
                                                  'ims_relayed_total{result="delivered"}',
                                                  "ims_rows_loaded_total")):
                            counts[i].append((after[name] - stats[name]) / times)
                        return cost
                    counts = ([], [], [])
                    cost = self.rounds(measure)
                    print(f"| {count:,} | {watching} | {pace} | {cost} | "
                          + " | ".join(f"{statistics.median(c):.2f}" for c in counts) + " |",
                          flush=True)
                for watcher in watchers:
                    watcher.leave()

    def stats(self):
        out = subprocess.run([self.bench.program("imsctl"), "--data", str(self.bench.data), "stats"],
                             capture_output=True, text=True, check=True).stdout
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in out.splitlines())}

    # ---- the run ----

    def restart(self):
        self.owner.close()
        self.server.end()
        self.server = self.bench.start("uring", "split")
        self.owner = self.login(self.owner_name)
        time.sleep(RESTARTED_S)

    def run(self):
        bench = self.bench
        bench.make_store()
        subprocess.run([bench.program("imsbench"), "fill", "--data", str(bench.data), "--users",
                        str(sum(SIZES) + FRIENDS[-1] + 100)], check=True,
                       stdout=subprocess.DEVNULL)
        self.server = bench.start("uring", "split")
        try:
            print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
            self.measure_idle()
            print(f"idle, the server takes {self.idle_ns_per_s / 1000:.0f} us of CPU a second; that is "
                  f"taken off where it waited")
            self.fill()
            for table in (self.logins, self.group_messages, self.pages, self.presence):
                table()
            print(f"\nload average at the end {os.getloadavg()[0]:.1f}")
        finally:
            self.server.end()


def spread(values, digits=None):
    digits = digits if digits is not None else (1 if statistics.median(values) < 100 else 0)
    return (f"{statistics.median(values):.{digits}f} "
            f"[{min(values):.{digits}f}-{max(values):.{digits}f}]")
