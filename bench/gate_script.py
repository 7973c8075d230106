"""The fixed scripts of bench/gate, and the lock step that makes them repeat.

The server is stopped (SIGSTOP) while a round's bytes are written to its sockets, and goes on when all
of them are there: what it finds in its first turn is the same in every run, however slow the machine
is and whatever else runs on it. The round is over when every frame that it brings was read and each of
the server's threads sleeps; then it is stopped again.

  with Lockstep(server) as step:
      script = Script(step)
      script.prepare()
      workload = WORKLOADS["pair_1"](script)
      workload.prepare()                         # what the rounds need, not measured
      workload.round()                           # returns how many units it was

What comes back is decoded by the stock protobuf runtime: each request has to be answered with OK, and
each message to be delivered to whom it was for, or GateFailed says what was wrong.
"""

import os
import select
import signal
import socket
import time
from pathlib import Path

import codes
import messages
import server as server_module
import wire

ROUND_TIMEOUT_S = 300
QUIET_LOOKS = 3            # all threads asleep, so many times in a row
QUIET_PAUSE_S = 0.0005
SETTLE_S = 1.0             # what logins and cursors leave is stored within 0.5 s
PAYLOAD = b"p" * 100
INVITED_AT_ONCE = 400

PAIRS = 500                # of pair_1: 1,000 connections
DEEP_CONNECTIONS = 100     # of pair_32
GROUP_MEMBERS = 500
AWAY_USERS = 256           # of offline and drain
AWAY_FROM = 10_000         # number of the first
LOGINS = 100
LOGIN_FROM = 20_000
DRAIN_FROM = 30_000


class GateFailed(Exception):
    pass


class Peer:
    """A client connection: bytes out, frames in."""

    def __init__(self, address, name):
        self.name, self.expected, self.got = name, 0, []
        self.buffer = wire.FrameBuffer()
        self.socket = socket.create_connection(address, timeout=ROUND_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next_id = 1

    def read(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise GateFailed(f"the server closed the connection of {self.name}")
        self.buffer.append(data)
        while (body := self.buffer.next()) is not None:
            if body:
                self.got.append(body)


class Lockstep:
    def __init__(self, server):
        self.server, self.stopped = server, False
        self.poll = select.epoll()
        self.by_fd = {}

    def __enter__(self):
        self.stop()
        return self

    def __exit__(self, *_):
        self.go()
        self.poll.close()
        for peer in self.by_fd.values():
            peer.socket.close()

    def _states(self):
        states = []
        for task in Path(f"/proc/{self.server.pid}/task").iterdir():
            try:
                states.append((task / "stat").read_text().rpartition(")")[2].split()[0])
            except FileNotFoundError:
                pass
        return states

    def _wait_for(self, states, what):
        deadline, seen = time.monotonic() + ROUND_TIMEOUT_S, 0
        while seen < QUIET_LOOKS:
            seen = seen + 1 if all(s in states for s in self._states()) else 0
            if not self.server.is_running:
                raise GateFailed(f"the server ended:\n{self.server.log_tail()}")
            if time.monotonic() > deadline:
                raise GateFailed(f"the server's threads are not {what}: {self._states()}")
            time.sleep(QUIET_PAUSE_S)

    def stop(self):
        if not self.stopped:
            self._wait_for("SI", "asleep")
            os.kill(self.server.pid, signal.SIGSTOP)
            self._wait_for("T", "stopped")
            self.stopped = True

    def go(self):
        if self.stopped:
            os.kill(self.server.pid, signal.SIGCONT)
            self.stopped = False

    def running(self, work):
        """work() while the server runs: for what talks to it from outside."""
        self.go()
        try:
            return work()
        finally:
            self.stop()

    def connect(self, name):
        peer = Peer(self.server.address, name)
        self.by_fd[peer.socket.fileno()] = peer
        self.poll.register(peer.socket.fileno(), select.EPOLLIN)
        return peer

    def close(self, peers):
        for peer in peers:
            self.poll.unregister(peer.socket.fileno())
            del self.by_fd[peer.socket.fileno()]
            peer.socket.close()

    def round(self, writes, settle_s=0):
        """`writes`: (peer, bytes, frames that come back to it) in order. A peer of 0 bytes only
        listens. Returns when all of it came, the server stopped again. It is not read from before,
        so that how fast this program reads is no part of it."""
        for peer, data, expected in writes:
            if data:
                peer.socket.sendall(data)
            peer.expected += expected
        deadline = time.monotonic() + ROUND_TIMEOUT_S
        while True:
            self.go()
            time.sleep(settle_s)
            self.stop()
            self.read_all()
            short = [(p.name, p.expected, len(p.got)) for p, _, _ in writes
                     if len(p.got) < p.expected]
            if not short:
                break
            if time.monotonic() > deadline:
                raise GateFailed(f"frames are missing (name, expected, got): {short[:5]}")
            settle_s = max(QUIET_PAUSE_S, 2 * settle_s)
        for peer, _, _ in writes:
            if len(peer.got) != peer.expected:
                raise GateFailed(f"{peer.name}: {peer.expected} frames expected, got "
                                 f"{len(peer.got)}")
            peer.expected = 0

    def read_all(self):
        while ready := self.poll.poll(0, max(1, len(self.by_fd))):
            for fd, _ in ready:
                self.by_fd[fd].read()

    def take(self, peer):
        got, peer.got = peer.got, []
        return got


class Script:
    """The people of all workloads, and the frames that they send."""

    def __init__(self, step):
        self.step, self.server = step, step.server
        self.m = messages.generated("full")
        self.client_ids = 0
        self.peers = []       # of the pairs; the first are the group's members

    def user(self, number):
        return "u%07d" % number

    def command(self, kind, body, id_):
        command = self.m.CommandV2(version=2, id=id_)
        getattr(command, kind).CopyFrom(body)
        return wire.frame(command.SerializeToString())

    def connect_frame(self, name, **more):
        body = self.m.Connect(org=server_module.ORG, appkey=server_module.APPKEY, user=name,
                              token=self.server.token(name), **more)
        return self.command("connect", body, 1)

    def request(self, peer, type_, payload, offline=None):
        request = self.m.Request(type=type_, payload=payload.SerializeToString())
        if offline is not None:
            request.opts.add().offline = offline
        peer.next_id += 1
        return self.command("request", request, peer.next_id)

    def message(self, peer, to="", group="", offline=False, client_id=False):
        message = self.m.Message(to=to, group=group, payload=PAYLOAD)
        if client_id:
            self.client_ids += 1
            message.client_id = b"%016d" % self.client_ids
        return self.request(peer, codes.MESSAGE, message, offline=offline)

    def group_request(self, peer, op, users):
        return self.request(peer, codes.GROUP,
                            self.m.GroupRequest(op=op, group="gate", users=users))

    # ---- what came ----

    def check(self, peers, answers, pushes):
        """Every peer got so many good answers and so many pushes (a number, or by peer)."""
        for peer in peers:
            seen = [0, 0]
            for body in self.step.take(peer):
                command = self.m.CommandV2.FromString(body)
                if command.HasField("disconnect"):
                    raise GateFailed(f"{peer.name}: {command.disconnect}")
                if command.HasField("request"):
                    seen[1] += 1
                    continue
                answer = command.response if command.HasField("response") else command.conack
                if answer.code != codes.OK:
                    raise GateFailed(f"{peer.name}: refused with {answer}")
                seen[0] += 1
            wanted = [a[peer] if isinstance(a, dict) else a for a in (answers, pushes)]
            if seen != wanted:
                raise GateFailed(f"{peer.name}: expected (answers, pushes) {wanted}, got {seen}")

    # ---- people ----

    def log_in(self, numbers, settle_s=0, **more):
        names = [self.user(number) for number in numbers]
        peers = [self.step.connect(name) for name in names]
        self.step.round([(p, self.connect_frame(p.name, **more), 1) for p in peers], settle_s)
        self.check(peers, 1, 0)
        return peers

    def prepare(self):
        """Everybody exists; the pairs are logged in; the group is made of the first of them."""
        for first in range(0, 2 * PAIRS, 250):
            self.peers += self.log_in(range(first, first + 250))
        self.away = [self.user(AWAY_FROM + i) for i in range(AWAY_USERS)]
        self.step.close(self.log_in(range(AWAY_FROM, AWAY_FROM + AWAY_USERS)))
        self.step.close(self.log_in(range(LOGIN_FROM, LOGIN_FROM + LOGINS)))
        owner, *others = self.peers[:GROUP_MEMBERS]
        op = codes.CREATE
        for first in range(0, len(others), INVITED_AT_ONCE):
            invited = others[first:first + INVITED_AT_ONCE]
            self.step.running(lambda: self.ask_for_group(owner, op, invited))
            op = codes.INVITE

    def ask_for_group(self, owner, op, invited):
        """How many events who gets of it is no part of the script: what comes is thrown away."""
        owner.socket.sendall(self.group_request(owner, op, [p.name for p in invited]))
        quiet_at = time.monotonic() + SETTLE_S
        while time.monotonic() < quiet_at:
            if self.step.poll.poll(0.1):
                self.step.read_all()
                quiet_at = time.monotonic() + SETTLE_S
        for peer in self.peers:
            self.step.take(peer)


# ---- the workloads -------------------------------------------------------------------------------


class Workload:
    """`rounds` are measured, behind one that is not. round() returns how many units it was."""

    unit, rounds = "message", 6

    def __init__(self, script):
        self.script, self.step = script, script.step

    def prepare(self):
        pass


class Pair(Workload):
    """Everybody sends `window` messages to its partner and is sent as many; all are relayed."""

    connections, window = 2 * PAIRS, 1

    def round(self):
        peers = self.script.peers[:self.connections]
        writes = []
        for index, peer in enumerate(peers):
            to = peers[index ^ 1].name
            data = b"".join(self.script.message(peer, to=to) for _ in range(self.window))
            writes.append((peer, data, 2 * self.window))
        self.step.round(writes)
        self.script.check(peers, self.window, self.window)
        return len(peers) * self.window


class DeepPair(Pair):
    connections, window = DEEP_CONNECTIONS, 32


class Group(Workload):
    """One member sends `window` messages to all, relayed; the unit is the delivery."""

    unit, rounds, window = "delivery", 30, 1

    def round(self):
        sender, *others = self.script.peers[:GROUP_MEMBERS]
        data = b"".join(self.script.message(sender, group="gate") for _ in range(self.window))
        self.step.round([(sender, data, self.window)] +
                        [(peer, b"", self.window) for peer in others])
        self.script.check([sender], self.window, 0)
        self.script.check(others, 0, self.window)
        return len(others) * self.window


class DeepGroup(Group):
    rounds, window = 6, 16


class Login(Workload):
    """Connect, log in with a token, be answered, close; what it leaves in the store is part of it."""

    unit, rounds = "login", 4

    def round(self):
        # Each half is stored by itself, however long the first took.
        peers = self.script.log_in(range(LOGIN_FROM, LOGIN_FROM + LOGINS), settle_s=SETTLE_S)
        self.step.close(peers)
        self.step.round([], settle_s=SETTLE_S)
        return LOGINS


class Offline(Workload):
    """Stored messages with a client_id to people who are away, each sender with several
    outstanding; answered once durable."""

    senders, each = 16, 32

    def prepare(self):
        self.sent = 0

    def round(self):
        script = self.script
        peers, writes = script.peers[:self.senders], []
        for peer in peers:
            data = b""
            for _ in range(self.each):
                self.sent += 1
                data += script.message(peer, to=script.away[self.sent % AWAY_USERS], offline=True,
                                       client_id=True)
            writes.append((peer, data, self.each))
        self.step.round(writes)
        script.check(peers, self.each, 0)
        return self.senders * self.each


class Drain(Workload):
    """People who were away log in, are pushed what they missed and go; the unit is the row. Being
    sent it is all they have to say (AUTO)."""

    unit, rounds = "row", 3
    people, each = 64, 16

    def prepare(self):
        self.first = DRAIN_FROM
        script, sender = self.script, self.script.peers[0]
        everybody = range(DRAIN_FROM, DRAIN_FROM + self.people * (self.rounds + 1))
        self.step.close(script.log_in(everybody, device="gate"))
        self.step.round([], settle_s=SETTLE_S)
        for _ in range(self.each):
            data = b"".join(script.message(sender, to=script.user(number), offline=True)
                            for number in everybody)
            self.step.round([(sender, data, len(everybody))])
            script.check([sender], len(everybody), 0)

    def round(self):
        names = range(self.first, self.first + self.people)
        self.first += self.people
        peers = [self.step.connect(self.script.user(number)) for number in names]
        self.step.round([(p, self.script.connect_frame(p.name, device="gate"), 1 + self.each)
                         for p in peers], settle_s=SETTLE_S)
        self.script.check(peers, 1, self.each)
        self.step.close(peers)
        self.step.round([], settle_s=SETTLE_S)
        return self.people * self.each


class Mix(Workload):
    """A bit of everything in one round: people come, write to each other, to a group and to people
    who are away, and go. The unit is the request."""

    unit, rounds = "request", 4
    coming, chatting, storing = 20, 200, 40

    def prepare(self):
        self.sent = 0

    def round(self):
        script = self.script
        come = [self.step.connect(script.user(LOGIN_FROM + i)) for i in range(self.coming)]
        writes = [(peer, script.connect_frame(peer.name), 1) for peer in come]
        answers, pushes = {p: 1 for p in come}, {p: 0 for p in come}
        members = script.peers[:GROUP_MEMBERS]
        for index, peer in enumerate(members):
            data, answers[peer], pushes[peer] = b"", 0, 1
            if index == 0:
                data += script.message(peer, group="gate")
                answers[peer], pushes[peer] = 1, 0
            if index < self.chatting:
                data += script.message(peer, to=script.peers[index ^ 1].name)
                answers[peer] += 1
                pushes[peer] += 1
            if index < self.storing:
                self.sent += 1
                data += script.message(peer, to=script.away[self.sent % AWAY_USERS], offline=True)
                answers[peer] += 1
            writes.append((peer, data, answers[peer] + pushes[peer]))
        self.step.round(writes, settle_s=SETTLE_S)
        script.check([*come, *members], answers, pushes)
        self.step.close(come)
        self.step.round([], settle_s=SETTLE_S)
        return self.coming + 1 + self.chatting + self.storing


WORKLOADS = {"pair_1": Pair, "pair_32": DeepPair, "group_1": Group, "group_16": DeepGroup,
             "login": Login, "offline": Offline, "drain": Drain, "mix": Mix}
